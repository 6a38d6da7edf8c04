import { assert } from './assert.ts'

interface Entry<V> {
  readonly value: V
  readonly bytes: number
}

/**
 * Values that were used lately, at most `bytesMax` bytes of them by the weight that each is given.
 *
 * Two generations stand in for the order of use: what is used comes into the young one, and once
 * that holds half of the bound, the old one goes as a whole and the young one takes its place. So a
 * hit moves nothing, and what is dropped was not used since the last time that anything was.
 */
export class HotCache<V> {
  readonly #generationMax: number
  #young = new Map<string, Entry<V>>()
  #old = new Map<string, Entry<V>>()
  #youngBytes = 0
  #oldBytes = 0

  constructor({ bytesMax }: { readonly bytesMax: number }) {
    this.#generationMax = bytesMax / 2
  }

  /** Of all that is kept; never above the bound. */
  get bytes(): number {
    return this.#youngBytes + this.#oldBytes
  }

  get size(): number {
    return this.#young.size + this.#old.size
  }

  /** Counts as a use. */
  get(key: string): V | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young.value
    const old = this.#old.get(key)
    if (old === undefined) return undefined
    this.set(key, old.value, old.bytes)
    return old.value
  }

  /** Does not. */
  peek(key: string): V | undefined {
    return (this.#young.get(key) ?? this.#old.get(key))?.value
  }

  /** What weighs more than half of the bound is not kept: it would be all that is. */
  set(key: string, value: V, bytes: number): void {
    this.delete(key)
    if (bytes > this.#generationMax) return
    if (this.#youngBytes + bytes > this.#generationMax) {
      this.#old = this.#young
      this.#oldBytes = this.#youngBytes
      this.#young = new Map()
      this.#youngBytes = 0
    }
    this.#young.set(key, { value, bytes })
    this.#youngBytes += bytes
    assert(this.#youngBytes <= this.#generationMax, 'a generation is at most half of the bound')
  }

  delete(key: string): void {
    const young = this.#young.get(key)
    if (young !== undefined) {
      this.#young.delete(key)
      this.#youngBytes -= young.bytes
      return
    }
    const old = this.#old.get(key)
    if (old === undefined) return
    this.#old.delete(key)
    this.#oldBytes -= old.bytes
  }
}
