/** The body of `POST /v1/txn`: conditions and operations, from JSON to what commands carry. */
import * as v from 'valibot'

import { nearest } from '../../lib/nearest.ts'
import { isObject } from '../../lib/objects.ts'
import type { Condition, TxnOp } from '../../state/command.ts'
import { contentTypeOf } from '../config/content-type.ts'
import { ApiError, invalid, invalidAll } from '../error.ts'
import type { Issue } from '../error.ts'
import { instanceBodies } from '../services/instance-body.ts'
import type { InstanceBodies } from '../services/instance-body.ts'
import type { Limits } from '../limits.ts'
import * as s from '../request/schema.ts'
import { valueBytes } from '../request/value-bytes.ts'
import { bodyParser, without } from '../request/validate.ts'

const COMMENT_MAX = 1_024
const NUMBER = { min: 0, max: Number.MAX_SAFE_INTEGER }
const TOKEN = { min: 1, max: Number.MAX_SAFE_INTEGER }

/** Operations by the name that a body gives them. */
export const OPS = [
  'config.put',
  'config.delete',
  'config.rollback',
  'config.get',
  'instance.put',
  'instance.patch',
  'instance.delete',
  'lock.release',
] as const

export type OpName = (typeof OPS)[number]

/** An operation as it came, for the answer, and as it goes into the log. */
export interface ParsedOp {
  readonly name: OpName
  readonly op: TxnOp
}

export interface ParsedTxn {
  readonly conditions: readonly Condition[]
  readonly whenTrue: readonly ParsedOp[]
  readonly whenFalse: readonly ParsedOp[]
}

const parseParts = bodyParser({ if: parts(), then: parts(), else: parts() })

function parts() {
  return v.optional(v.array(v.unknown(), 'must be a list'), [])
}

/** Whose configuration it is about, and who writes it. */
export interface TxnScope {
  readonly ns: string
  readonly by: string | null
}

/** A function that reads bodies within `limits`; it throws `invalid_request`, naming the fields. */
export function txnParser(limits: Limits): (body: unknown, scope: TxnScope) => ParsedTxn {
  const bodies = instanceBodies(limits)
  const list = <T>(name: string, items: readonly unknown[], parse: (item: Item) => T) => {
    if (items.length > limits.txnOpsMax) {
      throw invalid(name, `has more than ${limits.txnOpsMax} entries`)
    }
    return items.map((item, i) => within(`${name}.${i}`, () => parse(object(item))))
  }
  return (body, scope) => {
    const given = parseParts(body)
    const parse = (item: Item): ParsedOp => parseOp(item, { ...scope, bodies })
    return {
      conditions: list('if', given.if, parseCondition),
      whenTrue: list('then', given.then, parse),
      whenFalse: list('else', given.else, parse),
    }
  }
}

type Item = Readonly<Record<string, unknown>>

function object(item: unknown): Item {
  if (!isObject(item)) throw invalid('', 'must be an object')
  return item
}

/** What goes wrong in there is wrong at `path`. */
function within<T>(path: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 'invalid_request') throw error
    const issues = error.members['issues'] as readonly Issue[]
    throw invalidAll(
      issues.map((issue) => ({
        path: issue.path === '' ? path : `${path}.${issue.path}`,
        message: issue.message,
      })),
    )
  }
}

const valueFields = {
  value: v.optional(v.string('must be a string')),
  valueBase64: v.optional(v.string('must be a string')),
}
const instanceName = v.strictObject({ service: s.name, id: s.name })
const exists = v.boolean('must be true or false')
const version = v.optional(s.integer(NUMBER))
const configCondition = bodyParser({ config: s.key, version, ...valueFields })
const lockCondition = bodyParser({ lock: s.name, token: s.integer(TOKEN) })
const instanceCondition = bodyParser({ instance: instanceName, exists })
const leaseCondition = bodyParser({ lease: s.name, exists })

const CONDITIONS: Readonly<Record<string, (item: Item) => Condition>> = {
  config: (item) => {
    const { config: key, version, ...rest } = configCondition(item)
    if (version === undefined) return { type: 'config_value', key, value: valueBytes(rest) }
    if (rest.value === undefined && rest.valueBase64 === undefined) {
      return { type: 'config_version', key, version }
    }
    throw invalid('', 'must compare the version or the value, not both')
  },
  lock: (item) => {
    const { lock: name, token } = lockCondition(item)
    return { type: 'lock', name, token }
  },
  instance: (item) => {
    const { instance, exists } = instanceCondition(item)
    return { type: 'instance', ...instance, exists }
  },
  lease: (item) => {
    const { lease: id, exists } = leaseCondition(item)
    return { type: 'lease', id, exists }
  },
}

function parseCondition(item: Item): Condition {
  const subjects = Object.keys(CONDITIONS)
  const [subject, another] = subjects.filter((name) => Object.hasOwn(item, name))
  if (subject === undefined || another !== undefined) {
    const near = subject === undefined ? firstNear(Object.keys(item), subjects) : null
    const hint = near === null ? '' : `; did you mean "${near}"?`
    throw invalid('', `must be about one of ${subjects.join(', ')}${hint}`)
  }
  return (CONDITIONS[subject] as (item: Item) => Condition)(item)
}

/** What the first of `words` that is nearly one of them was meant to be. */
function firstNear(words: readonly string[], candidates: readonly string[]): string | null {
  return words.map((word) => nearest(word, candidates)).find((near) => near !== null) ?? null
}

interface Place extends TxnScope {
  readonly bodies: InstanceBodies
}

const configPut = bodyParser({
  key: s.key,
  ...valueFields,
  contentType: v.nullish(v.string('must be a string')),
  comment: v.nullish(s.text(COMMENT_MAX)),
  lease: v.nullish(s.name),
})
const configRollback = bodyParser({
  key: s.key,
  to: s.integer({ ...NUMBER, min: 1 }),
  comment: v.nullish(s.text(COMMENT_MAX)),
})
const configKey = bodyParser({ key: s.key })
const instanceKey = bodyParser({ service: s.name, id: s.name })
const lockRelease = bodyParser({ name: s.name, token: s.integer(TOKEN) })

/** `item` is what stands beside `op`. */
const PARSERS: Readonly<Record<OpName, (item: Item, place: Place) => TxnOp>> = {
  'config.put': (item, { ns, by }) => {
    const { key, contentType, comment, lease, ...rest } = configPut(item)
    const value = valueBytes(rest)
    const type = contentTypeOf(contentType ?? undefined, { key, bytes: value }, 'contentType')
    const given = { contentType: type, comment: comment ?? null, lease: lease ?? null }
    return write({ type: 'config_put', ns, key, value, by, expect: null, ...given })
  },
  'config.delete': (item, { ns, by }) =>
    write({ type: 'config_delete', ns, key: configKey(item).key, by, expect: null }),
  'config.rollback': (item, { ns, by }) => {
    const { key, to, comment } = configRollback(item)
    const how = { comment: comment ?? null, by, expect: null }
    return write({ type: 'config_rollback', ns, key, to, ...how })
  },
  'config.get': (item) => ({ type: 'read', key: configKey(item).key }),
  'instance.put': (item, { ns, bodies }) => {
    const key = { ns, ...nameOf(item) }
    return write({ type: 'instance_put', key, spec: bodies.put(item, key), expect: null })
  },
  'instance.patch': (item, { ns, bodies }) => {
    const key = { ns, ...nameOf(item) }
    return write({ type: 'instance_patch', key, patch: bodies.patch(item, key), expect: null })
  },
  'instance.delete': (item, { ns }) =>
    write({ type: 'instance_delete', key: { ns, ...instanceKey(item) }, expect: null }),
  'lock.release': (item, { ns }) => write({ type: 'lock_release', ns, ...lockRelease(item) }),
}

function write(command: Extract<TxnOp, { type: 'write' }>['command']): TxnOp {
  return { type: 'write', command }
}

/** Of an instance, among the fields that it declares. */
function nameOf(item: Item): { readonly service: string; readonly id: string } {
  const others = Object.keys(item).filter((field) => field !== 'service' && field !== 'id')
  return instanceKey(without(item, others))
}

function parseOp(item: Item, place: Place): ParsedOp {
  const { op } = item
  const name = OPS.find((known) => known === op)
  if (name === undefined) {
    const near = typeof op === 'string' ? nearest(op, OPS) : null
    const hint = near === null ? '' : `; did you mean "${near}"?`
    throw invalid('op', `must be one of ${OPS.join(', ')}${hint}`)
  }
  return { name, op: PARSERS[name](without(item, ['op']) as Item, place) }
}
