/**
 * A node's state machine as a pointer into the history: what each entry does is worked out once,
 * by the model, for all nodes. That is exact, because apply is deterministic (DESIGN §1.2) and a
 * node that applies another entry than the history's is caught right here; it is cheap, because
 * neither rows nor their undoing after a crash cost anything. Some seeds run SQLite instead,
 * whose outcomes are compared with the model's.
 */
import { assert, present } from '../../src/lib/assert.ts'
import type { Entry, LogIndex } from '../../src/raft/mod.ts'
import type {
  AppliedBatch,
  Command,
  ConfigRow,
  ConfigSchemaRow,
  ConfigVersion,
  ConfigVersionValue,
  InstanceKey,
  InstanceRow,
  Labels,
  LeaseChange,
  LeaseHoldings,
  LeaseRow,
  LockKey,
  LockReader,
  OverrideRow,
  ServiceRow,
  StageRow,
  StateNote,
  StoredEvent,
  TopicChange,
} from '../../src/state/mod.ts'
import { EMPTY_BYTES } from '../../src/lib/bytes.ts'
import type { ModelEvent } from './oracle/feed.ts'
import type { History } from './oracle/history.ts'

/**
 * How a state goes bad. `rows`: they are not what their hash was kept for, as a disk does it.
 * `apply`: hash and rows agree, and are not what the others have.
 */
export type Rot = 'rows' | 'apply'

export class SharedState {
  readonly #history: History
  readonly #committing: (entries: readonly Entry[]) => void
  appliedIndex: LogIndex
  /** What a killed process leaves. */
  savedIndex: LogIndex
  /** What is wrong with it; null: nothing. */
  rot: Rot | null = null
  /** The entry that said that it is not what a majority has; null: none did. */
  exposedAt: LogIndex | null = null
  readonly #hashes = new Map<LogIndex, string>()

  readonly #feedKept: number

  constructor(
    history: History,
    appliedIndex: LogIndex,
    {
      feedKept,
      committing,
    }: { readonly feedKept: number; readonly committing: (entries: readonly Entry[]) => void },
  ) {
    this.#feedKept = feedKept
    this.#history = history
    this.appliedIndex = appliedIndex
    this.savedIndex = appliedIndex
    this.#committing = committing
  }

  get revision(): number {
    return this.appliedIndex
  }

  /** Old events leave the feed as entries are applied, and on every node at the same one. */
  get oldestRevision(): number {
    return oldestOf(this.appliedIndex, this.#feedKept)
  }

  eventsAfter(revision: number, { limit }: { readonly limit: number }): readonly StoredEvent[] {
    const events: StoredEvent[] = []
    for (let at = Math.max(revision, this.oldestRevision) + 1; at <= this.appliedIndex; at++) {
      if (events.length >= limit) break
      events.push(...present(this.#history.at(at), 'what is applied').events.map(stored))
    }
    return events
  }

  get #applied(): Entry | null {
    return this.#history.at(this.appliedIndex)?.entry ?? null
  }

  get appliedTerm(): number {
    return this.#applied?.term ?? 0
  }

  get clusterMs(): number {
    return this.#applied?.clusterMs ?? 0
  }

  get clusterVersion(): number {
    return this.#history.model.clusterVersion(this.appliedIndex)
  }

  get #membership(): Entry | null {
    return this.#history.membershipAt(this.appliedIndex)
  }

  get membershipBytes(): Uint8Array | null {
    return this.#membership?.data ?? null
  }

  get membershipIndex(): number {
    return this.#membership?.index ?? 0
  }

  /** Of whatever changed a row last; another one where rows are not what they should be. */
  stateHash(): string {
    const hash = (this.#history.at(this.appliedIndex)?.changedAt ?? 0).toString(16)
    return this.rot === null ? hash.padStart(16, '0') : `f${hash.padStart(15, '0')}`
  }

  applyBatch(entries: readonly Entry[]): AppliedBatch {
    this.#committing(entries)
    const leases: LeaseChange[] = []
    const topics: TopicChange[] = []
    const notes: StateNote[] = []
    const events: StoredEvent[] = []
    const readyLocks: LockKey[] = []
    const outcomes = entries.map((entry) => {
      assert(entry.index === this.appliedIndex + 1, 'entries are applied without a gap')
      this.appliedIndex = entry.index
      const known = present(this.#history.at(entry.index), 'what is applied is committed')
      const { effect, command } = known
      events.push(...known.events.map(stored))
      if (entry.type === 'command') notes.push(...this.#notesOf(command)) // Not withheld.
      if (effect === null) return null
      leases.push(...effect.leases)
      topics.push(...effect.topics)
      readyLocks.push(...effect.readyLocks)
      return effect.outcome
    })
    return { outcomes, topics, leases, readyLocks, notes, events, membershipChanged: null }
  }

  save(): void {
    this.savedIndex = this.appliedIndex
  }

  #notesOf(command: Command | null): readonly StateNote[] {
    if (command?.type === 'state_check') {
      const note = { type: 'check', index: this.appliedIndex, hash: this.stateHash() } as const
      this.#hashes.set(note.index, note.hash)
      return [note]
    }
    if (command?.type !== 'state_verdict') return []
    const { index, hash, schema } = command
    if ((this.#hashes.get(index) ?? hash) !== hash) this.exposedAt ??= this.appliedIndex
    return [{ type: 'verdict', index, hash, schema }]
  }

  /** Another state is in its place. */
  replaced(index: LogIndex, rot: Rot | null): void {
    this.appliedIndex = index
    this.savedIndex = index
    this.rot = rot
    this.exposedAt = null
    this.#hashes.clear()
  }

  leases(): readonly LeaseRow[] {
    return this.#history.model.leases(this.appliedIndex)
  }

  lease(id: string): LeaseRow | null {
    return this.#history.model.lease(id, this.appliedIndex)
  }

  leaseHoldings(): LeaseHoldings {
    return { instances: [], config: [], locks: [] }
  }

  get locks(): LockReader {
    const { locks, topics } = this.#history.model
    const at = this.appliedIndex
    const row = (ns: string, name: string) => locks.row(ns, name, at)
    const grants = (ns: string, name: string) => locks.holders(ns, name, at)
    return {
      lock: row,
      revision: (ns, name) => topics.changedAt(ns, `locks/${name}`, at),
      locks: (ns, { limit }) =>
        locks
          .names(ns)
          .flatMap((name) => row(ns, name) ?? [])
          .slice(0, limit),
      allRevision: (ns) => topics.changedAt(ns, 'locks', at),
      grant: (ns, name, token) => grants(ns, name).find((one) => one.token === token) ?? null,
      grantAt: (ns, name, place) => grants(ns, name).find((one) => one.place === place) ?? null,
      waits: (ns, name, place) => locks.waits(ns, name, place, at),
      ready: () => locks.readyAt(at),
    }
  }

  config(ns: string, key: string): ConfigRow | null {
    const config = this.#history.model.configs.at(ns, key, this.appliedIndex)
    return config === null ? null : { ...config.meta, value: config.value }
  }

  configNewestVersion(ns: string, key: string): number {
    return this.#history.model.configs.written.newest(ns, key, this.appliedIndex)
  }

  configVersion(ns: string, key: string, version: number): ConfigVersionValue | null {
    const found = this.#history.model.configs.written.find(ns, key, version)
    return found === null || found.revision > this.appliedIndex ? null : found
  }

  configHistory(
    ns: string,
    key: string,
    { limit }: { readonly limit: number },
  ): readonly ConfigVersion[] {
    return this.#history.model.configs.written.history(ns, key, this.appliedIndex).slice(0, limit)
  }

  configSchema(ns: string, prefix: string): ConfigSchemaRow | null {
    return this.#history.model.configs.schema(ns, prefix, this.appliedIndex)
  }

  /** What is trimmed is looked at in seeds with SQLite: here nothing is stored. */
  isTrimDue(): boolean {
    return false
  }

  instance(key: InstanceKey): InstanceRow | null {
    return this.#history.model.services.instance(key, this.appliedIndex)
  }

  instances(ns: string, service: string): readonly InstanceRow[] {
    return this.#history.model.services.instances(ns, service, this.appliedIndex)
  }

  instanceRevision({ ns, service, id }: InstanceKey): number {
    return this.#changedAt(ns, `services/${service}/${id}`)
  }

  serviceRevision(ns: string, service: string): number {
    return this.#changedAt(ns, `services/${service}`)
  }

  servicesRevision(ns: string): number {
    return this.#changedAt(ns, 'services')
  }

  configRevision(ns: string, key: string): number {
    return this.#changedAt(ns, `config/${key}`)
  }

  configPrefixRevision(ns: string, prefix: string): number {
    const { topics } = this.#history.model
    return topics.changedAtPrefix(ns, `config/${prefix}`, this.appliedIndex)
  }

  #changedAt(ns: string, topic: string): number {
    return this.#history.model.topics.changedAt(ns, topic, this.appliedIndex)
  }

  readonly stages = {
    seenBy: (ns: string, key: string, labels: Labels): StageRow | null => {
      const { stages } = this.#history.model.configs
      const stage = stages.seenBy(`${ns}/${key}`, labels, this.appliedIndex)
      return stage === null ? null : { ...stage.meta, value: stage.value }
    },
    revisionFor: (ns: string, key: string, labels: Labels): number => {
      const { stages } = this.#history.model.configs
      const staged = stages.changedFor(`${ns}/${key}`, labels, this.appliedIndex)
      return Math.max(staged, this.configRevision(ns, key))
    },
  }

  serviceSettings(ns: string, service: string): ServiceRow | null {
    return this.#history.model.services.service(ns, service, this.appliedIndex)
  }

  override(key: InstanceKey): OverrideRow | null {
    return this.#history.model.services.override(key, this.appliedIndex)
  }

  nodeOverride(ns: string, node: string): OverrideRow | null {
    return this.#history.model.services.nodeOverride(ns, node, this.appliedIndex)
  }

  close(): void {}
}

/** Of a feed that keeps about `kept` revisions; 0: all of them. It is cut in pieces. */
function oldestOf(applied: LogIndex, kept: number): number {
  return kept === 0 ? 0 : Math.max(0, Math.floor((applied - kept) / kept) * kept)
}

/** Watchers here compare which events they are told, not what stands in them. */
function stored(event: ModelEvent): StoredEvent {
  return { ...event, atMs: 0, body: EMPTY_BYTES, size: null, value: null }
}
