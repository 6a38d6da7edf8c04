import { utf8, utf8Text } from '../../lib/bytes.ts'
import type { InstanceKey, InstanceSpec } from '../command.ts'
import { deleteConfig } from '../config/config.ts'
import type { Context } from '../context.ts'
import { lockPartOf } from '../locks/lease.ts'
import type { LeaseRow } from '../rows.ts'
import type { LeaseRecord } from '../tables/schema.ts'

const INSTANCE_PREFIX = 'i:'
const REMOVE = 0
const LAPSE = 1

/** The id of an instance's own lease. Names hold no slash, so it can be taken apart again. */
export function instanceLease(key: InstanceKey): string {
  return `${INSTANCE_PREFIX}${key.ns}/${key.service}/${key.id}`
}

/** Whose lease it is; null for one that a client was granted. */
export function instanceOfLease(id: string): InstanceKey | null {
  if (!id.startsWith(INSTANCE_PREFIX)) return null
  const [ns, service, instance, ...rest] = id.slice(INSTANCE_PREFIX.length).split('/')
  if (ns === undefined || service === undefined || instance === undefined) return null
  return rest.length > 0 ? null : { ns, service, id: instance }
}

export function leaseRow(record: LeaseRecord): LeaseRow {
  return {
    id: record.id,
    ns: record.ns,
    ttlMs: record.ttlMs,
    leaseRevision: record.leaseRevision,
    removeAfterMs: record.removeAfterMs,
    onLapse: record.onLapse === LAPSE ? 'lapse' : 'remove',
    owner: record.owner === null ? null : utf8Text(record.owner),
    suspectMs: record.suspectMs,
    lapsed: record.lapsed === 1,
  }
}

/** What a new lease is made of, or one whose deadline starts afresh. */
export interface LeaseTerms {
  readonly id: string
  readonly ns: string
  readonly ttlMs: number
  readonly removeAfterMs: number | null
  readonly owner: string | null
}

/**
 * Grants a lease, or starts it afresh: its deadline is the full TTL again, and an expiry that
 * was proposed for the old one finds another `leaseRevision` (DESIGN §5.2). `unclaimedMs`: how long
 * it lasts until its first beat, where nobody has asked for it just now.
 */
export function armLease(
  context: Context,
  terms: LeaseTerms,
  unclaimedMs: number | null = null,
): LeaseRow {
  const old = context.tables.lease.find(terms.id)
  const record: LeaseRecord = {
    id: terms.id,
    ns: terms.ns,
    ttlMs: terms.ttlMs,
    leaseRevision: context.revision,
    removeAfterMs: terms.removeAfterMs,
    onLapse: terms.removeAfterMs === 0 ? REMOVE : LAPSE,
    owner: terms.owner === null ? null : utf8(terms.owner),
    suspectMs: null,
    lapsed: 0,
    ...context.tail(old),
  }
  context.tables.lease.put(old, record)
  const lease = leaseRow(record)
  context.leases.push(
    unclaimedMs === null ? { type: 'armed', lease } : { type: 'granted', lease, unclaimedMs },
  )
  return lease
}

/** The lease that an instance's declaration asks for; without a TTL it has none. */
export function armInstanceLease(context: Context, key: InstanceKey, spec: InstanceSpec): void {
  const id = instanceLease(key)
  if (spec.ttlMs === null) {
    const old = context.tables.lease.find(id)
    if (old !== null) dropLease(context, old)
    return
  }
  const { ttlMs, removeAfterMs } = spec
  armLease(context, { id, ns: key.ns, ttlMs, removeAfterMs, owner: null })
}

/** Changes a lease in place; its deadline is the leader's business. */
export function updateLease(
  context: Context,
  old: LeaseRecord,
  change: Partial<Pick<LeaseRecord, 'suspectMs' | 'lapsed'>>,
): LeaseRow {
  const record = { ...old, ...change, ...context.tail(old) }
  context.tables.lease.update(old, record)
  return leaseRow(record)
}

/** One that a client was granted, and knows by its id. */
function isClientLease(id: string): boolean {
  return instanceOfLease(id) === null && lockPartOf(id) === null
}

/**
 * Removes a lease and the config keys that hang on it. Its instance and its locks are the caller's
 * business.
 */
export function dropLease(context: Context, lease: LeaseRecord): void {
  for (const config of context.tables.configOfLease(lease.id)) deleteConfig(context, config, null)
  context.tables.lease.delete(lease)
  context.leases.push({ type: 'gone', id: lease.id })
  if (isClientLease(lease.id)) context.changed(lease.ns, `leases/${lease.id}`)
}
