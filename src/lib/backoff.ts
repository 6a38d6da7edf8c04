import { assert } from './assert.ts'
import type { Random } from './prng.ts'

/**
 * Growing pauses between attempts. Each is drawn from the upper half of a window that doubles
 * from `minMs` to `maxMs`: never a hot loop, and nodes that failed together come back apart.
 */
export class Backoff {
  readonly #minMs: number
  readonly #maxMs: number
  readonly #random: Random
  #windowMs: number

  constructor(options: {
    readonly minMs: number
    readonly maxMs: number
    readonly random: Random
  }) {
    assert(options.minMs >= 1, 'a pause takes time')
    assert(options.maxMs >= options.minMs, 'a window grows')
    this.#minMs = options.minMs
    this.#maxMs = options.maxMs
    this.#random = options.random
    this.#windowMs = options.minMs
  }

  /** How long to wait before the next attempt, whole milliseconds in `[window / 2, window]`. */
  next(): number {
    const half = Math.ceil(this.#windowMs / 2)
    const pauseMs = half + this.#random(Math.floor(this.#windowMs - half) + 1)
    assert(pauseMs <= this.#maxMs, 'a pause stays in its window')
    this.#windowMs = Math.min(this.#windowMs * 2, this.#maxMs)
    return pauseMs
  }

  /** An attempt succeeded: the next failure starts small again. */
  reset(): void {
    this.#windowMs = this.#minMs
  }
}
