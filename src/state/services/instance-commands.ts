import { sameBytes } from '../../lib/bytes.ts'
import { encode } from '../../lib/msgpack.ts'
import type { CommandOf, InstanceKey, InstanceSpec } from '../command.ts'
import type { Context } from '../context.ts'
import { instanceSpec } from '../codec/fields.ts'
import { instanceRow, overridesOf, removeInstance, specOf } from './instance.ts'
import { writeHealth, writeInstance } from './instance.ts'
import { armInstanceLease, instanceLease, updateLease } from '../leases/lease.ts'
import type { Outcome } from '../outcome.ts'
import { patchSpec } from './patch.ts'
import type { InstanceRecord } from '../tables/schema.ts'

function find(context: Context, key: InstanceKey): InstanceRecord | null {
  return context.tables.instance.find(key.ns, key.service, key.id)
}

function missing(context: Context, key: InstanceKey): Outcome {
  return context.notFound(`there is no instance "${key.id}" of service "${key.service}"`)
}

/** `spec`: what the record holds in its encoding, where that is at hand. */
function answer(
  context: Context,
  record: InstanceRecord,
  { created = false, spec }: { readonly created?: boolean; readonly spec?: InstanceSpec } = {},
): Outcome {
  if (!context.wanted) return context.ok(created, null)
  const instance = instanceRow(record, overridesOf(context.tables, record), spec)
  return context.ok(created, { type: 'instance', instance })
}

/** A registration is always a change: it starts the lease afresh and sets the health back. */
export function instancePut(context: Context, command: CommandOf<'instance_put'>): Outcome {
  const { key, spec } = command
  const old = find(context, key)
  const refusal = context.unexpected(command.expect, old?.revision ?? null)
  if (refusal !== null) return refusal
  if (old === null || old.lease !== null || spec.ttlMs !== null)
    armInstanceLease(context, key, spec)
  const record = writeInstance(context, { key, old, spec, health: 'passing', healthReason: null })
  return answer(context, record, { created: old === null, spec })
}

export function instancePatch(context: Context, command: CommandOf<'instance_patch'>): Outcome {
  const { key } = command
  const old = find(context, key)
  const refusal = context.unexpected(command.expect, old?.revision ?? null)
  if (refusal !== null) return refusal
  if (old === null) return missing(context, key)
  const before = specOf(old)
  const patched = patchSpec(before, command.patch)
  if (!patched.ok) {
    const { path, detail } = patched
    return { ok: false, revision: context.revision, code: 'invalid_request', path, detail }
  }
  const { spec } = patched
  if (sameBytes(encode(instanceSpec.to(spec, 'spec')), old.spec)) return answer(context, old)
  return answer(context, redeclare(context, { key, old, before, spec }))
}

interface Redeclaration {
  readonly key: InstanceKey
  readonly old: InstanceRecord
  readonly before: InstanceSpec
  readonly spec: InstanceSpec
}

/**
 * New terms start the deadline afresh (DESIGN §5.2), so they revive what had lapsed: else it
 * would stay critical under a deadline of its own that runs again.
 */
function redeclare(context: Context, change: Redeclaration): InstanceRecord {
  const { key, old, before, spec } = change
  const row = instanceRow(old, { override: null, nodeOverride: null })
  const kept = { key, old, spec, health: row.health, healthReason: row.healthReason }
  const sameTerms = before.ttlMs === spec.ttlMs && before.removeAfterMs === spec.removeAfterMs
  // Without a TTL before and after, `removeAfter` is but a word.
  if (sameTerms || (before.ttlMs === null && spec.ttlMs === null)) {
    return writeInstance(context, kept)
  }
  const lapsed = context.tables.lease.find(instanceLease(key))?.lapsed === 1
  armInstanceLease(context, key, spec)
  return writeInstance(context, lapsed ? { ...kept, health: 'passing', healthReason: null } : kept)
}

export function instanceDelete(context: Context, command: CommandOf<'instance_delete'>): Outcome {
  const old = find(context, command.key)
  const refusal = context.unexpected(command.expect, old?.revision ?? null)
  if (refusal !== null) return refusal
  if (old !== null) removeInstance(context, old, 'instance.deregistered')
  return context.ok(false, null)
}

/** A report comes with a beat only, so it also revives an instance that had lapsed. */
export function instanceHealth(context: Context, command: CommandOf<'instance_health'>): Outcome {
  const { key, note } = command
  const old = find(context, key)
  if (old === null) return missing(context, key)
  const lease = old.lease === null ? null : context.tables.lease.find(old.lease)
  if (lease !== null && lease.lapsed === 1) {
    const revived = updateLease(context, lease, { suspectMs: null, lapsed: 0 })
    context.leases.push({ type: 'cleared', lease: revived })
  }
  const row = instanceRow(old, { override: null, nodeOverride: null })
  const health = command.health ?? row.health
  if (row.health === health && row.healthReason === note) return answer(context, old)
  return answer(context, writeHealth(context, old, { health, reason: note }))
}
