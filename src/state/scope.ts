import type { TopicChange } from './changes.ts'
import type { ScopeRecord } from './schema.ts'
import type { Table } from './table.ts'

interface Cached {
  readonly ns: string
  readonly topic: string
  /** As stored. */
  row: ScopeRecord | null
  /** Of the first and the last change in this batch; 0 while there is none. */
  first: number
  touched: number
}

const CACHED_MAX = 10_000

/**
 * The last change of each topic, also after its last row is gone: a waiter's revision must never
 * go backwards. Written back once per topic and batch, however many entries touched it: between
 * two batches the rows are always right, so the state does not depend on where batches end.
 */
export class Scopes {
  readonly #table: Table<ScopeRecord>
  readonly #floor: number
  readonly #cache = new Map<string, Cached>()
  #dirty: Cached[] = []

  /** `floor`: the revision before which nothing is known, so that nothing is older. */
  constructor(table: Table<ScopeRecord>, floor: number) {
    this.#table = table
    this.#floor = floor
  }

  touch(change: TopicChange): void {
    const cached = this.#cached(change.ns, change.topic)
    if (cached.touched === 0) {
      this.#dirty.push(cached)
      cached.first = change.revision
    }
    cached.touched = change.revision
  }

  /** Writes what the batch touched, and tells it in the order of first touch. */
  flush(topics: TopicChange[]): void {
    for (const cached of this.#dirty) {
      const { ns, topic, row, first, touched } = cached
      const next: ScopeRecord = {
        ns,
        topic,
        createdRevision: row?.createdRevision ?? first,
        revision: touched,
        attributes: row?.attributes ?? null,
      }
      this.#table.put(row, next)
      topics.push({ ns, topic, revision: touched })
      cached.row = next
      cached.touched = 0
    }
    this.#dirty = []
    if (this.#cache.size > CACHED_MAX) this.#cache.clear() // Nothing in it is dirty any more.
  }

  /** As stored: right between batches. */
  revision(ns: string, topic: string): number {
    return this.#table.find(ns, topic)?.revision ?? this.#floor
  }

  /** Whether anything ever happened to the topic, this batch included. */
  known(ns: string, topic: string): boolean {
    const cached = this.#cached(ns, topic)
    return cached.row !== null || cached.touched > 0
  }

  #cached(ns: string, topic: string): Cached {
    const key = `${ns}/${topic}` // A namespace holds no slash.
    const found = this.#cache.get(key)
    if (found !== undefined) return found
    const cached: Cached = { ns, topic, row: this.#table.find(ns, topic), first: 0, touched: 0 }
    this.#cache.set(key, cached)
    return cached
  }
}
