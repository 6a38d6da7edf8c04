import { assert, present } from '../lib/assert.ts'
import { MultisetHash } from '../lib/hash.ts'
import type { Entry } from '../raft/types.ts'
import { apply } from './apply.ts'
import type { AppliedBatch } from './changes.ts'
import { decodeCommand } from './codec.ts'
import type { Command, InstanceKey } from './command.ts'
import { ConfigQueries } from './config-queries.ts'
import { Context } from './context.ts'
import { instanceRow, instanceTopic, overridesOf } from './instance.ts'
import { instanceOfLease, leaseRow } from './lease.ts'
import type { Outcome } from './outcome.ts'
import { nodeOverrideRow, overrideRow } from './override.ts'
import type { Page, StateReader } from './reader.ts'
import type * as rows from './rows.ts'
import { CREATE_APPLIED, SCHEMA_VERSION, TABLES } from './schema.ts'
import { serviceRow } from './service-commands.ts'
import { ServiceQueries } from './service-queries.ts'
import { clusterVersion, writeMembership } from './settings.ts'
import type { Sql, SqlRow, Statement } from './sql.ts'
import { addAllRows, createStatements } from './table.ts'
import { openTables } from './tables.ts'
import type { Tables } from './tables.ts'

/** The database is of another schema than this program's. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError'
}

const LEASE_PAGE = 1_000

/**
 * Entries in, rows out. One transaction a batch, with the applied index in it, so after a crash
 * the log goes on exactly where the rows stopped. Everything that throws here ends the process:
 * the rows of a half-applied batch are never committed.
 */
export class StateMachine implements StateReader {
  readonly #sql: Sql
  readonly #hash: MultisetHash
  readonly #tables: Tables
  readonly #context: Context
  readonly #services: ServiceQueries
  readonly #configs: ConfigQueries
  readonly #begin: Statement
  readonly #commit: Statement
  readonly #saveApplied: Statement
  readonly #leasePage: (after: string) => readonly rows.LeaseRow[]
  #appliedIndex: number
  #appliedTerm: number
  #clusterMs: number
  #clusterVersion: number
  #usable = true

  private constructor(sql: Sql, applied: SqlRow) {
    const [index, term, clusterMs, a, b] = applied as readonly number[]
    this.#sql = sql
    this.#appliedIndex = present(index, 'the applied index is stored')
    this.#appliedTerm = present(term, 'the applied term is stored')
    this.#clusterMs = present(clusterMs, 'the cluster clock is stored')
    this.#hash = new MultisetHash({ a: a ?? 0, b: b ?? 0 })
    this.#tables = openTables(sql, this.#hash)
    this.#context = new Context(this.#tables)
    this.#services = new ServiceQueries(sql, this.#tables, this.#context.scopes)
    this.#configs = new ConfigQueries(sql, this.#tables)
    this.#begin = sql.prepare('BEGIN IMMEDIATE')
    this.#commit = sql.prepare('COMMIT')
    this.#saveApplied = sql.prepare(
      `UPDATE applied
       SET applied_index = ?1, applied_term = ?2, cluster_ms = ?3, hash_a = ?4, hash_b = ?5`,
    )
    const page = this.#tables.lease.query(`WHERE id > ?1 ORDER BY id LIMIT ${LEASE_PAGE}`)
    this.#leasePage = (after) => page(after).map(leaseRow)
    this.#clusterVersion = clusterVersion(this.#tables)
  }

  /**
   * Goes on with what the database holds; an empty one is given its tables first.
   *
   * @throws {SchemaError} for a database of another schema version.
   */
  static open(sql: Sql): StateMachine {
    const [exists] = present(
      sql.prepare(`SELECT count(*) FROM sqlite_schema WHERE name = 'applied'`).get(),
      'a count is a row',
    )
    if (exists === 0) createSchema(sql)
    const [version, ...applied] = present(
      sql
        .prepare(
          `SELECT schema_version, applied_index, applied_term, cluster_ms, hash_a, hash_b
           FROM applied`,
        )
        .get(),
      'a database says how far it is',
    )
    if (version !== SCHEMA_VERSION) {
      throw new SchemaError(`the state has schema ${version}, this program ${SCHEMA_VERSION}`)
    }
    return new StateMachine(sql, applied)
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

  /** The cluster's clock at the applied index. */
  get clusterMs(): number {
    return this.#clusterMs
  }

  get clusterVersion(): number {
    return this.#clusterVersion
  }

  /** The newest applied membership, in the core's encoding; null before the first. */
  get membershipBytes(): Uint8Array | null {
    return this.#tables.membership.find(1)?.data ?? null
  }

  /** The index of the entry that brought it; 0 before the first. */
  get membershipIndex(): number {
    return this.#tables.membership.find(1)?.revision ?? 0
  }

  /** Of all replicated rows; equal on all replicas at equal applied index. 16 hex digits. */
  stateHash(): string {
    return this.#hash.hex()
  }

  /** The same, from the rows themselves: slow, for proofs. */
  recomputeHash(): string {
    const hash = new MultisetHash()
    for (const spec of TABLES) addAllRows(this.#sql, hash, spec)
    return hash.hex()
  }

  /**
   * Applies the entries that follow the applied index. `wants(index)` says whether the thing
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
      return { outcomes: [], topics: [], leases: [], membershipChanged: null }
    }
    this.#assertFollows(entries)
    const commands = entries.map((entry) =>
      entry.type === 'command' ? decodeCommand(entry.data) : null,
    )
    this.#usable = false // Unless all of it succeeds.
    this.#begin.run()
    const outcomes = entries.map((entry, i) =>
      this.#applyEntry(entry, commands[i] ?? null, wants(entry.index)),
    )
    const changes = this.#context.flush()
    const { a, b } = this.#hash.lanes
    this.#saveApplied.run(last.index, last.term, last.clusterMs, a, b)
    this.#commit.run()
    this.#appliedIndex = last.index
    this.#appliedTerm = last.term
    this.#clusterMs = last.clusterMs
    this.#configs.applied(changes.topics)
    this.#usable = true
    const membership = entries.findLast((entry) => entry.type === 'membership')
    return { outcomes, ...changes, membershipChanged: membership?.data ?? null }
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
    this.#context.begin({ revision: entry.index, wallMs, wanted })
    if (entry.type === 'membership') writeMembership(this.#context, entry.data)
    if (command === null) return null
    const outcome = apply(this.#context, command, this.#clusterVersion)
    if (command.type === 'cluster_version') this.#clusterVersion = clusterVersion(this.#tables)
    return outcome
  }

  /** All leases, by id: a new leader starts every deadline. */
  *leases(): Generator<rows.LeaseRow> {
    let page = this.#leasePage('')
    while (page.length > 0) {
      yield* page
      page = this.#leasePage(present(page.at(-1), 'a page that is not empty ends').id)
    }
  }

  instance(key: InstanceKey): rows.InstanceRow | null {
    const record = this.#tables.instance.find(key.ns, key.service, key.id)
    return record === null ? null : instanceRow(record, overridesOf(this.#tables, record))
  }

  instanceRevision(key: InstanceKey): number {
    const record = this.#tables.instance.find(key.ns, key.service, key.id)
    return record?.revision ?? this.#context.scopes.revision(key.ns, instanceTopic(key))
  }

  instances(ns: string, service: string): readonly rows.InstanceRow[] {
    return this.#services.instances(ns, service)
  }

  serviceRevision(ns: string, service: string): number {
    return this.#context.scopes.revision(ns, `services/${service}`)
  }

  services(ns: string, page: Page): readonly rows.ServiceSummary[] {
    return this.#services.services(ns, page)
  }

  servicesRevision(ns: string): number {
    return this.#context.scopes.revision(ns, 'services')
  }

  serviceSettings(ns: string, service: string): rows.ServiceRow | null {
    const record = this.#tables.service.find(ns, service)
    return record === null ? null : serviceRow(record)
  }

  override(key: InstanceKey): rows.OverrideRow | null {
    const record = this.#tables.override.find(key.ns, key.service, key.id)
    return record === null ? null : overrideRow(record)
  }

  nodeOverride(ns: string, node: string): rows.OverrideRow | null {
    return nodeOverrideRow(this.#tables.node.find(ns, node))
  }

  config(ns: string, key: string): rows.ConfigRow | null {
    return this.#configs.config(ns, key)
  }

  configRevision(ns: string, key: string): number {
    return this.#configs.revision(ns, key)
  }

  configList(ns: string, page: Page): readonly rows.ConfigMeta[] {
    return this.#configs.list(ns, page)
  }

  configPrefixRevision(ns: string, prefix: string): number {
    return this.#configs.prefixRevision(ns, prefix)
  }

  lease(id: string): rows.LeaseRow | null {
    const record = this.#tables.lease.find(id)
    return record === null ? null : leaseRow(record)
  }

  leaseHoldings(id: string): rows.LeaseHoldings {
    const key = instanceOfLease(id)
    const holds = key !== null && this.instance(key)?.lease === id
    const config = this.#tables.configOfLease(id).map((record) => record.key)
    return { instances: holds ? [key] : [], config }
  }

  close(): void {
    this.#usable = false
    this.#sql.close()
  }
}

function createSchema(sql: Sql): void {
  sql.exec('BEGIN IMMEDIATE')
  for (const spec of TABLES) for (const statement of createStatements(spec)) sql.exec(statement)
  sql.exec(CREATE_APPLIED)
  sql.exec(`INSERT INTO applied VALUES (1, ${SCHEMA_VERSION}, 0, 0, 0, 0, 0)`)
  sql.exec('COMMIT')
}
