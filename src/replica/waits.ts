/**
 * Who waits for a resource to change: long polls (DESIGN §6, "Waits"). Waiters are woken by
 * apply, never by polling; an idle one costs a map entry and a timer.
 */
import { assert } from '../lib/assert.ts'
import type { TopicChange } from '../state/changes.ts'

interface Waiter {
  readonly since: number
  readonly wake: () => void
}

/** A separator that no namespace and no topic holds: control characters are refused. */
const SEPARATOR = '\u0000'

export class Waits {
  readonly #exact = new Map<string, Set<Waiter>>()
  readonly #prefix = new Map<string, Set<Waiter>>()
  /** How many prefix waits there are of each length: only those cuts of a topic are looked up. */
  readonly #prefixLengths = new Map<number, number>()
  #size = 0

  get size(): number {
    return this.#size
  }

  /**
   * Calls `wake` once, when the target has a revision above `since`. The returned function takes
   * the waiter back; it may be called after the wake.
   */
  add(
    target: { readonly ns: string; readonly topic: string; readonly prefix: boolean },
    since: number,
    wake: () => void,
  ): () => void {
    const waiter = { since, wake }
    const key = target.ns + SEPARATOR + target.topic
    const map = target.prefix ? this.#prefix : this.#exact
    const waiters = map.get(key)
    if (waiters === undefined) map.set(key, new Set([waiter]))
    else waiters.add(waiter)
    if (target.prefix && waiters === undefined) this.#countLength(key.length, 1)
    this.#size += 1
    return () => this.#remove(map, key, waiter)
  }

  /** Tells those who wait for what changed. */
  wake(changes: readonly TopicChange[]): void {
    if (this.#size === 0) return
    for (const { ns, topic, revision } of changes) {
      const key = ns + SEPARATOR + topic
      this.#wakeAll(this.#exact, key, revision)
      for (const length of this.#prefixLengths.keys()) {
        if (length <= key.length) this.#wakeAll(this.#prefix, key.slice(0, length), revision)
      }
    }
  }

  /** Anything may have changed: a snapshot was installed. Who is woken for nothing waits again. */
  wakeAll(revision: number): void {
    for (const map of [this.#exact, this.#prefix]) {
      for (const key of Array.from(map.keys())) this.#wakeAll(map, key, revision)
    }
  }

  #wakeAll(map: Map<string, Set<Waiter>>, key: string, revision: number): void {
    const waiters = map.get(key)
    if (waiters === undefined) return
    // A copy: who finds nothing new comes back.
    for (const waiter of Array.from(waiters)) {
      if (revision <= waiter.since) continue
      this.#remove(map, key, waiter)
      waiter.wake()
    }
  }

  #remove(map: Map<string, Set<Waiter>>, key: string, waiter: Waiter): void {
    const waiters = map.get(key)
    if (waiters === undefined || !waiters.delete(waiter)) return
    this.#size -= 1
    assert(this.#size >= 0, 'a waiter is taken back once')
    if (waiters.size > 0) return
    map.delete(key)
    if (map === this.#prefix) this.#countLength(key.length, -1)
  }

  #countLength(length: number, by: 1 | -1): void {
    const count = (this.#prefixLengths.get(length) ?? 0) + by
    if (count === 0) this.#prefixLengths.delete(length)
    else this.#prefixLengths.set(length, count)
  }
}
