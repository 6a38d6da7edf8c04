import type { MultisetHash } from '../lib/hash.ts'
import * as locks from './lock-schema.ts'
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
  readonly instancesOnNode: (ns: string, node: string) => readonly schema.InstanceRecord[]
  readonly configOfLease: (lease: string) => readonly schema.ConfigRecord[]
}

export function openTables(sql: Sql, hash: MultisetHash): Tables {
  const instance = new Table(sql, hash, schema.INSTANCE)
  const config = new Table(sql, hash, schema.CONFIG)
  const onNode = instance.query('WHERE ns = ?1 AND node = ?2 ORDER BY service, id')
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
    lease: new Table(sql, hash, schema.LEASE),
    node: new Table(sql, hash, schema.NODE),
    service: new Table(sql, hash, schema.SERVICE),
    instance,
    override: new Table(sql, hash, schema.OVERRIDE),
    config,
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
    instancesOnNode: (ns, node) => onNode(ns, node),
    configOfLease: (lease) => ofLease(lease),
  }
}
