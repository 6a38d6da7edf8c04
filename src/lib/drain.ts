import { assert } from './assert.ts'
import type { Later } from './later.ts'

/** Counts what is under way, so that an end can wait for it. */
export class Drain {
  #inside = 0
  #closed = false
  #idle: (() => void) | null = null

  get closed(): boolean {
    return this.#closed
  }

  /** Runs `work`, counted until it has settled. */
  run<T>(work: () => Later<T>): Later<T> {
    assert(!this.#closed, 'nothing begins after the end')
    this.#inside += 1
    let result: Later<T>
    try {
      result = work()
    } catch (error) {
      this.#leave()
      throw error
    }
    if (result instanceof Promise) return result.finally(() => this.#leave())
    this.#leave()
    return result
  }

  #leave(): void {
    this.#inside -= 1
    if (this.#inside === 0) this.#idle?.()
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
