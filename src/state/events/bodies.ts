/**
 * What an event's body holds, for those who tell it on. A body is written once and read for ever:
 * fields are only ever added at its end, so an older one is shorter, and says null there.
 */
import { utf8Text } from '../../lib/bytes.ts'
import { decode } from '../../lib/msgpack.ts'
import { decodeConfigBody } from '../config/event.ts'
import type {
  Health,
  InstanceKey,
  InstanceSpec,
  InstanceStatus,
  ServiceSettings,
} from '../command.ts'
import type { StoredEvent } from './event.ts'
import { health, instanceSpec, serviceMetadata } from '../codec/fields.ts'

/** An override as an event tells it. Before clusterVersion 3 events said less of it. */
export interface OverrideNote {
  readonly status: InstanceStatus | null
  readonly weight: number | null
  readonly reason: string
  readonly by: string | null
  readonly updatedAtMs: number | null
}

/** An instance right after the event; of one that is gone, as it was. */
export interface InstanceEvent extends InstanceKey {
  readonly spec: InstanceSpec
  readonly health: Health
  readonly healthReason: string | null
  readonly lease: string | null
  readonly override: OverrideNote | null
  readonly nodeOverride: OverrideNote | null
  readonly revision: number
  readonly createdRevision: number
  readonly createdAtMs: number
  readonly updatedAtMs: number
}

export interface ConfigEvent {
  readonly ns: string
  readonly key: string
  /** Of a deletion: the last one that was. */
  readonly version: number
  readonly contentType: string
  readonly by: string | null
  readonly comment: string | null
  readonly lease: string | null
  readonly revision: number
  readonly atMs: number
  /** Null of a deletion. */
  readonly size: number | null
  readonly value: Uint8Array | null
}

export interface ServiceEvent {
  readonly ns: string
  readonly service: string
  readonly settings: ServiceSettings
  readonly revision: number
  readonly createdRevision: number
  /** Null before clusterVersion 3. */
  readonly createdAtMs: number | null
  readonly updatedAtMs: number
}

export function readInstanceEvent(event: StoredEvent): InstanceEvent {
  const [spec, state, reason, lease, createdRevision, createdAtMs, override, nodeOverride] = decode(
    event.body,
  ) as [Uint8Array, number, Uint8Array | null, string | null, number, number, unknown, unknown]
  const [, service = '', id = ''] = event.topic.split('/')
  return {
    ns: event.ns,
    service,
    id,
    spec: instanceSpec.from(decode(spec), 'spec'),
    health: health.from(state, 'health'),
    healthReason: reason === null ? null : utf8Text(reason),
    lease,
    override: readOverride(override),
    nodeOverride: readOverride(nodeOverride),
    revision: event.revision,
    createdRevision,
    createdAtMs,
    updatedAtMs: event.atMs,
  }
}

function readOverride(raw: unknown): OverrideNote | null {
  if (raw === null) return null
  const [status, weight, reason, by = null, updatedAtMs = null] = raw as [
    InstanceStatus | null,
    number | null,
    string,
    string?,
    number?,
  ]
  return { status, weight, reason, by, updatedAtMs }
}

export function readConfigEvent(event: StoredEvent): ConfigEvent {
  const { version, contentType, by, comment, lease } = decodeConfigBody(event.body)
  const { ns, topic, revision, atMs, size, value } = event
  const key = topic.slice(topic.indexOf('/') + 1)
  return { ns, key, version, contentType, by, comment, lease, revision, atMs, size, value }
}

export function readServiceEvent(event: StoredEvent): ServiceEvent {
  const [metadata, protectThreshold, createdRevision, createdAtMs = null] = decode(event.body) as [
    Uint8Array,
    number,
    number,
    number?,
  ]
  const { ns, topic, revision, atMs } = event
  return {
    ns,
    service: topic.slice(topic.indexOf('/') + 1),
    settings: { metadata: serviceMetadata.from(decode(metadata), 'metadata'), protectThreshold },
    revision,
    createdRevision,
    createdAtMs,
    updatedAtMs: atMs,
  }
}
