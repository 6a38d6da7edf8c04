import { assert } from './assert.ts'

interface Entry<V> {
  readonly value: V
  readonly weight: number
}

/**
 * Values that were used lately, at most `weightMax` of them by the weight that each is given: its bytes,
 * or one, where their number is to be bounded.
 *
 * Two generations stand in for the order of use: what is used comes into the young one, and once
 * that holds half of the bound, the old one goes as a whole and the young one takes its place. So a
 * hit moves nothing, and what is dropped was not used since the last time that anything was.
 */
export class HotCache<V, K = string> {
  readonly #generationMax: number
  #young = new Map<K, Entry<V>>()
  #old = new Map<K, Entry<V>>()
  #youngWeight = 0
  #oldWeight = 0

  constructor({ weightMax }: { readonly weightMax: number }) {
    this.#generationMax = weightMax / 2
  }

  /** Of all that is kept; never above the bound. */
  get weight(): number {
    return this.#youngWeight + this.#oldWeight
  }

  get size(): number {
    return this.#young.size + this.#old.size
  }

  /** Counts as a use. */
  get(key: K): V | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young.value
    const old = this.#old.get(key)
    if (old === undefined) return undefined
    this.set(key, old.value, old.weight)
    return old.value
  }

  /** Does not. */
  peek(key: K): V | undefined {
    return (this.#young.get(key) ?? this.#old.get(key))?.value
  }

  /** What weighs more than half of the bound is not kept: it would be all that is. */
  set(key: K, value: V, weight: number): void {
    this.delete(key)
    if (weight > this.#generationMax) return
    if (this.#youngWeight + weight > this.#generationMax) {
      this.#old = this.#young
      this.#oldWeight = this.#youngWeight
      this.#young = new Map()
      this.#youngWeight = 0
    }
    this.#young.set(key, { value, weight })
    this.#youngWeight += weight
    assert(this.#youngWeight <= this.#generationMax, 'a generation is at most half of the bound')
  }

  clear(): void {
    this.#young.clear()
    this.#old.clear()
    this.#youngWeight = 0
    this.#oldWeight = 0
  }

  delete(key: K): void {
    const young = this.#young.get(key)
    if (young !== undefined) {
      this.#young.delete(key)
      this.#youngWeight -= young.weight
      return
    }
    const old = this.#old.get(key)
    if (old === undefined) return
    this.#old.delete(key)
    this.#oldWeight -= old.weight
  }
}
