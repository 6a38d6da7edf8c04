/** Bodies of `PUT` and `PATCH` of an instance: from the API's JSON to what commands carry. */
import { isObject } from '../../lib/objects.ts'
import * as v from 'valibot'

import type { InstanceKey, InstancePatch, InstanceSpec } from '../../state/command.ts'
import { isAddress } from './address.ts'
import { invalid } from '../error.ts'
import type { Limits } from '../limits.ts'
import * as s from '../request/schema.ts'
import { bodyParser } from '../request/validate.ts'
import { INSTANCE_STATUS } from './words.ts'

/** Fields of our own answers that nobody writes here. */
const READ_ONLY = [
  'ns',
  'service',
  'id',
  'health',
  'healthReason',
  'override',
  'nodeOverride',
  'available',
  'persistent',
  'revision',
  'createdRevision',
  'createdAt',
  'updatedAt',
  'expiresInMs',
  'ttlMs',
  'removeAfterMs',
]

const PORT = { min: 1, max: 65_535 }
/** At once (API.md). */
const REMOVE_AFTER_DEFAULT_MS = 0
export const WEIGHT = { min: 0, max: 1_000_000 }

export interface InstanceBodies {
  /** @throws {ApiError} `invalid_request`, naming every bad field. */
  put(body: unknown, key: InstanceKey): InstanceSpec
  patch(body: unknown, key: InstanceKey): InstancePatch
}

export function instanceBodies(limits: Limits): InstanceBodies {
  const put = putParser(limits)
  const patch = patchParser(limits)
  return {
    put: (body, key) => toSpec(put(checked(body, key))),
    patch: (body, key) => toPatch(patch(checked(body, key))),
  }
}

function putParser(limits: Limits) {
  const value = values(limits)
  return bodyParser(
    {
      address: value.address,
      ...scalars(limits),
      ports: v.nullish(s.map(value.port, limits.portsMax)),
      addresses: v.nullish(s.map(value.portAddress, limits.portsMax)),
      metadata: v.nullish(s.map(value.metadata, limits.metadataPairsMax)),
    },
    { readOnly: READ_ONLY },
  )
}

/** In a merge patch (RFC 7396) null removes: a field, or one key of a map. */
function patchParser(limits: Limits) {
  const value = values(limits)
  return bodyParser(
    {
      address: v.optional(value.address),
      ...scalars(limits),
      ports: v.nullish(s.map(v.nullable(value.port), limits.portsMax)),
      addresses: v.nullish(s.map(v.nullable(value.portAddressPatch), limits.portsMax)),
      metadata: v.nullish(s.map(v.nullable(value.metadata), limits.metadataPairsMax)),
    },
    { readOnly: READ_ONLY },
  )
}

function values(limits: Limits) {
  const address = v.pipe(
    v.string('must be a string'),
    v.check(isAddress, 'must be an IPv4 address, an IPv6 address or a host name'),
  )
  const port = s.integer(PORT)
  const portAddress = v.strictObject({ address, port })
  const portAddressPatch = v.strictObject({ address: v.nullish(address), port: v.nullish(port) })
  return { address, port, portAddress, portAddressPatch, metadata: s.text(limits.metadataValueMax) }
}

function scalars(limits: Limits) {
  return {
    port: v.nullish(s.integer(PORT)),
    ttl: v.nullish(s.duration({ min: limits.ttlMinMs, max: limits.ttlMaxMs })),
    removeAfter: v.nullish(s.durationOr('never', { min: 0, max: limits.ttlMaxMs })),
    status: v.nullish(s.oneOf(INSTANCE_STATUS)),
    weight: v.nullish(s.fraction(WEIGHT)),
    tags: v.nullish(s.list(s.label(), limits.tagsMax)),
    zone: v.nullish(s.name),
    node: v.nullish(s.name),
    cluster: v.nullish(s.name),
  }
}

type PutBody = ReturnType<ReturnType<typeof putParser>>
type PatchBody = ReturnType<ReturnType<typeof patchParser>>

function toSpec(body: PutBody): InstanceSpec {
  return {
    address: body.address,
    port: body.port ?? null,
    ports: body.ports ?? {},
    addresses: body.addresses ?? {},
    tags: body.tags ?? [],
    metadata: body.metadata ?? {},
    weight: body.weight ?? 1,
    status: body.status ?? 'up',
    zone: body.zone ?? null,
    node: body.node ?? null,
    cluster: body.cluster ?? null,
    ttlMs: body.ttl ?? null,
    removeAfterMs:
      body.removeAfter === 'never' ? null : (body.removeAfter ?? REMOVE_AFTER_DEFAULT_MS),
  }
}

function toPatch({ ttl, removeAfter, ...same }: PatchBody): InstancePatch {
  const patch: { -readonly [K in keyof InstancePatch]: InstancePatch[K] } = {}
  for (const [field, value] of Object.entries(same)) {
    if (value !== undefined) Object.assign(patch, { [field]: value })
  }
  if (ttl !== undefined) patch.ttlMs = ttl
  // In a command null is "never"; in a merge patch it is the default.
  if (removeAfter !== undefined) {
    patch.removeAfterMs = removeAfter === 'never' ? null : (removeAfter ?? REMOVE_AFTER_DEFAULT_MS)
  }
  return patch
}

/** What a body must not say, since it would be ignored: another identity, a TTL as a number. */
function checked(body: unknown, key: InstanceKey): unknown {
  if (!isObject(body)) return body
  for (const field of ['ns', 'service', 'id'] as const) {
    if (Object.hasOwn(body, field) && body[field] !== key[field]) {
      throw invalid(field, `is not what the path says: "${key[field]}"`)
    }
  }
  for (const field of ['ttl', 'removeAfter']) {
    if (!Object.hasOwn(body, `${field}Ms`) || Object.hasOwn(body, field)) continue
    throw invalid(`${field}Ms`, `is only in answers: write ${field} with a unit, such as "15s"`)
  }
  return body
}
