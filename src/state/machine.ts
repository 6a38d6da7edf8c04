import { assert, present } from '../lib/assert.ts'
import type { Entry } from '../raft/types.ts'
import { apply } from './apply.ts'
import type { AppliedBatch } from './changes.ts'
import { decodeCommand } from './codec/codec.ts'
import type { Command, HistoryPolicy, InstanceKey } from './command.ts'
import { FEED_FLOOR, isTrimDue } from './config/history.ts'
import { configSchemaRow, SCHEMAS_TOPIC } from './config/schemas.ts'
import { databaseOf, hashOfRows, readApplied, SchemaError } from './database.ts'
import type { Applied, Database } from './database.ts'
import type { StoredEvent } from './events/event.ts'
import type { EventPage } from './events/queries.ts'
import { KEY_RULES } from './keyed.ts'
import type { KeyRules } from './keyed.ts'
import { instanceOfLease, leaseRow } from './leases/lease.ts'
import type { LockReader } from './locks/queries.ts'
import type { Outcome } from './outcome.ts'
import type { EventPlace, Page, StageReader, StateReader } from './reader.ts'
import type * as rows from './rows.ts'
import { instanceTopic } from './services/instance.ts'
import { nodeOverrideRow, overrideRow } from './services/override.ts'
import { serviceRow } from './services/service-commands.ts'
import {
  clusterVersion,
  compactedRevision,
  setting,
  storedMembership,
  writeMembership,
} from './settings.ts'
import { completeSchema, createSchema, hasTables } from './tables/ddl.ts'
import type { MembershipRecord } from './tables/schema.ts'
import type { Sql } from './tables/sql.ts'

/**
 * Entries in, rows out. A transaction holds whole batches, as many as are applied until it is saved,
 * and the applied index, so after a crash the log goes on exactly where the rows stopped. Everything
 * that throws here ends the process: the rows of a half-applied batch are never committed.
 */
export class StateMachine implements StateReader {
  #db: Database
  #appliedIndex = 0
  #appliedTerm = 0
  #clusterMs = 0
  #clusterVersion = 0
  #compactedRevision = 0
  /** Every event from it on is kept. */
  #feedFloor = 0
  /** As stored: it is asked for on every turn of the replica's loop, and hardly ever changes. */
  #membership: MembershipRecord | null = null
  #usable = true
  /** What the database has committed. Past it a transaction is open. */
  #savedIndex = 0

  readonly #rules: KeyRules

  private constructor(sql: Sql, applied: Applied, rules: KeyRules) {
    this.#rules = rules
    this.#db = this.#use(sql, applied)
  }

  #use(sql: Sql, applied: Applied): Database {
    completeSchema(sql)
    const db = databaseOf(sql, applied.hash, this.#rules)
    this.#appliedIndex = applied.index
    this.#savedIndex = applied.index
    this.#appliedTerm = applied.term
    this.#clusterMs = applied.clusterMs
    this.#clusterVersion = clusterVersion(db.tables)
    this.#compactedRevision = compactedRevision(db.tables)
    this.#membership = storedMembership(db.tables)
    this.#feedFloor = setting(db.tables, FEED_FLOOR)
    return db
  }

  /**
   * Goes on with what the database holds; an empty one is given its tables first. All nodes of a
   * cluster must have the same `rules`: they are other ones only in tests.
   *
   * @throws {SchemaError} for a database of another schema version.
   */
  static open(sql: Sql, rules: KeyRules = KEY_RULES): StateMachine {
    if (!hasTables(sql)) createSchema(sql)
    const applied = present(readApplied(sql), 'a database with tables says how far it is')
    return new StateMachine(sql, applied, rules)
  }

  /**
   * Goes on with another database, a snapshot that was installed, in place: whoever holds this
   * object reads from there from now on. The old database is closed.
   *
   * @throws {SchemaError} for a database of another schema version, or none of ours; nothing has
   * changed then.
   */
  replace(sql: Sql): void {
    const applied = readApplied(sql)
    if (applied === null) throw new SchemaError('the snapshot holds no state')
    const old = this.#db.sql
    if (this.#isUnsaved) old.exec('ROLLBACK')
    this.#db = this.#use(sql, applied)
    old.close()
  }

  get revision(): number {
    return this.#appliedIndex
  }

  get appliedIndex(): number {
    return this.#appliedIndex
  }

  get appliedTerm(): number {
    return this.#appliedTerm
  }

  /** Up to here the database holds it, whatever becomes of this process; not of the machine. */
  get savedIndex(): number {
    return this.#savedIndex
  }

  get #isUnsaved(): boolean {
    return this.#savedIndex < this.#appliedIndex
  }

  /** The cluster's clock at the applied index. */
  get clusterMs(): number {
    return this.#clusterMs
  }

  get clusterVersion(): number {
    return this.#clusterVersion
  }

  /** Changes before this revision are not to be had; 0 where all are. */
  get compactedRevision(): number {
    return this.#compactedRevision
  }

  /** Watches begin here or later: what happened up to then is not all to be had. */
  get oldestRevision(): number {
    return Math.max(this.#compactedRevision, this.#feedFloor - 1)
  }

  /** See {@link EventQueries.after}. */
  eventsAfter(revision: number, options: EventPage): readonly StoredEvent[] {
    return this.#db.events.after(revision, options)
  }

  /** How many idempotency keys are kept, those included that are past their window. */
  get idempotencyKeys(): number {
    return this.#db.context.keys.count
  }

  /** Of the outcomes that are kept under them. */
  get idempotencyBytes(): number {
    return this.#db.context.keys.bytes
  }

  /** The newest applied membership, in the core's encoding; null before the first. */
  get membershipBytes(): Uint8Array | null {
    return this.#membership?.data ?? null
  }

  /** The index of the entry that brought it; 0 before the first. */
  get membershipIndex(): number {
    return this.#membership?.revision ?? 0
  }

  /** Of all replicated rows; equal on all replicas at equal applied index. 16 hex digits. */
  stateHash(): string {
    return this.#db.hash.hex()
  }

  /** The same, from the rows themselves: slow, for proofs. */
  recomputeHash(): string {
    return hashOfRows(this.#db.sql)
  }

  /**
   * Applies the entries that follow the applied index; reads here see them at once, the database has
   * them after {@link save}. `wants(index)` says whether the thing
   * written is to be in that entry's outcome; it must not and cannot change a row. Without it
   * all are wanted.
   *
   * @throws {UnknownCommand} {InvalidCommand} before anything is applied: this node must stop.
   */
  applyBatch(
    entries: readonly Entry[],
    wants: (index: number) => boolean = () => true,
  ): AppliedBatch {
    assert(this.#usable, 'a state machine that failed is not used again')
    const last = entries.at(-1)
    if (last === undefined) {
      const nothing = { topics: [], leases: [], notes: [], events: [], readyLocks: [] }
      return { outcomes: [], ...nothing, membershipChanged: null }
    }
    this.#assertFollows(entries)
    const commands = entries.map((entry) =>
      entry.type === 'command' ? decodeCommand(entry.data) : null,
    )
    this.#usable = false // Unless all of it succeeds.
    if (!this.#isUnsaved) this.#db.begin.run()
    const outcomes = entries.map((entry, i) =>
      this.#applyEntry(entry, commands[i] ?? null, wants(entry.index)),
    )
    const changes = this.#db.context.flush()
    this.#appliedIndex = last.index
    this.#appliedTerm = last.term
    this.#clusterMs = last.clusterMs
    const membership = entries.findLast((entry) => entry.type === 'membership')
    if (membership !== undefined) this.#membership = storedMembership(this.#db.tables)
    this.#db.configs.applied(changes.topics)
    this.#db.services.applied(changes.topics)
    this.#db.hot.applied(changes.topics)
    this.#usable = true
    return { outcomes, ...changes, membershipChanged: membership?.data ?? null }
  }

  /** Commits what was applied. A crash loses what was not saved, and the log replays it. */
  save(): void {
    if (!this.#isUnsaved) return
    assert(this.#usable, 'a state machine that failed saves nothing')
    this.#usable = false // Unless it succeeds.
    const { a, b } = this.#db.hash.lanes
    this.#db.saveApplied.run(this.#appliedIndex, this.#appliedTerm, this.#clusterMs, a, b)
    this.#db.commit.run()
    this.#savedIndex = this.#appliedIndex
    this.#usable = true
  }

  #assertFollows(entries: readonly Entry[]): void {
    let index = this.#appliedIndex
    let term = this.#appliedTerm
    for (const entry of entries) {
      assert(entry.index === index + 1, 'entries are applied without a gap')
      assert(entry.term >= term, 'terms never go back in a log')
      index = entry.index
      term = entry.term
    }
  }

  #applyEntry(entry: Entry, command: Command | null, wanted: boolean): Outcome | null {
    const wallMs = Math.max(0, Math.floor(entry.wallMs)) // A column of whole milliseconds.
    this.#db.context.begin({
      revision: entry.index,
      clusterMs: entry.clusterMs,
      wallMs,
      clusterVersion: this.#clusterVersion,
      wanted,
    })
    if (entry.type === 'membership') writeMembership(this.#db.context, entry.data)
    if (command === null) return null
    const outcome = apply(this.#db.context, command)
    if (command.type === 'cluster_version') this.#clusterVersion = clusterVersion(this.#db.tables)
    if (command.type === 'history_trim') this.#feedFloor = setting(this.#db.tables, FEED_FLOOR)
    return outcome
  }

  /** All leases, by id: a new leader starts every deadline. */
  *leases(): Generator<rows.LeaseRow> {
    let page = this.#db.leasePage('')
    while (page.length > 0) {
      yield* page
      page = this.#db.leasePage(present(page.at(-1), 'a page that is not empty ends').id)
    }
  }

  instance(key: InstanceKey): rows.InstanceRow | null {
    return this.#db.hot.instance(key)
  }

  instanceRevision(key: InstanceKey): number {
    const record = this.#db.tables.instance.find(key.ns, key.service, key.id)
    return record?.revision ?? this.#db.context.scopes.revision(key.ns, instanceTopic(key))
  }

  instances(ns: string, service: string): readonly rows.InstanceRow[] {
    return this.#db.services.view(ns, service).instances
  }

  service(ns: string, service: string): rows.ServiceView {
    return this.#db.services.view(ns, service)
  }

  serviceRevision(ns: string, service: string): number {
    return this.#db.context.scopes.revision(ns, `services/${service}`)
  }

  services(ns: string, page: Page): readonly rows.ServiceSummary[] {
    return this.#db.services.services(ns, page)
  }

  servicesRevision(ns: string): number {
    return this.#db.context.scopes.revision(ns, 'services')
  }

  serviceSettings(ns: string, service: string): rows.ServiceRow | null {
    const record = this.#db.tables.service.find(ns, service)
    return record === null ? null : serviceRow(record)
  }

  override(key: InstanceKey): rows.OverrideRow | null {
    const record = this.#db.tables.override.find(key.ns, key.service, key.id)
    return record === null ? null : overrideRow(record)
  }

  nodeOverride(ns: string, node: string): rows.OverrideRow | null {
    return nodeOverrideRow(this.#db.tables.node.find(ns, node))
  }

  config(ns: string, key: string): rows.ConfigRow | null {
    return this.#db.hot.config(ns, key)
  }

  configRevision(ns: string, key: string): number {
    return this.#db.configs.revision(ns, key)
  }

  configList(ns: string, page: Page): readonly rows.ConfigMeta[] {
    return this.#db.configs.list(ns, page)
  }

  configPrefixRevision(ns: string, prefix: string): number {
    return this.#db.configs.prefixRevision(ns, prefix)
  }

  get locks(): LockReader {
    return this.#db.locks
  }

  configNewestVersion(ns: string, key: string): number {
    return this.#db.configs.newestVersion(ns, key)
  }

  configVersion(ns: string, key: string, version: number): rows.ConfigVersionValue | null {
    return this.#db.configs.version(ns, key, version)
  }

  configHistory(
    ns: string,
    key: string,
    page: { readonly before: EventPlace | null; readonly limit: number },
  ): readonly rows.ConfigVersion[] {
    return this.#db.configs.history(ns, key, page)
  }

  configSchema(ns: string, prefix: string): rows.ConfigSchemaRow | null {
    const record = this.#db.tables.configSchema.find(ns, prefix)
    return record === null ? null : configSchemaRow(record)
  }

  configSchemas(ns: string, page: Page): readonly rows.ConfigSchemaMeta[] {
    return this.#db.configs.schemas(ns, page)
  }

  configSchemasOf(ns: string, key: string): readonly rows.ConfigSchemaRow[] {
    return this.#db.tables.schemasOf(ns, key).map(configSchemaRow)
  }

  configSchemasRevision(ns: string): number {
    return this.#db.context.scopes.revision(ns, SCHEMAS_TOPIC)
  }

  /** Whether a `history_trim` by that policy would do something, were it applied now. */
  isTrimDue(policy: HistoryPolicy, clusterMs: number): boolean {
    return isTrimDue(this.#db.tables, policy, { revision: this.revision, clusterMs })
  }

  get stages(): StageReader {
    return this.#db.stages
  }

  lease(id: string): rows.LeaseRow | null {
    const record = this.#db.tables.lease.find(id)
    return record === null ? null : leaseRow(record)
  }

  leaseHoldings(id: string): rows.LeaseHoldings {
    const key = instanceOfLease(id)
    const holds = key !== null && this.instance(key)?.lease === id
    const config = this.#db.tables.configOfLease(id).map((record) => record.key)
    return { instances: holds ? [key] : [], config, locks: this.#db.locks.ofLease(id) }
  }

  close(): void {
    if (this.#usable) this.save()
    this.#usable = false
    this.#db.sql.close()
  }
}
