import { assert } from './assert.ts'

/** Counts what is under way, so that an end can wait for it. */
export class Drain {
  #inside = 0
  #closed = false
  #idle: (() => void) | null = null

  get closed(): boolean {
    return this.#closed
  }

  /** Runs `work`, counted until it has settled. */
  async run<T>(work: () => T | Promise<T>): Promise<T> {
    assert(!this.#closed, 'nothing begins after the end')
    this.#inside += 1
    try {
      return await work()
    } finally {
      this.#inside -= 1
      if (this.#inside === 0) this.#idle?.()
    }
  }

  /** Lets nothing in any more. Resolves once nothing is inside. */
  close(): Promise<void> {
    this.#closed = true
    if (this.#inside === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#idle = resolve
    })
  }
}
