/**
 * Calls `task` for one item after the other, never twice at once. While its promise is pending at
 * most one item waits: `joined` makes one of the two. What it throws goes to `failed`.
 */
export function oneAtATime<T>(
  task: (item: T) => unknown,
  joined: (waiting: T, newest: T) => T,
  failed: (error: unknown) => void,
): (item: T) => void {
  let isBusy = false
  let waiting: { readonly item: T } | null = null
  const call = (item: T): void => {
    if (isBusy) {
      waiting = { item: waiting === null ? item : joined(waiting.item, item) }
      return
    }
    isBusy = true
    run(task, item).then(next, (error: unknown) => {
      failed(error)
      next()
    })
  }
  const next = (): void => {
    isBusy = false
    const kept = waiting
    waiting = null
    if (kept !== null) call(kept.item)
  }
  return call
}

async function run<T>(task: (item: T) => unknown, item: T): Promise<void> {
  await task(item)
}
