/** The wire formats of what wraps writes: keys, guards and transactions. */
import { unreachable } from '../../lib/assert.ts'
import type { Command, Condition, Fence, SchemaGuard, TxnOp } from '../command.ts'
import {
  bytes,
  count,
  flag,
  InvalidCommand,
  key,
  name,
  nullable,
  positive,
  struct,
} from './wire.ts'
import type { Wire } from './wire.ts'

/** Of SHA-256: bytes of another length are none that an edge made. */
const HASH_BYTES = 32

function checked<T>(wire: Wire<T>, expected: string, fits: (value: T) => boolean): Wire<T> {
  const check = (value: T, at: string): T => {
    if (!fits(value)) throw new InvalidCommand(`${at}: expected ${expected}`)
    return value
  }
  return {
    to: (value, at) => wire.to(check(value, at), at),
    from: (raw, at) => check(wire.from(raw, at), at),
  }
}

export const requestHash = checked(
  bytes,
  `${HASH_BYTES} bytes`,
  (value) => value.length === HASH_BYTES,
)

/** As a key, but it may be empty: nobody in particular. */
export const caller: Wire<string> = {
  to: (value, at) => (value === '' ? value : key.to(value, at)),
  from: (raw, at) => (raw === '' ? raw : key.from(raw, at)),
}

export const fence = struct<Fence>({ name, token: positive })

export const schemaGuard = struct<SchemaGuard>({ key, revision: nullable(positive) })

type Fields<T> = Omit<T, 'type'>
type Of<T extends Condition['type']> = Fields<Extract<Condition, { type: T }>>

const ofConfigVersion = struct<Of<'config_version'>>({ key, version: count })
const ofConfigValue = struct<Of<'config_value'>>({ key, value: bytes })
const ofLock = struct<Of<'lock'>>({ name, token: positive })
const ofInstance = struct<Of<'instance'>>({ service: name, id: name, exists: flag })
const ofLease = struct<Of<'lease'>>({ id: key, exists: flag })

/** `[number, fields]`. */
export const condition: Wire<Condition> = {
  to: (value, at) => {
    switch (value.type) {
      case 'config_version':
        return [0, ofConfigVersion.to(value, at)]
      case 'config_value':
        return [1, ofConfigValue.to(value, at)]
      case 'lock':
        return [2, ofLock.to(value, at)]
      case 'instance':
        return [3, ofInstance.to(value, at)]
      case 'lease':
        return [4, ofLease.to(value, at)]
      default:
        return unreachable(value)
    }
  },
  from: (raw, at) => {
    const [number, fields] = pair(raw, at)
    if (number === 0) return { type: 'config_version', ...ofConfigVersion.from(fields, at) }
    if (number === 1) return { type: 'config_value', ...ofConfigValue.from(fields, at) }
    if (number === 2) return { type: 'lock', ...ofLock.from(fields, at) }
    if (number === 3) return { type: 'instance', ...ofInstance.from(fields, at) }
    if (number === 4) return { type: 'lease', ...ofLease.from(fields, at) }
    throw new InvalidCommand(`${at}: expected the number of a condition`)
  },
}

/** `[0, command]` or `[1, key]`. */
export function txnOp(command: Wire<Command>): Wire<TxnOp> {
  return {
    to: (op, at) =>
      op.type === 'write' ? [0, command.to(op.command, at)] : [1, key.to(op.key, at)],
    from: (raw, at) => {
      const [number, held] = pair(raw, at)
      if (number === 0) return { type: 'write', command: command.from(held, at) }
      if (number === 1) return { type: 'read', key: key.from(held, at) }
      throw new InvalidCommand(`${at}: expected the number of an operation`)
    },
  }
}

function pair(raw: unknown, at: string): readonly unknown[] {
  if (Array.isArray(raw) && raw.length === 2) return raw
  throw new InvalidCommand(`${at}: expected a pair`)
}
