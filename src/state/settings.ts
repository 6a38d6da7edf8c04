import { assert } from '../lib/assert.ts'
import { CLUSTER_VERSION_FIRST } from './cluster-version.ts'
import type { CommandOf } from './command.ts'
import type { Context } from './context.ts'
import { EVENT_KINDS, NO_NAMESPACE } from './events/event.ts'
import type { Outcome } from './outcome.ts'
import type { MembershipRecord } from './tables/schema.ts'
import type { Sql } from './tables/sql.ts'
import type { Tables } from './tables/tables.ts'

const MEMBER_EVENTS_SINCE = 3

const CLUSTER_VERSION = 'cluster_version'
/** Of a state that another cluster began: changes before this revision are not to be had. */
export const COMPACTED_REVISION = 'compacted_revision'

export function clusterVersion(tables: Tables): number {
  return tables.setting.find(CLUSTER_VERSION)?.value ?? CLUSTER_VERSION_FIRST
}

/** The same of a database that is not in use yet. */
export function storedClusterVersion(sql: Sql): number {
  const row = sql.prepare('SELECT value FROM setting WHERE name = ?1').get(CLUSTER_VERSION)
  return (row?.[0] as number | undefined) ?? CLUSTER_VERSION_FIRST
}

/** Where the state of this cluster begins; 0 where nothing was ever left out. */
export function compactedRevision(tables: Tables): number {
  return tables.setting.find(COMPACTED_REVISION)?.value ?? 0
}

/** Any of the numbers that the cluster agreed on; 0 before the first. */
export function setting(tables: Tables, name: string): number {
  return tables.setting.find(name)?.value ?? 0
}

/** Writes only what is another number. */
export function writeSetting(context: Context, name: string, value: number): void {
  const old = context.tables.setting.find(name)
  if ((old?.value ?? 0) === value) return
  context.tables.setting.put(old, {
    name,
    value,
    createdRevision: old?.createdRevision ?? context.revision,
    revision: context.revision,
    attributes: old?.attributes ?? null,
  })
}

/** Raises the version; a proposal of two leaders that comes second changes nothing. */
export function raiseClusterVersion(
  context: Context,
  command: CommandOf<'cluster_version'>,
): Outcome {
  if (command.version <= clusterVersion(context.tables)) return context.ok(false, null)
  writeSetting(context, CLUSTER_VERSION, command.version)
  return context.ok(false, null)
}

const LOCK_WAITERS = 'lock_waiters'

/** How many wait for locks, of all names: kept, since counting 100,000 rows takes milliseconds. */
export function lockWaiterCount(tables: Tables): number {
  return setting(tables, LOCK_WAITERS)
}

export function countLockWaiters(context: Context, by: 1 | -1): void {
  const value = lockWaiterCount(context.tables) + by
  assert(value >= 0, 'who waits is counted')
  writeSetting(context, LOCK_WAITERS, value)
}

/** The membership in force, as the core encoded it: bytes to this folder. */
export function writeMembership(context: Context, data: Uint8Array): void {
  const old = storedMembership(context.tables)
  context.tables.membership.put(old, {
    id: 1,
    revision: context.revision,
    createdRevision: old?.createdRevision ?? context.revision,
    data,
    attributes: old?.attributes ?? null,
  })
  if (context.clusterVersion < MEMBER_EVENTS_SINCE) return
  const kind = EVENT_KINDS['member.changed']
  context.emit({ ns: NO_NAMESPACE, topic: 'members', kind, body: data, value: null })
}

/** Null before the first. */
export function storedMembership(tables: Tables): MembershipRecord | null {
  return tables.membership.find(1)
}
