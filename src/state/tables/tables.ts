import { assert, present } from '../../lib/assert.ts'
import type { MultisetHash } from '../../lib/hash.ts'
import { ConfigChain } from '../config/chain.ts'
import { EventSweep, Marks } from '../events/sweep.ts'
import * as locks from './schema-locks.ts'
import * as schema from './schema.ts'
import type { Sql } from './sql.ts'
import { Table } from './table.ts'

/** The tables that commands and queries of today use, with their statements prepared. */
export interface Tables {
  readonly lease: Table<schema.LeaseRecord>
  readonly node: Table<schema.NodeRecord>
  readonly service: Table<schema.ServiceRecord>
  readonly instance: Table<schema.InstanceRecord>
  readonly override: Table<schema.OverrideRecord>
  readonly config: Table<schema.ConfigRecord>
  readonly stage: Table<schema.ConfigStageRecord>
  readonly stageMark: Table<schema.StageMarkRecord>
  readonly event: Table<schema.EventRecord>
  readonly scope: Table<schema.ScopeRecord>
  readonly membership: Table<schema.MembershipRecord>
  readonly setting: Table<schema.SettingRecord>
  readonly lock: Table<locks.LockRecord>
  readonly lockGrant: Table<locks.LockGrantRecord>
  readonly lockWaiter: Table<locks.LockWaiterRecord>
  readonly firstLockWaiter: (ns: string, name: string) => locks.LockWaiterRecord | null
  /** Who was granted from that place of the queue. */
  readonly lockGrantAt: (ns: string, name: string, place: number) => locks.LockGrantRecord | null
  readonly lockGrantsOfLease: (lease: string) => readonly locks.LockGrantRecord[]
  readonly lockWaitersOfLease: (lease: string) => readonly locks.LockWaiterRecord[]
  readonly idempotency: Table<schema.IdempotencyRecord>
  /** The rows that were made first, in that order. */
  readonly oldestKeys: (limit: number) => readonly schema.IdempotencyRecord[]
  /** How many there are, and how long their outcomes are together. Reads every row's head. */
  readonly idempotencySums: () => { readonly count: number; readonly bytes: number }
  /** The bytes of a config key that is not deleted. */
  readonly valueOf: (config: schema.ConfigRecord) => Uint8Array
  readonly holdsLock: (ns: string, name: string, token: number) => boolean
  /** A mark within the batch's transaction, to which it can go back. One at a time. */
  readonly savepoint: Savepoint
  readonly configSchema: Table<schema.ConfigSchemaRecord>
  readonly historyMark: Table<schema.HistoryMarkRecord>
  /** The versions of config keys, the events in their order, and what time it was when. */
  readonly chain: ConfigChain
  readonly events: EventSweep
  readonly marks: Marks
  /** Those that govern a key, shortest prefix first. */
  readonly schemasOf: (ns: string, key: string) => readonly schema.ConfigSchemaRecord[]
  /** From a prefix on, in the order of prefixes. */
  readonly schemasFrom: (
    ns: string,
    from: string,
    limit: number,
  ) => readonly schema.ConfigSchemaRecord[]
  readonly instancesOnNode: (ns: string, node: string) => readonly schema.InstanceRecord[]
  readonly configOfLease: (lease: string) => readonly schema.ConfigRecord[]
  /** By name. */
  readonly stagesOf: (ns: string, key: string) => readonly schema.ConfigStageRecord[]
  /** Newest first. */
  readonly stageMarksOf: (ns: string, key: string) => readonly schema.StageMarkRecord[]
}

export interface Savepoint {
  begin(): void
  /** Keeps what was written since. */
  release(): void
  /** Takes it back. */
  rollback(): void
}

export function openTables(sql: Sql, hash: MultisetHash): Tables {
  const instance = new Table(sql, hash, schema.INSTANCE)
  const lease = new Table(sql, hash, schema.LEASE)
  const config = new Table(sql, hash, schema.CONFIG)
  const idempotency = new Table(sql, hash, schema.IDEMPOTENCY)
  const oldestKeys = idempotency.query('ORDER BY created_revision, caller, key LIMIT ?1')
  const configSchema = new Table(sql, hash, schema.CONFIG_SCHEMA)
  const historyMark = new Table(sql, hash, schema.HISTORY_MARK)
  const governing = configSchema.query(
    'WHERE ns = ?1 AND substr(?2, 1, length(prefix)) = prefix ORDER BY prefix',
  )
  const fromPrefix = configSchema.query('WHERE ns = ?1 AND prefix >= ?2 ORDER BY prefix LIMIT ?3')
  const onNode = instance.query('WHERE ns = ?1 AND node = ?2 ORDER BY service, id')
  const stage = new Table(sql, hash, schema.CONFIG_STAGE)
  const stageMark = new Table(sql, hash, schema.STAGE_MARK)
  const stagesOf = stage.query('WHERE ns = ?1 AND key = ?2 ORDER BY name')
  const marksOf = stageMark.query('WHERE ns = ?1 AND key = ?2 ORDER BY revision DESC, name, rule')
  const ofLease = config.query('WHERE lease = ?1 ORDER BY ns, key')
  const lockGrant = new Table(sql, hash, locks.LOCK_GRANT)
  const lockWaiter = new Table(sql, hash, locks.LOCK_WAITER)
  const firstWaiter = lockWaiter.query('WHERE ns = ?1 AND name = ?2 ORDER BY place LIMIT 1')
  const grantAt = lockGrant.query(
    'WHERE ns = ?1 AND name = ?2 AND place = ?3 ORDER BY token LIMIT 1',
  )
  const grantsOf = lockGrant.query('WHERE lease = ?1 ORDER BY ns, name, token')
  const waitersOf = lockWaiter.query('WHERE lease = ?1 ORDER BY ns, name, place')
  return {
    lease,
    node: new Table(sql, hash, schema.NODE),
    service: new Table(sql, hash, schema.SERVICE),
    instance,
    override: new Table(sql, hash, schema.OVERRIDE),
    config,
    stage,
    stageMark,
    event: new Table(sql, hash, schema.EVENT),
    scope: new Table(sql, hash, schema.SCOPE),
    membership: new Table(sql, hash, schema.MEMBERSHIP),
    setting: new Table(sql, hash, schema.SETTING),
    lock: new Table(sql, hash, locks.LOCK),
    lockGrant,
    lockWaiter,
    firstLockWaiter: (ns, name) => firstWaiter(ns, name)[0] ?? null,
    lockGrantAt: (ns, name, place) => grantAt(ns, name, place)[0] ?? null,
    lockGrantsOfLease: (lease) => grantsOf(lease),
    lockWaitersOfLease: (lease) => waitersOf(lease),
    idempotency,
    oldestKeys: (limit) => oldestKeys(limit),
    ...questions(sql),
    savepoint: savepoint(sql, [config, instance, lease]),
    configSchema,
    historyMark,
    chain: new ConfigChain(sql),
    events: new EventSweep(sql),
    marks: new Marks(historyMark),
    schemasOf: (ns, key) => (configSchema.mayHoldRows ? governing(ns, key) : []),
    schemasFrom: (ns, from, limit) => fromPrefix(ns, from, limit),
    instancesOnNode: (ns, node) => onNode(ns, node),
    configOfLease: (lease) => ofLease(lease),
    stagesOf: (ns, key) => (stage.mayHoldRows ? stagesOf(ns, key) : []),
    stageMarksOf: (ns, key) => (stageMark.mayHoldRows ? marksOf(ns, key) : []),
  }
}

function questions(sql: Sql): Pick<Tables, 'idempotencySums' | 'valueOf' | 'holdsLock'> {
  const sums = sql.prepare('SELECT count(*), sum(length(outcome)) FROM idempotency')
  const value = sql.prepare('SELECT value FROM event WHERE revision = ?1 AND n = ?2')
  const grant = sql.prepare('SELECT 1 FROM lock_grant WHERE ns = ?1 AND name = ?2 AND token = ?3')
  return {
    idempotencySums: () => {
      const [count, bytes] = present(sums.get(), 'sums are a row')
      return { count: count as number, bytes: (bytes as number | null) ?? 0 }
    },
    valueOf: ({ eventRevision, eventN, size }) => {
      const row = value.get(eventRevision, eventN)
      const bytes = present(row, 'a live key points to the event of its value')[0] as Uint8Array
      assert(bytes.length === size, 'a value has the size that its key says')
      return bytes
    },
    holdsLock: (ns, name, token) => grant.get(ns, name, token) !== null,
  }
}

/** `kept`: tables that keep records in memory, of which some may be of rows that are taken back. */
function savepoint(sql: Sql, kept: readonly { forget(): void }[]): Savepoint {
  const begin = sql.prepare('SAVEPOINT attempt')
  const release = sql.prepare('RELEASE attempt')
  const rollback = sql.prepare('ROLLBACK TO attempt')
  return {
    begin: () => begin.run(),
    release: () => release.run(),
    rollback: () => {
      rollback.run()
      release.run() // Going back to a savepoint leaves it open.
      for (const table of kept) table.forget()
    },
  }
}
