import { decode, encode } from '../../lib/msgpack.ts'
import type { CommandOf } from '../command.ts'
import type { Context } from '../context.ts'
import { EVENT_KINDS, WHOLE_EVENTS_SINCE } from '../events/event.ts'
import type { EventKind } from '../events/event.ts'
import { serviceMetadata as metadata } from '../codec/fields.ts'
import type { Outcome } from '../outcome.ts'
import type { ServiceRow } from '../rows.ts'
import type { ServiceRecord } from '../tables/schema.ts'

export function serviceRow(record: ServiceRecord): ServiceRow {
  const { revision, createdRevision, createdAtMs, updatedAtMs, protectThreshold } = record
  return {
    ns: record.ns,
    service: record.name,
    settings: { metadata: metadata.from(decode(record.metadata), 'metadata'), protectThreshold },
    revision,
    createdRevision,
    createdAtMs,
    updatedAtMs,
  }
}

export function servicePut(context: Context, command: CommandOf<'service_put'>): Outcome {
  const { ns, service, settings } = command
  const old = context.tables.service.find(ns, service)
  const refusal = context.unexpected(command.expect, old?.revision ?? null)
  if (refusal !== null) return refusal
  const record: ServiceRecord = {
    ns,
    name: service,
    metadata: encode(metadata.to(settings.metadata, 'metadata')),
    protectThreshold: settings.protectThreshold,
    ...context.tail(old),
  }
  context.tables.service.put(old, record)
  changed(context, record, EVENT_KINDS['service.updated'])
  const result = context.wanted ? ({ type: 'service', service: serviceRow(record) } as const) : null
  return context.ok(old === null, result)
}

/** Removes the settings; the service's instances stay. */
export function serviceDelete(context: Context, command: CommandOf<'service_delete'>): Outcome {
  const old = context.tables.service.find(command.ns, command.service)
  const refusal = context.unexpected(command.expect, old?.revision ?? null)
  if (refusal !== null) return refusal
  if (old === null) return context.ok(false, null)
  context.tables.service.delete(old)
  changed(context, old, EVENT_KINDS['service.deleted'])
  return context.ok(false, null)
}

function changed(context: Context, record: ServiceRecord, kind: EventKind): void {
  const topic = `services/${record.name}`
  const { metadata, protectThreshold, createdRevision, createdAtMs } = record
  const fields = [metadata, protectThreshold, createdRevision]
  const whole = context.clusterVersion >= WHOLE_EVENTS_SINCE ? [...fields, createdAtMs] : fields
  context.emit({ ns: record.ns, topic, kind, body: encode(whole), value: null })
  context.touch(record.ns, topic)
  context.touch(record.ns, 'services')
}
