import { assert } from './assert.ts'

/** A binary min-heap: `peek` O(1), `push` and `pop` O(log n). Ties leave in no fixed order. */
export class Heap<T> {
  readonly #items: T[] = []
  readonly #before: (a: T, b: T) => boolean

  /** `before(a, b)`: whether `a` must leave the heap earlier than `b`. */
  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before
  }

  get size(): number {
    return this.#items.length
  }

  peek(): T | null {
    return this.#items[0] ?? null
  }

  push(item: T): void {
    const items = this.#items
    let at = items.length
    items.push(item)
    while (at > 0) {
      const parent = (at - 1) >> 1
      const other = items[parent] as T
      if (!this.#before(item, other)) break
      items[at] = other
      at = parent
    }
    items[at] = item
  }

  pop(): T | null {
    const items = this.#items
    if (items.length === 0) return null
    const first = items[0] as T
    const last = items.pop() as T
    if (items.length > 0) this.#sink(last)
    return first
  }

  clear(): void {
    this.#items.length = 0
  }

  /** Puts `item` at the root and lets it sink to its place. */
  #sink(item: T): void {
    const items = this.#items
    const half = items.length >> 1
    let at = 0
    while (at < half) {
      let child = at * 2 + 1
      const right = child + 1
      if (right < items.length && this.#before(items[right] as T, items[child] as T)) child = right
      if (!this.#before(items[child] as T, item)) break
      items[at] = items[child] as T
      at = child
    }
    items[at] = item
    assert(at < items.length, 'an item sinks inside the heap')
  }
}
