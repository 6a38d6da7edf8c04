/** Rows as the JSON of the API. */
import { formatDuration } from '../../lib/duration.ts'
import { rfc3339 } from '../../lib/rfc3339.ts'
import { isAvailable } from '../../state/mod.ts'
import type { InstanceEvent, OverrideNote } from '../../state/mod.ts'
import type { InstanceRow, OverrideRow } from '../../state/rows.ts'

/** An instance, with what remains of its TTL where that is known here. */
export function instanceJson(
  row: InstanceRow | InstanceEvent,
  expiresInMs: number | null = null,
): object {
  return {
    ...declaredJson(row),
    ...(expiresInMs === null ? {} : { expiresInMs }),
    ...revisionJson(row),
  }
}

/** All of it that stands before the time that remains. */
export function declaredJson(row: InstanceRow | InstanceEvent): object {
  const { spec } = row
  return {
    ns: row.ns,
    service: row.service,
    id: row.id,
    node: spec.node,
    zone: spec.zone,
    cluster: spec.cluster,
    address: spec.address,
    port: spec.port,
    ports: spec.ports,
    addresses: spec.addresses,
    tags: spec.tags,
    metadata: spec.metadata,
    weight: spec.weight,
    status: spec.status,
    health: row.health,
    ...(row.healthReason === null ? {} : { healthReason: row.healthReason }),
    override: row.override === null ? null : overrideBrief(row.override),
    ...(row.nodeOverride === null ? {} : { nodeOverride: overrideBrief(row.nodeOverride) }),
    available: isAvailable(row),
    persistent: spec.ttlMs === null,
    ...deadlineJson(row),
  }
}

function deadlineJson({ spec: { ttlMs, removeAfterMs } }: Pick<InstanceRow, 'spec'>): object {
  if (ttlMs === null) return {}
  const ttl = { ttl: formatDuration(ttlMs), ttlMs }
  if (removeAfterMs === null) return { ...ttl, removeAfter: 'never' }
  return { ...ttl, removeAfter: formatDuration(removeAfterMs), removeAfterMs }
}

/** An override as it stands in an instance. Events of old do not say all of it. */
function overrideBrief(row: OverrideRow | OverrideNote): object {
  return {
    ...(row.status === null ? {} : { status: row.status }),
    ...(row.weight === null ? {} : { weight: row.weight }),
    reason: row.reason,
    ...(row.by === null ? {} : { by: row.by }),
    ...(row.updatedAtMs === null ? {} : { at: rfc3339(row.updatedAtMs) }),
  }
}

/** An override as a resource of its own. */
export function overrideJson(row: OverrideRow): object {
  return { ...overrideBrief(row), ...revisionJson(row) }
}

interface Revisions {
  readonly revision: number
  readonly createdRevision: number
  readonly createdAtMs: number
  readonly updatedAtMs: number
}

export function revisionJson(row: Revisions): object {
  return {
    revision: row.revision,
    createdRevision: row.createdRevision,
    createdAt: rfc3339(row.createdAtMs),
    updatedAt: rfc3339(row.updatedAtMs),
  }
}
