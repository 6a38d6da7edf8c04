import { assert } from '../lib/assert.ts'
import type { MultisetHash } from '../lib/hash.ts'
import type { LeaseChange, LockKey, StateNote, TopicChange } from './changes.ts'
import type { CommandOf, Expect } from './command.ts'
import { Keys } from './keyed.ts'
import type { KeyRules } from './keyed.ts'
import type { EventBody, StoredEvent } from './events/event.ts'
import type { Outcome, OutcomeResult, Refusal } from './outcome.ts'
import type { Tail } from './tables/schema.ts'
import { Scopes } from './scope.ts'
import { compactedRevision } from './settings.ts'
import type { Tables } from './tables/tables.ts'

/** The entry at work: all that a handler may know besides the rows and its command. */
export interface EntryStamp {
  readonly revision: number
  /** The cluster's clock at this entry: what windows in the state are judged by (DESIGN §1.2). */
  readonly clusterMs: number
  readonly wallMs: number
  /** What apply may do: a change of behaviour counts from the version that brought it. */
  readonly clusterVersion: number
  /** Whether somebody waits here for the thing as it is after the write. Never decides a row. */
  readonly wanted: boolean
}

/** What the handlers of commands work with: the rows, the entry, and what the batch changed. */
export class Context {
  readonly tables: Tables
  readonly scopes: Scopes
  readonly keys: Keys
  topics: TopicChange[] = []
  leases: LeaseChange[] = []
  notes: StateNote[] = []
  /** What the batch told, in order. */
  events: StoredEvent[] = []
  /** Permits that the command at work gave back (`grantFreed`); empty between commands. */
  freedLocks: LockKey[] = []
  readyLocks: LockKey[] = []
  revision = 0
  clusterMs = 0
  wallMs = 0
  clusterVersion = 0
  wanted = false
  /** How many events of the batch are of entries before this one. */
  #eventsBefore = 0
  /** Keys whose values were checked against the schemas that govern them now. */
  checkedKeys: readonly string[] = []
  readonly #hash: MultisetHash

  constructor(tables: Tables, hash: MultisetHash, rules: KeyRules) {
    this.tables = tables
    this.#hash = hash
    this.keys = new Keys(tables, rules)
    this.scopes = new Scopes(tables.scope, compactedRevision(tables))
  }

  begin(entry: EntryStamp): void {
    assert(entry.revision > this.revision, 'revisions grow')
    this.revision = entry.revision
    this.clusterMs = entry.clusterMs
    this.wallMs = entry.wallMs
    this.clusterVersion = entry.clusterVersion
    this.wanted = entry.wanted
    this.#eventsBefore = this.events.length
  }

  /** Ends a batch: the scopes it touched are written, its changes are handed out once. */
  flush(): {
    readonly topics: TopicChange[]
    readonly leases: LeaseChange[]
    readonly notes: StateNote[]
    readonly events: StoredEvent[]
    readonly readyLocks: LockKey[]
  } {
    this.scopes.flush(this.topics)
    assert(this.freedLocks.length === 0, 'what a command freed it has passed on')
    const { topics, leases, notes, events, readyLocks } = this
    this.topics = []
    this.leases = []
    this.notes = []
    this.events = []
    this.readyLocks = []
    this.#eventsBefore = 0
    return { topics, leases, notes, events, readyLocks }
  }

  /**
   * Notes the state hash as of this entry. What waits for the end of the batch is written first:
   * the hash must not depend on where batches end.
   */
  check(): Outcome {
    this.scopes.flush(this.topics)
    this.notes.push({ type: 'check', index: this.revision, hash: this.#hash.hex() })
    return this.ok(false, null)
  }

  /** What the others had: judged by whoever drives this state machine. No row changes. */
  verdict({ index, hash, schema }: CommandOf<'state_verdict'>): Outcome {
    this.notes.push({ type: 'verdict', index, hash, schema })
    return this.ok(false, null)
  }

  /**
   * Runs what happens whole or not at all: where it is refused, nothing of it has happened, neither
   * in rows and their hash nor in what the batch tells of its changes.
   */
  attempt(run: () => Outcome): Outcome {
    const { savepoint } = this.tables
    const { lanes } = this.#hash
    const told = this.#told.map((list) => ({ list, length: list.length }))
    savepoint.begin()
    this.scopes.begin()
    const outcome = run()
    this.scopes.end(outcome.ok ? 'kept' : 'taken_back')
    if (outcome.ok) {
      savepoint.release()
      return outcome
    }
    savepoint.rollback()
    this.#hash.restore(lanes)
    for (const { list, length } of told) list.length = length
    return outcome
  }

  /** What the batch tells, in lists that only grow. */
  get #told(): readonly unknown[][] {
    return [this.topics, this.leases, this.notes, this.events, this.readyLocks]
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
    const n = this.events.length - this.#eventsBefore
    const { revision, wallMs: atMs } = this
    const { ns, topic, kind, body, value } = event
    const size = value === null ? null : value.length
    this.tables.event.insert({ revision, n, ns, topic, kind, atMs, attributes: null, body, value })
    this.events.push({ revision, n, ns, topic, kind, atMs, body, size, value })
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

  staleToken(detail: string): Refusal {
    return { ok: false, revision: this.revision, code: 'stale_token', detail }
  }

  tooMany(detail: string): Refusal {
    return { ok: false, revision: this.revision, code: 'too_many_requests', detail }
  }

  invalid(path: string, detail: string): Refusal {
    return { ok: false, revision: this.revision, code: 'invalid_request', detail, path }
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
