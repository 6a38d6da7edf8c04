/**
 * What this run has started or made, and how each of it ends: processes are ended by their pid and
 * folders removed when their part is over, when it fails, and on Ctrl-C.
 */
import process from 'node:process'

type End = () => unknown

const ends = new Set<End>()

/** Runs `body`; `end` follows it whatever happens, once. */
export async function endingWith<T>(end: End, body: () => Promise<T>): Promise<T> {
  ends.add(end)
  try {
    return await body()
  } finally {
    if (ends.delete(end)) await end()
  }
}

/** What is left ends now, the newest first. One end that fails holds up no other. */
export async function endAll(): Promise<void> {
  const left = [...ends].toReversed()
  ends.clear()
  for (const end of left) {
    try {
      await end()
    } catch (error) {
      console.error(error)
    }
  }
}

/** From now on a signal ends everything first, and then this process. */
export function endOnSignals(): void {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.once(signal, () => void endAll().finally(() => process.exit(code)))
  }
}
