/** RFC 7396 for what an instance declares, from the contract: null resets, maps merge by key. */
import type { InstancePatch, InstanceSpec } from '../../../src/state/mod.ts'

const RESET: Omit<InstanceSpec, 'address'> = {
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

const MAPS = new Set(['ports', 'addresses', 'metadata'])

/** The workload never patches the address, nor beyond any limit. */
export function mergePatch(spec: InstanceSpec, patch: InstancePatch): InstanceSpec {
  const merged: Record<string, unknown> = { ...spec }
  for (const [name, value] of Object.entries(patch)) {
    if (value === undefined) continue
    if (value === null) merged[name] = RESET[name as keyof typeof RESET]
    else if (MAPS.has(name)) merged[name] = mergeMap(spec[name as 'metadata'], value as object)
    else merged[name] = value
  }
  return merged as unknown as InstanceSpec
}

function mergeMap(map: object, patch: object): object {
  const merged = new Map<string, unknown>(Object.entries(map))
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key)
    else if (typeof value !== 'object') merged.set(key, value)
    else merged.set(key, mergeMap((merged.get(key) as object | undefined) ?? {}, value))
  }
  return Object.fromEntries(merged)
}
