import { assert } from './assert.ts'

/**
 * A map that forgets what was not used lately, so that a cache has a bound without a list of who
 * was used when. Two generations: what is used moves into the younger; when that is full, it
 * becomes the older one, and what was the older one is dropped.
 *
 * The last `size` keys that were used are there, and never more than twice as many.
 */
export class RecentMap<K, V> {
  readonly #size: number
  #young = new Map<K, V>()
  #old = new Map<K, V>()

  constructor(size: number) {
    assert(Number.isInteger(size) && size > 0, 'a cache has room for something')
    this.#size = size
  }

  /** How many are there, some of them perhaps in both generations: at most twice `size`. */
  get count(): number {
    return this.#young.size + this.#old.size
  }

  get(key: K): V | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young
    const old = this.#old.get(key)
    if (old !== undefined) this.set(key, old)
    return old
  }

  set(key: K, value: V): void {
    if (this.#young.size >= this.#size && !this.#young.has(key)) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(key, value)
  }

  delete(key: K): void {
    this.#young.delete(key)
    this.#old.delete(key)
  }
}
