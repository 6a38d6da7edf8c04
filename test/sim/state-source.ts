/**
 * The nodes' databases, which outlive their processes. A killed process leaves in its database what
 * it had saved; a power cut may take any number of the newest transactions, since none was synced by itself
 * (DESIGN §4); without a database (`sql.js`) nothing is left at all.
 */
import { present } from '../../src/lib/assert.ts'
import type { Entry, LogIndex, NodeId, Term } from '../../src/raft/mod.ts'
import { withhold } from '../../src/raft/witness.ts'
import { openBun } from '../../src/runtime/sqlite-bun.ts'
import { createPlace, StateMachine } from '../../src/state/mod.ts'
import type {
  KeyRules,
  LeaseChange,
  Outcome,
  Sql,
  StoredEvent,
  TopicChange,
} from '../../src/state/mod.ts'
import type { Chance } from './chance.ts'
import type { History } from './oracle/history.ts'
import { SharedState, type Rot } from './shared-state.ts'
import { insist } from './violation.ts'

export interface StateSource {
  /** How far the database of a node is. */
  appliedBy(id: NodeId): { readonly index: LogIndex; readonly term: Term }
  open(id: NodeId): StateMachine
  /** Up to where a power cut leaves it for certain. */
  durableOf(id: NodeId): LogIndex
  checkpointed(id: NodeId, index: LogIndex): void
  /** The snapshot that it was last given, where nothing was applied since. */
  installedAt(id: NodeId): { readonly index: LogIndex; readonly term: Term } | null
  /** It is the snapshot of `index` from now on, durably; the open state machine follows. */
  install(id: NodeId, snapshot: { readonly index: LogIndex; readonly rot: Rot | null }): void
  /** What is wrong with the state of a node just now. */
  rotOf(id: NodeId): Rot | null
  /** Makes the state of a node go bad, where that can be. Returns whether it did. */
  spoil(id: NodeId, rot: Rot): boolean
  /** What was written beside the database of a node, until another is in its place. */
  fenced(id: NodeId): string | null
  fence(id: NodeId, reason: string): void
  /** The process that used it is gone. */
  left(
    id: NodeId,
    state: StateMachine,
    how: { readonly power: boolean; readonly durable: LogIndex },
  ): void
  /** Nothing is left of it. */
  wiped(id: NodeId): void
  /** The end of the run. */
  close(): void
}

export interface StateOptions {
  readonly history: History
  readonly chance: Chance
  readonly forgetful: boolean
  readonly keyRules: KeyRules
  /** About so many revisions stay in the feed of a state without SQLite; 0: all. */
  readonly feedKept: number
  /** Whose state is a place in the log. */
  isWitness(id: NodeId): boolean
  /** The node is about to apply these. */
  committing(id: NodeId, entries: readonly Entry[]): void
}

/** What is durable of each node's state, whatever it is made of. */
class Durable {
  readonly #options: StateOptions
  readonly #durable = new Map<NodeId, LogIndex>()
  readonly #installed = new Map<NodeId, LogIndex>()

  constructor(options: StateOptions) {
    this.#options = options
  }

  of(id: NodeId): LogIndex {
    return this.#durable.get(id) ?? 0
  }

  checkpointed(id: NodeId, index: LogIndex): void {
    this.#durable.set(id, Math.max(this.of(id), index))
  }

  install(id: NodeId, index: LogIndex): void {
    this.#durable.set(id, index)
    this.#installed.set(id, index)
  }

  installedAt(
    id: NodeId,
    applied: { readonly index: LogIndex; readonly term: Term },
  ): { readonly index: LogIndex; readonly term: Term } | null {
    return this.#installed.get(id) === applied.index ? applied : null
  }

  wiped(id: NodeId): void {
    this.#durable.delete(id)
    this.#installed.delete(id)
  }

  /** Up to where the state of a node is still there. */
  survives(id: NodeId, saved: LogIndex, power: boolean): LogIndex {
    const { forgetful, chance } = this.#options
    if (forgetful) return this.of(id)
    return power ? chance.int(this.of(id), saved) : saved
  }
}

/** Pointers into the history: see `shared-state.ts`. */
export class SharedStates implements StateSource {
  readonly #options: StateOptions
  readonly #durable: Durable
  readonly #applied = new Map<NodeId, LogIndex>()
  readonly #rot = new Map<NodeId, { readonly rot: Rot; readonly since: LogIndex }>()
  readonly #fences = new Map<NodeId, string>()
  readonly #open = new Map<NodeId, SharedState>()

  constructor(options: StateOptions) {
    this.#options = options
    this.#durable = new Durable(options)
  }

  durableOf(id: NodeId): LogIndex {
    return this.#durable.of(id)
  }

  checkpointed(id: NodeId, index: LogIndex): void {
    this.#durable.checkpointed(id, index)
  }

  installedAt(id: NodeId): { readonly index: LogIndex; readonly term: Term } | null {
    return this.#durable.installedAt(id, this.appliedBy(id))
  }

  install(
    id: NodeId,
    { index, rot }: { readonly index: LogIndex; readonly rot: Rot | null },
  ): void {
    this.#durable.install(id, index)
    this.#fences.delete(id)
    if (rot === null) this.#rot.delete(id)
    else this.#rot.set(id, { rot, since: index })
    present(this.#open.get(id), 'a process installs it').replaced(index, rot)
  }

  rotOf(id: NodeId): Rot | null {
    return this.#rot.get(id)?.rot ?? null
  }

  spoil(id: NodeId, rot: Rot): boolean {
    const state = this.#open.get(id)
    if (state === undefined || state.appliedIndex === 0 || this.#rot.has(id)) return false
    this.#rot.set(id, { rot, since: state.appliedIndex })
    if (rot === 'apply') state.rot = rot
    return true
  }

  fenced(id: NodeId): string | null {
    return this.#fences.get(id) ?? null
  }

  fence(id: NodeId, reason: string): void {
    this.#fences.set(id, reason)
  }

  appliedBy(id: NodeId): { readonly index: LogIndex; readonly term: Term } {
    const index = this.#applied.get(id) ?? 0
    return { index, term: this.#options.history.at(index)?.entry.term ?? 0 }
  }

  open(id: NodeId): StateMachine {
    const { history, feedKept } = this.#options
    const state = new SharedState(history, this.appliedBy(id).index, {
      feedKept,
      committing: (entries) => this.#options.committing(id, entries),
    })
    // Rows that a disk hurt show in no hash that was kept.
    state.rot = this.rotOf(id) === 'apply' ? 'apply' : null
    this.#open.set(id, state)
    return state as unknown as StateMachine // It offers what the replica and the edge use.
  }

  left(id: NodeId, state: StateMachine, { power }: { readonly power: boolean }): void {
    const kept = this.#durable.survives(id, state.savedIndex, power)
    this.#applied.set(id, kept)
    if (kept < (this.#rot.get(id)?.since ?? 0)) this.#rot.delete(id) // It is built anew.
  }

  wiped(id: NodeId): void {
    this.#durable.wiped(id)
    this.#applied.delete(id)
  }

  close(): void {}
}

interface Database {
  readonly sql: Sql
  readonly state: StateMachine
}

/** The production state machine on `bun:sqlite`, in memory. */
export class SqliteStates implements StateSource {
  readonly #options: StateOptions
  readonly #durable: Durable
  readonly #databases = new Map<NodeId, Database>()
  readonly #fences = new Map<NodeId, string>()

  constructor(options: StateOptions) {
    this.#options = options
    this.#durable = new Durable(options)
  }

  durableOf(id: NodeId): LogIndex {
    return this.#durable.of(id)
  }

  checkpointed(id: NodeId, index: LogIndex): void {
    this.#durable.checkpointed(id, index)
  }

  installedAt(id: NodeId): { readonly index: LogIndex; readonly term: Term } | null {
    return this.#durable.installedAt(id, this.appliedBy(id))
  }

  /** Rebuilt from the history, as its maker's was: equal hashes show that it is the same. */
  install(id: NodeId, { index }: { readonly index: LogIndex }): void {
    this.#durable.install(id, index)
    this.#fences.delete(id)
    const { state } = present(this.#databases.get(id), 'a process installs it')
    const sql = openBun(':memory:')
    if (this.#options.isWitness(id)) this.#place(sql, index)
    else {
      const maker = this.#machine(sql)
      maker.applyBatch(this.#entries(index))
      maker.save()
    }
    state.replace(sql)
    this.#databases.set(id, { sql, state })
  }

  #place(sql: Sql, index: LogIndex): void {
    const entries = this.#entries(index)
    const last = present(entries.at(-1), 'a snapshot holds something')
    const brought = entries.findLast(({ type }) => type === 'membership')
    createPlace(sql, last, present(brought, 'entry 1 is a membership'))
  }

  /** What rows can suffer is tested on files (`test/cluster`); here they stay as they are. */
  rotOf(): null {
    return null
  }

  spoil(): boolean {
    return false
  }

  fenced(id: NodeId): string | null {
    return this.#fences.get(id) ?? null
  }

  fence(id: NodeId, reason: string): void {
    this.#fences.set(id, reason)
  }

  #entries(upTo: LogIndex): readonly Entry[] {
    return this.#options.history.entries.slice(0, upTo).map(({ entry }) => entry)
  }

  #machine(sql: Sql): StateMachine {
    return StateMachine.open(sql, this.#options.keyRules)
  }

  #databaseOf(id: NodeId): Database {
    let database = this.#databases.get(id)
    if (database === undefined) {
      const sql = openBun(':memory:')
      database = { sql, state: this.#machine(sql) }
      this.#databases.set(id, database)
    }
    return database
  }

  appliedBy(id: NodeId): { readonly index: LogIndex; readonly term: Term } {
    const { appliedIndex: index, appliedTerm: term } = this.#databaseOf(id).state
    return { index, term }
  }

  open(id: NodeId): StateMachine {
    const { state } = this.#databaseOf(id)
    const apply = state.applyBatch.bind(state)
    state.applyBatch = (entries, wants = () => true) => {
      this.#options.committing(id, entries)
      const batch = apply(entries, wants)
      if (this.#options.isWitness(id)) return batch
      entries.forEach((entry, i) => {
        this.#compare(entry, batch.outcomes[i] ?? null, wants(entry.index))
      })
      this.#compareLeases(entries, batch.leases)
      this.#compareTopics(entries, batch.topics)
      this.#compareEvents(entries, batch.events)
      return batch
    }
    return state
  }

  #compare(entry: Entry, outcome: Outcome | null, wanted: boolean): void {
    const known = present(this.#options.history.at(entry.index), 'what is applied is committed')
    let expected = known.effect?.outcome ?? null
    // What a key keeps is whole, whoever waits.
    const isKept = known.command?.type === 'keyed'
    if (expected?.ok === true && !wanted && !isKept) expected = { ...expected, result: null }
    insist(
      Bun.deepEquals(outcome, expected),
      'an outcome is what the contract says',
      () => `entry ${entry.index}: ${JSON.stringify(outcome)}, not ${JSON.stringify(expected)}`,
    )
  }

  /** What the leader's deadlines are told must be what the model says, in the same order. */
  #compareLeases(entries: readonly Entry[], changes: readonly LeaseChange[]): void {
    const { history } = this.#options
    const expected = entries.flatMap(({ index }) => history.at(index)?.effect?.leases ?? [])
    insist(
      Bun.deepEquals(changes, expected),
      'leases change as the contract says',
      () =>
        `by entries ${entries[0]?.index} to ${entries.at(-1)?.index}: ` +
        `${JSON.stringify(changes)}, not ${JSON.stringify(expected)}`,
    )
  }

  /** Whoever waits must be told of the last change of every topic; the order is nobody's business. */
  #compareTopics(entries: readonly Entry[], topics: readonly TopicChange[]): void {
    const { history } = this.#options
    const expected = entries.flatMap(({ index }) => history.at(index)?.effect?.topics ?? [])
    const [told, due] = [lastOfEach(topics), lastOfEach(expected)]
    insist(
      Bun.deepEquals(told, due),
      'waiters are told of every change',
      () =>
        `by entries ${entries[0]?.index} to ${entries.at(-1)?.index}: ` +
        `${JSON.stringify(told)}, not ${JSON.stringify(due)}`,
    )
  }

  /** What watchers are told must be what the model says, in its order. */
  #compareEvents(entries: readonly Entry[], events: readonly StoredEvent[]): void {
    const { history } = this.#options
    const expected = entries.flatMap(({ index }) => history.at(index)?.events ?? [])
    const told = events.map(({ revision, n, ns, topic, kind }) => ({
      revision,
      n,
      ns,
      topic,
      kind,
    }))
    insist(
      Bun.deepEquals(told, expected),
      'watchers are told of every change',
      () => `${JSON.stringify(told)}, not ${JSON.stringify(expected)}`,
    )
  }

  left(id: NodeId, state: StateMachine, { power }: { readonly power: boolean }): void {
    const old = present(this.#databases.get(id), 'the process had a database')
    const { savedIndex } = state
    const kept = this.#durable.survives(id, savedIndex, power)
    if (kept === savedIndex) {
      if (savedIndex < state.appliedIndex) old.sql.exec('ROLLBACK')
      this.#databases.set(id, { sql: old.sql, state: this.#machine(old.sql) })
      return
    }
    old.sql.close()
    this.#databases.delete(id)
    const { state: fresh } = this.#databaseOf(id)
    const entries = this.#entries(kept)
    fresh.applyBatch(this.#options.isWitness(id) ? withhold(entries) : entries)
    fresh.save()
  }

  wiped(id: NodeId): void {
    this.#durable.wiped(id)
    this.#databases.get(id)?.sql.close()
    this.#databases.delete(id)
  }

  close(): void {
    for (const { sql } of this.#databases.values()) sql.close()
  }
}

function lastOfEach(topics: readonly TopicChange[]): [string, number][] {
  const last = new Map<string, number>()
  for (const { ns, topic, revision } of topics) {
    const name = `${ns}/${topic}`
    last.set(name, Math.max(revision, last.get(name) ?? 0))
  }
  return [...last].sort(([a], [b]) => (a < b ? -1 : 1))
}
