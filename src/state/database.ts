/**
 * A database of the state: what is prepared on it, how far it is, and whether it is what it says of
 * itself. What may be asked of one before, or without, a state machine stands here too.
 */
import { assert, present } from '../lib/assert.ts'
import { MultisetHash } from '../lib/hash.ts'
import { CLUSTER_VERSION_MAX } from './cluster-version.ts'
import { needsNewer } from './codec/codec.ts'
import { ConfigQueries } from './config/queries.ts'
import { Context } from './context.ts'
import { EventQueries } from './events/queries.ts'
import { HotRows } from './hot-rows.ts'
import { KEY_RULES } from './keyed.ts'
import type { KeyRules } from './keyed.ts'
import { leaseRow } from './leases/lease.ts'
import { LockQueries } from './locks/queries.ts'
import type * as rows from './rows.ts'
import { ServiceQueries } from './services/service-queries.ts'
import { clusterVersion, storedClusterVersion, writeMembership } from './settings.ts'
import { StageQueries } from './stages/queries.ts'
import { createSchema, hasTables, holdsRows } from './tables/ddl.ts'
import { SCHEMA_VERSION, TABLES } from './tables/schema.ts'
import type { Sql, Statement } from './tables/sql.ts'
import { addAllRows } from './tables/table.ts'
import { openTables } from './tables/tables.ts'
import type { Tables } from './tables/tables.ts'

/** The database is of another schema than this program's, or of a newer program. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError'
}

/** How far a database is, with the hash that was kept of its rows. */
export interface Applied {
  readonly index: number
  readonly term: number
  readonly clusterMs: number
  readonly hash: MultisetHash
}

const LEASE_PAGE = 1_000

/** A database and what is prepared on it. */
export interface Database {
  readonly sql: Sql
  readonly hash: MultisetHash
  readonly tables: Tables
  readonly context: Context
  readonly services: ServiceQueries
  readonly configs: ConfigQueries
  readonly hot: HotRows
  readonly events: EventQueries
  readonly locks: LockQueries
  readonly stages: StageQueries
  readonly begin: Statement
  readonly commit: Statement
  readonly saveApplied: Statement
  readonly leasePage: (after: string) => readonly rows.LeaseRow[]
}

export function databaseOf(sql: Sql, hash: MultisetHash, rules: KeyRules): Database {
  const tables = openTables(sql, hash)
  const configs = new ConfigQueries(sql, tables)
  const context = new Context(tables, hash, rules)
  const page = tables.lease.query(`WHERE id > ?1 ORDER BY id LIMIT ${LEASE_PAGE}`)
  return {
    sql,
    hash,
    tables,
    context,
    services: new ServiceQueries(sql, tables, context.scopes),
    configs,
    hot: new HotRows(tables, configs),
    events: new EventQueries(sql),
    locks: new LockQueries(tables, context.scopes),
    stages: new StageQueries(sql, tables, configs),
    begin: sql.prepare('BEGIN IMMEDIATE'),
    commit: sql.prepare('COMMIT'),
    saveApplied: sql.prepare(
      `UPDATE applied
       SET applied_index = ?1, applied_term = ?2, cluster_ms = ?3, hash_a = ?4, hash_b = ?5`,
    ),
    leasePage: (after) => page(after).map(leaseRow),
  }
}

/**
 * Up to where a database has applied; null for one that holds no state.
 *
 * @throws {SchemaError} for a database of another schema version, or of a newer program.
 */
export function readApplied(sql: Sql): Applied | null {
  if (!hasTables(sql)) return null
  const row = sql
    .prepare(
      `SELECT schema_version, applied_index, applied_term, cluster_ms, hash_a, hash_b
       FROM applied`,
    )
    .get()
  const [version, index, term, clusterMs, a, b] = present(row, 'a database says how far it is')
  if (version !== SCHEMA_VERSION) {
    throw new SchemaError(`the state has schema ${version}, this program ${SCHEMA_VERSION}`)
  }
  const needed = storedClusterVersion(sql)
  if (needed > CLUSTER_VERSION_MAX) throw new SchemaError(needsNewer(needed))
  const hash = new MultisetHash({ a: Number(a ?? 0), b: Number(b ?? 0) })
  return {
    index: Number(present(index, 'the applied index is stored')),
    term: Number(present(term, 'the applied term is stored')),
    clusterMs: Number(present(clusterMs, 'the cluster clock is stored')),
    hash,
  }
}

/**
 * Makes an empty database that of a witness: a place in the log and who decides there, without
 * any other row. `membership.data` was brought by the entry at `membership.index`.
 */
export function createPlace(
  sql: Sql,
  at: { readonly index: number; readonly term: number },
  membership: { readonly index: number; readonly data: Uint8Array },
): void {
  assert(!hasTables(sql), 'a place is put into an empty database')
  assert(membership.index <= at.index, 'a membership is not of later')
  createSchema(sql)
  const { begin, commit, context, hash, saveApplied, tables } = databaseOf(
    sql,
    new MultisetHash(),
    KEY_RULES,
  )
  begin.run()
  context.begin({
    revision: membership.index,
    clusterMs: 0,
    wallMs: 0,
    clusterVersion: clusterVersion(tables),
    wanted: false,
  })
  writeMembership(context, membership.data)
  context.flush()
  saveApplied.run(at.index, at.term, 0, hash.lanes.a, hash.lanes.b)
  commit.run()
}

/**
 * Whether a database is what it says of itself: whole for SQLite, and its rows the ones that its
 * hash was kept for. Slow; it changes nothing, and sees one moment of a database in use.
 *
 * @returns what is wrong as a sentence, or null. Throws where SQLite cannot read it at all, and
 * {@link SchemaError} as {@link readApplied} does.
 */
export function examineState(sql: Sql): string | null {
  sql.exec('BEGIN')
  try {
    const [verdict] = present(sql.prepare('PRAGMA quick_check(1)').get(), 'a check has an answer')
    if (verdict !== 'ok') return `SQLite says: ${String(verdict)}`
    const applied = readApplied(sql)
    if (applied === null) return 'it holds no state'
    const kept = applied.hash.hex()
    const found = hashOfRows(sql)
    return found === kept ? null : `its rows have the hash ${found}, not ${kept} as was kept`
  } finally {
    sql.exec('ROLLBACK')
  }
}

/** The hash of all replicated rows, from the rows themselves. Slow: it reads every one. */
export function hashOfRows(sql: Sql): string {
  const hash = new MultisetHash()
  for (const spec of TABLES) if (holdsRows(sql, spec)) addAllRows(sql, hash, spec)
  return hash.hex()
}
