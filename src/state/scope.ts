import { assert } from '../lib/assert.ts'
import type { TopicChange } from './changes.ts'
import type { ScopeRecord } from './tables/schema.ts'
import type { Table } from './tables/table.ts'

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
  /** While an attempt is under way: what to go back to, newest last. */
  #journal: { readonly cached: Cached; readonly first: number; readonly touched: number }[] | null =
    null

  /** `floor`: the revision before which nothing is known, so that nothing is older. */
  constructor(table: Table<ScopeRecord>, floor: number) {
    this.#table = table
    this.#floor = floor
  }

  touch(change: TopicChange): void {
    const cached = this.#cached(change.ns, change.topic)
    const { first, touched } = cached
    this.#journal?.push({ cached, first, touched })
    if (cached.touched === 0) {
      this.#dirty.push(cached)
      cached.first = change.revision
    }
    cached.touched = change.revision
  }

  /** From here on changes can be taken back; `end` says whether they are. */
  begin(): void {
    assert(this.#journal === null, 'attempts do not nest')
    this.#journal = []
  }

  end(outcome: 'kept' | 'taken_back'): void {
    assert(this.#journal !== null, 'an attempt ends once')
    const journal = this.#journal
    this.#journal = null
    if (outcome === 'kept') return
    for (const { cached, first, touched } of journal.toReversed()) {
      cached.first = first
      cached.touched = touched
    }
    this.#dirty = this.#dirty.filter(({ touched }) => touched > 0)
  }

  /** Writes what the batch touched, and tells it in the order of first touch. */
  flush(topics: TopicChange[]): void {
    assert(this.#journal === null, 'an attempt ends within its entry')
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
