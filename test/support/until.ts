/** Waits for conditions. They are bounds for a machine that is shared, never measurements. */

export const WAIT_MS = 45_000
const POLL_MS = 20

/**
 * Asks `probe` again and again until it answers neither null nor false, and returns that. A probe
 * that throws has not answered yet. Past the bound it throws, saying `what` never came true.
 */
export async function until<T>(
  what: string,
  probe: () => Promise<T | null | false> | T | null | false,
  options: { readonly ms?: number; readonly everyMs?: number } = {},
): Promise<T> {
  const { ms = WAIT_MS, everyMs = POLL_MS } = options
  const endMs = performance.now() + ms
  let last: unknown = 'it was never answered'
  for (;;) {
    try {
      const answer = await probe()
      if (answer !== null && answer !== false) return answer
      last = `it answered ${answer}`
    } catch (error) {
      last = error
    }
    if (performance.now() >= endMs) break
    await Bun.sleep(everyMs)
  }
  const why = last instanceof Error ? last.message : String(last)
  throw new Error(`not within ${ms / 1_000} s: ${what} (${why})`, { cause: last })
}

/** Rejects with `what` where `promise` takes too long. */
export async function within<T>(what: string, promise: Promise<T>, ms = WAIT_MS): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms / 1_000} s: ${what}`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
