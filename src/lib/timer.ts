/**
 * Calls `run` once, in so many milliseconds. Returns what takes it back. Runtimes cut fractions off:
 * a timer that came early would find nothing due, and be set again.
 */
export function setTimer(ms: number, run: () => void): () => void {
  const timer = setTimeout(run, Math.ceil(ms))
  return () => clearTimeout(timer)
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
