import type { InstancePatch, InstanceSpec } from './command.ts'

/** Of each map after a patch: many patches within the edge's limits must not pile up. */
export const MAP_ENTRIES_MAX = 64

/** What `null` resets a field to. An address has no default; `removeAfterMs` null is "never". */
const DEFAULTS: Omit<InstanceSpec, 'address'> = {
  port: null,
  ports: {},
  addresses: {},
  tags: [],
  metadata: {},
  weight: 1,
  status: 'up',
  zone: null,
  node: null,
  cluster: null,
  ttlMs: null,
  removeAfterMs: null,
}

export type Patched =
  | { readonly ok: true; readonly spec: InstanceSpec }
  | { readonly ok: false; readonly path: string; readonly detail: string }

/**
 * JSON Merge Patch (RFC 7396) of what an instance declares: an absent field stays, null resets
 * it, maps are merged key by key and lists replaced.
 */
export function patchSpec(spec: InstanceSpec, patch: InstancePatch): Patched {
  const address = patch.address === undefined ? spec.address : patch.address
  if (address === null) {
    return { ok: false, path: 'address', detail: 'an instance has an address' }
  }
  const next: InstanceSpec = {
    address,
    port: replaced(patch.port, spec.port, DEFAULTS.port),
    ports: merged(patch.ports, spec.ports),
    addresses: merged(patch.addresses, spec.addresses),
    tags: replaced(patch.tags, spec.tags, DEFAULTS.tags),
    metadata: merged(patch.metadata, spec.metadata),
    weight: replaced(patch.weight, spec.weight, DEFAULTS.weight),
    status: replaced(patch.status, spec.status, DEFAULTS.status),
    zone: replaced(patch.zone, spec.zone, DEFAULTS.zone),
    node: replaced(patch.node, spec.node, DEFAULTS.node),
    cluster: replaced(patch.cluster, spec.cluster, DEFAULTS.cluster),
    ttlMs: replaced(patch.ttlMs, spec.ttlMs, DEFAULTS.ttlMs),
    removeAfterMs: replaced(patch.removeAfterMs, spec.removeAfterMs, DEFAULTS.removeAfterMs),
  }
  for (const path of ['ports', 'addresses', 'metadata'] as const) {
    if (Object.keys(next[path]).length > MAP_ENTRIES_MAX) {
      return { ok: false, path, detail: `more than ${MAP_ENTRIES_MAX} entries` }
    }
  }
  return { ok: true, spec: next }
}

function replaced<T>(given: T | null | undefined, stored: T, whenNull: T): T {
  if (given === undefined) return stored
  return given === null ? whenNull : given
}

type Map_<T> = Readonly<Record<string, T>>

function merged<T>(patch: Map_<T | null> | null | undefined, stored: Map_<T>): Map_<T> {
  if (patch === undefined) return stored
  if (patch === null) return {}
  const entries = new Map(Object.entries(stored))
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) entries.delete(key)
    else entries.set(key, value)
  }
  return Object.fromEntries(entries)
}
