import { assert } from '../lib/assert.ts'

/** What stands in the heap knows its place there, so that it can be moved and taken out. */
export interface Scheduled {
  /** When it is to be looked at. Only the heap's own methods may change it while it is in there. */
  scheduledMs: number
  /** Its place in the heap, -1 outside. */
  place: number
}

/**
 * A binary min-heap by `scheduledMs` that holds each item once: `peek` O(1), all else O(log n).
 * Nothing is left behind by what is scheduled anew or taken out, so it is never larger than the
 * number of leases, however often those are registered again.
 */
export class DeadlineHeap<T extends Scheduled> {
  readonly #items: T[] = []

  get size(): number {
    return this.#items.length
  }

  peek(): T | null {
    return this.#items[0] ?? null
  }

  /** Puts an item in, or moves it; `Infinity` takes it out. */
  schedule(item: T, atMs: number): void {
    if (atMs === Infinity) return this.remove(item)
    item.scheduledMs = atMs
    if (item.place < 0) {
      item.place = this.#items.length
      this.#items.push(item)
    }
    this.#settle(item)
  }

  remove(item: T): void {
    const { place } = item
    item.scheduledMs = Infinity
    if (place < 0) return
    assert(this.#items[place] === item, 'an item knows its place in the heap')
    item.place = -1
    const last = this.#items.pop() as T
    if (last === item) return
    last.place = place
    this.#items[place] = last
    this.#settle(last)
  }

  clear(): void {
    for (const item of this.#items) {
      item.place = -1
      item.scheduledMs = Infinity
    }
    this.#items.length = 0
  }

  /** Lets an item that stands where it may not find its place, upwards or downwards. */
  #settle(item: T): void {
    const at = this.#rise(item, item.place)
    this.#put(item, at < item.place ? at : this.#sink(item, at))
  }

  #put(item: T, at: number): void {
    this.#items[at] = item
    item.place = at
  }

  /** Moves its ancestors down as far as they are later; returns where it belongs then. */
  #rise(item: T, from: number): number {
    let at = from
    while (at > 0) {
      const parent = (at - 1) >> 1
      const other = this.#items[parent] as T
      if (item.scheduledMs >= other.scheduledMs) break
      this.#put(other, at)
      at = parent
    }
    return at
  }

  /** Moves its earlier children up; returns where it belongs then. */
  #sink(item: T, from: number): number {
    const items = this.#items
    const half = items.length >> 1
    let at = from
    while (at < half) {
      let child = at * 2 + 1
      const right = items[child + 1]
      let earlier = items[child] as T
      if (right !== undefined && right.scheduledMs < earlier.scheduledMs) {
        earlier = right
        child += 1
      }
      if (earlier.scheduledMs >= item.scheduledMs) break
      this.#put(earlier, at)
      at = child
    }
    assert(at < items.length, 'an item sinks inside the heap')
    return at
  }
}
