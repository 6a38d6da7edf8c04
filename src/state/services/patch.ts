import type { InstancePatch, InstanceSpec, PortAddress, PortAddressPatch } from '../command.ts'

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
 * it, maps are merged key by key, at every depth, and lists replaced.
 */
export function patchSpec(spec: InstanceSpec, patch: InstancePatch): Patched {
  const address = patch.address === undefined ? spec.address : patch.address
  if (address === null) {
    return { ok: false, path: 'address', detail: 'an instance has an address' }
  }
  const addresses = mergedAddresses(patch.addresses, spec.addresses)
  if (!addresses.ok) return addresses
  const next: InstanceSpec = {
    address,
    port: replaced(patch.port, spec.port, DEFAULTS.port),
    ports: merged(patch.ports, spec.ports),
    addresses: addresses.value,
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

type MergedAddresses =
  | { readonly ok: true; readonly value: Map_<PortAddress> }
  | { readonly ok: false; readonly path: string; readonly detail: string }

/** An address may be patched in part; what comes out has a host and a port. */
function mergedAddresses(
  patch: Map_<PortAddressPatch | null> | null | undefined,
  stored: Map_<PortAddress>,
): MergedAddresses {
  if (patch === undefined || patch === null) return { ok: true, value: merged(patch, stored) }
  const whole = new Map<string, PortAddress | null>()
  for (const [name, part] of Object.entries(patch)) {
    if (part === null) {
      whole.set(name, null)
      continue
    }
    const before = Object.hasOwn(stored, name) ? stored[name] : undefined
    const address = part.address === undefined ? before?.address : part.address
    const port = part.port === undefined ? before?.port : part.port
    const path = `addresses.${name}`
    if (address === undefined || address === null) {
      return { ok: false, path: `${path}.address`, detail: 'a named address has an address' }
    }
    if (port === undefined || port === null) {
      return { ok: false, path: `${path}.port`, detail: 'a named address has a port' }
    }
    whole.set(name, { address, port })
  }
  return { ok: true, value: merged(Object.fromEntries(whole), stored) }
}
