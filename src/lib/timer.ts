import { deferred } from './deferred.ts'

/**
 * Calls `run` once, in so many milliseconds. Returns what takes it back. Runtimes cut fractions off:
 * a timer that came early would find nothing due, and be set again.
 */
export function setTimer(ms: number, run: () => void): () => void {
  const timer = setTimeout(run, Math.ceil(ms))
  return () => clearTimeout(timer)
}

/**
 * Waits for `work`, but no longer than so many milliseconds. No timer outlives it: one would keep a
 * process going that has nothing left to do.
 */
export async function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  const late = deferred<void>()
  const cancel = setTimer(ms, () => late.resolve())
  try {
    await Promise.race([work, late.promise])
  } finally {
    cancel()
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
