import { utf8, utf8Text } from '../../lib/bytes.ts'
import { decode, encode } from '../../lib/msgpack.ts'
import type { Health, InstanceKey, InstanceSpec } from '../command.ts'
import type { Context } from '../context.ts'
import { EVENT_KINDS, WHOLE_EVENTS_SINCE } from '../events/event.ts'
import type { EventKind } from '../events/event.ts'
import { health, instanceSpec, instanceStatus } from '../codec/fields.ts'
import { dropLease, instanceLease } from '../leases/lease.ts'
import { nodeOverrideRow, overrideRow } from './override.ts'
import type { InstanceRow, OverrideRow } from '../rows.ts'
import type { InstanceRecord } from '../tables/schema.ts'
import type { Tables } from '../tables/tables.ts'

export function specOf(record: InstanceRecord): InstanceSpec {
  return instanceSpec.from(decode(record.spec), 'spec')
}

/** The operator's words about an instance: its own, and its host's. */
export interface Overrides {
  readonly override: OverrideRow | null
  readonly nodeOverride: OverrideRow | null
}

export function overridesOf(tables: Tables, record: InstanceRecord): Overrides {
  const own = tables.override.find(record.ns, record.service, record.id)
  const node = record.node === null ? null : tables.node.find(record.ns, record.node)
  return { override: own === null ? null : overrideRow(own), nodeOverride: nodeOverrideRow(node) }
}

/** `spec`: what the record holds in its encoding, where that is at hand. */
export function instanceRow(
  record: InstanceRecord,
  overrides: Overrides,
  spec = specOf(record),
): InstanceRow {
  return {
    ns: record.ns,
    service: record.service,
    id: record.id,
    spec,
    health: health.from(record.health, 'health'),
    healthReason: record.healthReason === null ? null : utf8Text(record.healthReason),
    lease: record.lease,
    override: overrides.override,
    nodeOverride: overrides.nodeOverride,
    revision: record.revision,
    createdRevision: record.createdRevision,
    createdAtMs: record.createdAtMs,
    updatedAtMs: record.updatedAtMs,
  }
}

/** What a write sets: null `spec` or `health` keep what is stored. */
export interface InstanceWrite {
  readonly key: InstanceKey
  readonly old: InstanceRecord | null
  readonly spec: InstanceSpec
  readonly health: Health
  readonly healthReason: string | null
}

/** Writes what an instance declares. Its lease is the caller's business. */
export function writeInstance(context: Context, write: InstanceWrite): InstanceRecord {
  const { key, old, spec } = write
  const record: InstanceRecord = {
    ns: key.ns,
    service: key.service,
    id: key.id,
    node: spec.node,
    status: instanceStatus.to(spec.status, 'status') as number,
    health: health.to(write.health, 'health') as number,
    healthReason: write.healthReason === null ? null : utf8(write.healthReason),
    tags: encode(spec.tags),
    spec: encode(instanceSpec.to(spec, 'spec')),
    lease: spec.ttlMs === null ? null : instanceLease(key),
    ...context.tail(old),
  }
  context.tables.instance.put(old, record)
  changed(context, record, EVENT_KINDS[old === null ? 'instance.registered' : 'instance.updated'])
  return record
}

/** Sets the health alone. */
export function writeHealth(
  context: Context,
  old: InstanceRecord,
  set: { readonly health: Health; readonly reason: string | null },
): InstanceRecord {
  return touchInstance(context, old, {
    health: health.to(set.health, 'health') as number,
    healthReason: set.reason === null ? null : utf8(set.reason),
  })
}

/** A new revision of the row, with what changed in it: nothing, where an override did. */
export function touchInstance(
  context: Context,
  old: InstanceRecord,
  change: Partial<Pick<InstanceRecord, 'health' | 'healthReason'>> = {},
): InstanceRecord {
  const record = { ...old, ...change, ...context.tail(old) }
  context.tables.instance.update(old, record)
  changed(context, record, EVENT_KINDS['instance.updated'])
  return record
}

/** Removes an instance with its lease, and what else hangs on that. Its override survives. */
export function removeInstance(
  context: Context,
  record: InstanceRecord,
  why: 'instance.expired' | 'instance.deregistered',
): void {
  context.tables.instance.delete(record)
  const lease = record.lease === null ? null : context.tables.lease.find(record.lease)
  if (lease !== null) dropLease(context, lease)
  // From now on nothing but this scope knows when the instance last changed.
  context.touch(record.ns, instanceTopic(record))
  changed(context, record, EVENT_KINDS[why])
}

export function instanceTopic(key: InstanceKey): string {
  return `services/${key.service}/${key.id}`
}

/** One event, told to those who wait for the instance, its service, or all services. */
function changed(context: Context, record: InstanceRecord, kind: EventKind): void {
  const topic = instanceTopic(record)
  context.emit({ ns: record.ns, topic, kind, body: eventBody(context, record), value: null })
  context.changed(record.ns, topic)
  context.touch(record.ns, `services/${record.service}`)
  context.touch(record.ns, 'services')
}

/** The whole instance as it is now, its spec as the bytes that it is stored in. */
function eventBody(context: Context, record: InstanceRecord): Uint8Array {
  const { override, nodeOverride } = overridesOf(context.tables, record)
  const isWhole = context.clusterVersion >= WHOLE_EVENTS_SINCE
  return encode([
    record.spec,
    record.health,
    record.healthReason,
    record.lease,
    record.createdRevision,
    record.createdAtMs,
    override === null ? null : overrideFields(override).slice(0, isWhole ? 5 : 4),
    nodeOverride === null ? null : overrideFields(nodeOverride).slice(0, isWhole ? 5 : 3),
  ])
}

function overrideFields({ status, weight, reason, by, updatedAtMs }: OverrideRow): unknown[] {
  return [status, weight, reason, by, updatedAtMs]
}
