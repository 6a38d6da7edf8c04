import { assert } from '../lib/assert.ts'
import type { LeaseChange, TopicChange } from './changes.ts'
import type { Expect } from './command.ts'
import type { EventBody } from './event.ts'
import type { Outcome, OutcomeResult, Refusal } from './outcome.ts'
import type { Tail } from './schema.ts'
import { Scopes } from './scope.ts'
import { compactedRevision } from './settings.ts'
import type { Tables } from './tables.ts'

/** The entry at work: all that a handler may know besides the rows and its command. */
export interface EntryStamp {
  readonly revision: number
  readonly wallMs: number
  /** Whether somebody waits here for the thing as it is after the write. Never decides a row. */
  readonly wanted: boolean
}

/** What the handlers of commands work with: the rows, the entry, and what the batch changed. */
export class Context {
  readonly tables: Tables
  readonly scopes: Scopes
  topics: TopicChange[] = []
  leases: LeaseChange[] = []
  revision = 0
  wallMs = 0
  wanted = false
  #events = 0

  constructor(tables: Tables) {
    this.tables = tables
    this.scopes = new Scopes(tables.scope, compactedRevision(tables))
  }

  begin(entry: EntryStamp): void {
    assert(entry.revision > this.revision, 'revisions grow')
    this.revision = entry.revision
    this.wallMs = entry.wallMs
    this.wanted = entry.wanted
    this.#events = 0
  }

  /** Ends a batch: the scopes it touched are written, its changes are handed out once. */
  flush(): { readonly topics: TopicChange[]; readonly leases: LeaseChange[] } {
    this.scopes.flush(this.topics)
    const changes = { topics: this.topics, leases: this.leases }
    this.topics = []
    this.leases = []
    return changes
  }

  /** The tail of a row that this entry writes; `old` is the row it replaces. */
  tail(old: Tail | null): Tail {
    return {
      createdRevision: old?.createdRevision ?? this.revision,
      revision: this.revision,
      createdAtMs: old?.createdAtMs ?? this.wallMs,
      updatedAtMs: this.wallMs,
      attributes: old?.attributes ?? null,
    }
  }

  /** Appends to the event table; answers the event's place within this revision. */
  emit(event: EventBody): number {
    const n = this.#events++
    this.tables.event.insert({
      revision: this.revision,
      n,
      ns: event.ns,
      topic: event.topic,
      kind: event.kind,
      atMs: this.wallMs,
      attributes: null,
      body: event.body,
      value: event.value,
    })
    return n
  }

  /** One resource that keeps no scope of its own. */
  changed(ns: string, topic: string): void {
    this.topics.push({ ns, topic, revision: this.revision })
  }

  /** A resource whose last change must be known when its row is gone. */
  touch(ns: string, topic: string): void {
    this.scopes.touch({ ns, topic, revision: this.revision })
  }

  ok(created: boolean, result: OutcomeResult | null): Outcome {
    return { ok: true, revision: this.revision, created, result }
  }

  notFound(detail: string): Refusal {
    return { ok: false, revision: this.revision, code: 'not_found', detail }
  }

  conflict(detail: string): Refusal {
    return { ok: false, revision: this.revision, code: 'conflict', detail }
  }

  /**
   * Judges `If-Match` and `If-None-Match` against the ETag number of what is there; null: nothing
   * is. The number 0 in a list stands for absence.
   */
  unexpected(expect: Expect | null, current: number | null): Refusal | null {
    if (expect === null) return null
    const { match, absent } = expect
    const matches =
      match === null || (match === '*' ? current !== null : match.includes(current ?? 0))
    if (matches && !(absent && current !== null)) return null
    const detail =
      current === null ? 'it does not exist' : `it exists, its current ETag is "${current}"`
    return { ok: false, revision: this.revision, code: 'version_mismatch', detail, current }
  }
}
