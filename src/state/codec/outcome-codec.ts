/**
 * Outcomes as bytes: for the node that asked, and for the rows of idempotency keys. Those are read
 * by newer programs for as long as a key is kept, so numbers and positions stay.
 */
import { assert, unreachable } from '../../lib/assert.ts'
import { encode } from '../../lib/msgpack.ts'
import { health, instanceSpec, overrideRowWire, revisions, serviceSettings } from './fields.ts'
import type { LockGrantRow } from '../locks/rows.ts'
import { stageMeta } from './fields.ts'
import type { Outcome, OutcomeResult, Refusal, TxnResult } from '../outcome.ts'
import type { ConfigMeta, ConfigSchemaMeta, InstanceRow, LeaseRow, ServiceRow } from '../rows.ts'
import {
  bytes,
  choice,
  count,
  decodePlain,
  flag,
  InvalidCommand,
  key,
  list,
  name,
  nullable,
  prefix,
  struct,
} from './wire.ts'
import { text } from './wire.ts'
import type { Wire } from './wire.ts'

const instanceRow = struct<InstanceRow>({
  ns: name,
  service: name,
  id: name,
  spec: instanceSpec,
  health,
  healthReason: nullable(text),
  lease: nullable(key),
  override: nullable(overrideRowWire),
  nodeOverride: nullable(overrideRowWire),
  ...revisions,
})

const serviceRow = struct<ServiceRow>({
  ns: name,
  service: name,
  settings: serviceSettings,
  ...revisions,
})

const leaseRow = struct<LeaseRow>({
  id: key,
  ns: name,
  ttlMs: count,
  leaseRevision: count,
  removeAfterMs: nullable(count),
  onLapse: choice('remove', 'lapse'),
  owner: nullable(text),
  suspectMs: nullable(count),
  lapsed: flag,
})

const configMeta = struct<ConfigMeta>({
  ns: name,
  key,
  contentType: key,
  version: count,
  size: count,
  lease: nullable(key),
  updatedBy: nullable(text),
  ...revisions,
})

/** Numbers of results, as the first ones stand below: never used again. */
const LOCK = 10
const LOCK_QUEUED = 11

const lockGrantRow = struct<LockGrantRow>({
  ns: name,
  name,
  token: count,
  place: count,
  owner: text,
  value: nullable(text),
  ttlMs: count,
  lease: nullable(key),
  revision: count,
  createdAtMs: count,
})

const txnResult = struct<TxnResult>({
  created: flag,
  version: nullable(count),
  revision: nullable(count),
  content: nullable(struct<NonNullable<TxnResult['content']>>({ contentType: key, value: bytes })),
})

type Txn = Omit<Extract<OutcomeResult, { type: 'txn' }>, 'type'>
const txn = struct<Txn>({ succeeded: flag, results: list(txnResult) })

const configSchemaMeta = struct<ConfigSchemaMeta>({
  ns: name,
  prefix,
  size: count,
  updatedBy: nullable(text),
  ...revisions,
})

const result: Wire<OutcomeResult> = {
  to: (value, at) => {
    switch (value.type) {
      case 'instance':
        return [0, instanceRow.to(value.instance, at)]
      case 'override':
        return [1, overrideRowWire.to(value.override, at)]
      case 'service':
        return [2, serviceRow.to(value.service, at)]
      case 'lease':
        return [3, leaseRow.to(value.lease, at)]
      case 'config':
        return [4, configMeta.to(value.config, at)]
      case 'txn':
        return [5, txn.to(value, at)]
      case 'config_schema':
        return [6, configSchemaMeta.to(value.schema, at)]
      case 'lock':
        return [LOCK, lockGrantRow.to(value.grant, at)]
      case 'lock_queued':
        return [LOCK_QUEUED, count.to(value.place, at)]
      case 'stage':
        return [8, stageMeta.to(value.stage, at)]
      default:
        return unreachable(value)
    }
  },
  from: (raw, at) => {
    const [type, row] = fixed(raw, 2)
    if (type === 0) return { type: 'instance', instance: instanceRow.from(row, at) }
    if (type === 1) return { type: 'override', override: overrideRowWire.from(row, at) }
    if (type === 2) return { type: 'service', service: serviceRow.from(row, at) }
    if (type === 3) return { type: 'lease', lease: leaseRow.from(row, at) }
    if (type === 4) return { type: 'config', config: configMeta.from(row, at) }
    if (type === 5) return { type: 'txn', ...txn.from(row, at) }
    if (type === 6) return { type: 'config_schema', schema: configSchemaMeta.from(row, at) }
    if (type === LOCK) return { type: 'lock', grant: lockGrantRow.from(row, at) }
    if (type === LOCK_QUEUED) return { type: 'lock_queued', place: count.from(row, at) }
    if (type === 8) return { type: 'stage', stage: stageMeta.from(row, at) }
    throw new InvalidCommand('an outcome holds a thing of a known type')
  },
}

const nullableResult = nullable(result)
const refusalCode = choice(
  'not_found',
  'version_mismatch',
  'conflict',
  'invalid_request',
  'stale_token',
  'too_large',
  'idempotency_key_reused',
  'too_many_requests',
  'schema_changed',
)

/**
 * `[1, revision, created, result]`, or `[0, revision, code, detail, what the code adds]`, then the
 * position of the operation where a transaction was refused.
 */
export function encodeOutcome(outcome: Outcome): Uint8Array {
  assert(outcome.revision > 0, 'an outcome was decided by an entry')
  if (!outcome.ok) return encode(refusalFields(outcome))
  const thing = nullableResult.to(outcome.result, 'result')
  return encode([1, outcome.revision, outcome.created, thing])
}

function refusalFields(refusal: Refusal): readonly unknown[] {
  const { revision, code, detail, failed } = refusal
  const head = [0, revision, refusalCode.to(code, 'code'), detail, addition(refusal)]
  return failed === undefined ? head : [...head, count.to(failed, 'failed')]
}

function addition(refusal: Refusal): number | string | null {
  if (refusal.code === 'version_mismatch') return refusal.current
  return refusal.code === 'invalid_request' ? refusal.path : null
}

/** @throws {InvalidCommand} for bytes that `encodeOutcome` cannot have made. */
export function decodeOutcome(data: Uint8Array): Outcome {
  const raw = decodePlain(data)
  if (Array.isArray(raw) && raw[0] === 0) return decodeRefusal(raw)
  const [ok, revision, created, thing] = fixed(raw, 4)
  if (ok !== 1) throw new InvalidCommand('an outcome begins with 0 or 1')
  return {
    ok: true,
    revision: count.from(revision, 'revision'),
    created: flag.from(created, 'created'),
    result: nullableResult.from(thing, 'result'),
  }
}

function decodeRefusal(raw: unknown): Refusal {
  const isOfTxn = Array.isArray(raw) && raw.length === 6
  const [, at, codeNumber, detailText, more, position] = fixed(raw, isOfTxn ? 6 : 5)
  const revision = count.from(at, 'revision')
  const code = refusalCode.from(codeNumber, 'code')
  const detail = text.from(detailText, 'detail')
  const failed = isOfTxn ? { failed: count.from(position, 'failed') } : {}
  const head = { ok: false, revision, detail, ...failed } as const
  if (code === 'version_mismatch') {
    return { ...head, code, current: nullable(count).from(more, 'current') }
  }
  if (code === 'invalid_request') return { ...head, code, path: text.from(more, 'path') }
  if (more !== null) throw new InvalidCommand(`a refusal ${code} holds nothing more`)
  return { ...head, code }
}

function fixed(raw: unknown, length: number): readonly unknown[] {
  if (Array.isArray(raw) && raw.length === length) return raw
  throw new InvalidCommand(`an outcome is an array of ${length}`)
}
