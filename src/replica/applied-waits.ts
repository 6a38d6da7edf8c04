import { Heap } from '../lib/heap.ts'
import type { LogIndex } from '../raft/types.ts'

interface AppliedWait {
  readonly index: LogIndex
  run: (() => void) | null
}

/** Those who wait until an index is applied here, in the order of the index. */
export class AppliedWaits {
  #waits = new Heap<AppliedWait>((a, b) => a.index < b.index)
  #live = 0

  /** How many still wait. */
  get size(): number {
    return this.#live
  }

  /** The returned function takes the wait back; it may be called after the run. */
  add(index: LogIndex, run: () => void): () => void {
    const wait: AppliedWait = { index, run }
    this.#waits.push(wait)
    this.#live += 1
    return () => {
      if (wait.run === null) return
      wait.run = null
      this.#live -= 1
      this.#sweep()
    }
  }

  /** Runs all whose index is reached. What they add meanwhile is looked at as well. */
  reached(applied: LogIndex): void {
    for (let next = this.#waits.peek(); next !== null; next = this.#waits.peek()) {
      if (next.index > applied) return
      this.#waits.pop()
      const { run } = next
      if (run === null) continue
      next.run = null
      this.#live -= 1
      run()
    }
  }

  /** Drops what was taken back, once it is the larger part: an index may never be reached. */
  #sweep(): void {
    if (this.#waits.size < 64 || this.#waits.size < this.#live * 2) return
    const kept = new Heap<AppliedWait>((a, b) => a.index < b.index)
    for (let wait = this.#waits.pop(); wait !== null; wait = this.#waits.pop()) {
      if (wait.run !== null) kept.push(wait)
    }
    this.#waits = kept
  }
}
