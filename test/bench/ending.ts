/**
 * What this run has started or made, and how each of it ends: processes are ended by their pid and
 * folders removed when their part is over, when it fails, and on Ctrl-C.
 */
import process from 'node:process'

type End = () => unknown

const ends = new Set<End>()
let isOver = false

/**
 * Runs `body`; `end` follows it whatever happens, once. When everything is being ended nothing goes
 * on: who comes here then waits until the process is gone, and reports no failure of what was killed.
 */
export async function endingWith<T>(end: End, body: () => Promise<T>): Promise<T> {
  ends.add(end)
  try {
    return await body()
  } finally {
    if (isOver) await new Promise(() => {})
    ends.delete(end)
    await end()
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

/** What is left ends now, the newest first. One end that fails holds up no other. */
async function endAll(): Promise<void> {
  isOver = true
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
