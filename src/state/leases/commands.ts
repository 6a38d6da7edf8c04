/**
 * What becomes of leases. The leader proposes; each reference names the `leaseRevision` that it
 * judged by, and counts only while the row still holds it (DESIGN §5.2): a renewal by
 * registration, or a PATCH of the terms, in between wins.
 *
 * ```
 *   grant ──▶ live ──suspect──▶ suspect ──clear──▶ live
 *              │                   │
 *              └──── expire ───────┴──▶ gone      (on lapse: remove)
 *                            │
 *                            └──▶ lapsed ──remove──▶ gone
 *                                    └──clear──▶ live
 * ```
 */
import type { CommandOf, LeaseRef } from '../command.ts'
import type { Context } from '../context.ts'
import { removeInstance, writeHealth } from '../services/instance.ts'
import { armLease, dropLease, instanceOfLease, updateLease } from './lease.ts'
import { endLockPart, endLocksOf } from '../locks/commands.ts'
import { grantFreed } from '../locks/lock.ts'
import type { Outcome } from '../outcome.ts'
import type { InstanceRecord, LeaseRecord } from '../tables/schema.ts'

export function leaseGrant(context: Context, command: CommandOf<'lease_grant'>): Outcome {
  const { ns, id, ttlMs, owner } = command
  if (context.tables.lease.find(id) !== null) {
    return context.conflict(`there is a lease "${id}" already`)
  }
  const lease = armLease(context, { id, ns, ttlMs, removeAfterMs: 0, owner })
  context.changed(ns, `leases/${id}`)
  return context.ok(true, context.wanted ? { type: 'lease', lease } : null)
}

export function leaseRevoke(context: Context, command: CommandOf<'lease_revoke'>): Outcome {
  const lease = context.tables.lease.find(command.id)
  if (lease !== null && lease.ns === command.ns) end(context, lease, 'released')
  grantFreed(context)
  return context.ok(false, null)
}

export function leaseExpire(context: Context, command: CommandOf<'lease_expire'>): Outcome {
  for (const lease of held(context, command.leases)) {
    if (lease.lapsed === 1) continue
    const instance = instanceOn(context, lease)
    if (lease.onLapse === 0 || instance === null) end(context, lease, 'expired')
    else lapse(context, lease, instance)
  }
  grantFreed(context) // Only now: who was ended here too is not granted anything.
  return context.ok(false, null)
}

/** Unavailable at once, gone only after `removeAfter`: until then a beat brings it back. */
function lapse(context: Context, lease: LeaseRecord, instance: InstanceRecord): void {
  const row = updateLease(context, lease, { suspectMs: null, lapsed: 1 })
  context.leases.push({ type: 'lapsed', lease: row })
  writeHealth(context, instance, { health: 'critical', reason: 'ttl' })
}

export function leaseRemove(context: Context, command: CommandOf<'lease_remove'>): Outcome {
  for (const lease of held(context, command.leases)) {
    if (lease.lapsed === 1) end(context, lease, 'expired')
  }
  return context.ok(false, null)
}

export function leaseSuspect(context: Context, command: CommandOf<'lease_suspect'>): Outcome {
  for (const { id, leaseRevision, remainingMs } of command.leases) {
    const lease = context.tables.lease.find(id)
    if (lease?.leaseRevision !== leaseRevision || lease.lapsed === 1) continue
    const row = updateLease(context, lease, { suspectMs: remainingMs })
    context.leases.push({ type: 'suspect', lease: row })
  }
  return context.ok(false, null)
}

export function leaseClear(context: Context, command: CommandOf<'lease_clear'>): Outcome {
  for (const lease of held(context, command.leases)) {
    if (lease.suspectMs === null && lease.lapsed === 0) continue
    const row = updateLease(context, lease, { suspectMs: null, lapsed: 0 })
    context.leases.push({ type: 'cleared', lease: row })
    const instance = lease.lapsed === 1 ? instanceOn(context, lease) : null
    if (instance !== null) writeHealth(context, instance, { health: 'passing', reason: null })
  }
  return context.ok(false, null)
}

/** Those that still are what the leader judged. One by one: an earlier one may take another along. */
function* held(context: Context, refs: readonly LeaseRef[]): Generator<LeaseRecord> {
  for (const ref of refs) {
    const lease = context.tables.lease.find(ref.id)
    if (lease !== null && lease.leaseRevision === ref.leaseRevision) yield lease
  }
}

function instanceOn(context: Context, lease: LeaseRecord): InstanceRecord | null {
  const key = instanceOfLease(lease.id)
  return key === null ? null : context.tables.instance.find(key.ns, key.service, key.id)
}

/** Removes a lease with everything that hangs on it. Freed permits are passed on by the caller. */
function end(context: Context, lease: LeaseRecord, why: 'expired' | 'released'): void {
  const instance = instanceOn(context, lease)
  if (instance !== null) {
    const event = why === 'expired' ? 'instance.expired' : 'instance.deregistered'
    return removeInstance(context, instance, event)
  }
  if (endLockPart(context, lease.id, why)) return
  endLocksOf(context, lease.id, why)
  dropLease(context, lease)
}
