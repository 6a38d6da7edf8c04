/**
 * Commands as bytes: `[kind, field, field, …]` in MessagePack. The kind's number and the order
 * of its fields are the format of the log: they stay for ever (DESIGN §1.7), and a change is a
 * new kind.
 *
 * | kind | number | since clusterVersion | fields |
 * | --- | --- | --- | --- |
 * | instance_put | 1 | 1 | key, spec, expect |
 * | instance_patch | 2 | 1 | key, patch, expect |
 * | instance_delete | 3 | 1 | key, expect |
 * | instance_health | 4 | 1 | key, health, note |
 * | override_put | 5 | 1 | key, override, by, expect |
 * | override_delete | 6 | 1 | key, expect |
 * | node_override_put | 7 | 1 | ns, node, override, by, expect |
 * | node_override_delete | 8 | 1 | ns, node, expect |
 * | service_put | 9 | 1 | ns, service, settings, expect |
 * | service_delete | 10 | 1 | ns, service, expect |
 * | lease_grant | 11 | 1 | ns, id, ttlMs, owner |
 * | lease_revoke | 12 | 1 | ns, id |
 * | lease_expire | 13 | 1 | leases |
 * | lease_remove | 14 | 1 | leases |
 * | lease_suspect | 15 | 1 | leases |
 * | lease_clear | 16 | 1 | leases |
 * | config_put | 17 | 1 | ns, key, contentType, value, comment, by, lease, expect |
 * | config_delete | 18 | 1 | ns, key, by, expect |
 * | cluster_version | 19 | 1 | version |
 * | state_check | 20 | 2 | – |
 * | state_verdict | 21 | 2 | index, hash, schema |
 * | keyed | 22 | 3 | caller, key, requestHash, command |
 * | guarded | 23 | 3 | ns, fences, schemas, command |
 * | txn | 24 | 3 | ns, conditions, whenTrue, whenFalse |
 * | config_rollback | 25 | 3 | ns, key, to, comment, by, expect |
 * | config_schema_put | 26 | 3 | ns, prefix, schema, by, expect |
 * | config_schema_delete | 27 | 3 | ns, prefix, expect |
 * | history_trim | 28 | 3 | versions, ageMs, feedMs, feedRevisions, rows |
 * | config_stage_put | 30 | 3 | ns, key, stage, rule, contentType, value, comment, by, expect |
 * | config_stage_delete | 31 | 3 | ns, key, stage, by, expect |
 * | config_stage_promote | 32 | 3 | ns, key, stage, stageRevision, comment, by, expect |
 * | lock_acquire | 35 | 3 | ns, name, owner, ttlMs, lease, limit, value, waiterTtlMs |
 * | lock_cancel | 36 | 3 | ns, name, place |
 * | lock_release | 37 | 3 | ns, name, token |
 * | lock_value | 38 | 3 | ns, name, token, value |
 * | lock_grant | 39 | 3 | locks |
 *
 * A command that stands in another is the same array, in its place: a payload is encoded once.
 *
 * @module
 */
import { encode } from '../../lib/msgpack.ts'
import { CLUSTER_VERSION_MAX } from '../cluster-version.ts'
import type { Command, CommandOf, CommandType } from '../command.ts'
import { expectation, health, instanceKey, instancePatch, instanceSpec } from './fields.ts'
import { leaseRef, lockKey, overrideSpec, serviceSettings, stageRule } from './fields.ts'
import { suspectRef } from './fields.ts'
import { caller, condition, fence, requestHash, schemaGuard, txnOp } from './txn-fields.ts'
import {
  bytes,
  count,
  decodePlain,
  InvalidCommand,
  key,
  list,
  name,
  nullable,
  positive,
  prefix,
  struct,
  text,
} from './wire.ts'
import type { Wire } from './wire.ts'

/** A node that meets a command from the future stops: skipping it would fork the state. */
export class UnknownCommand extends Error {
  override readonly name = 'UnknownCommand'
}

interface Kind {
  readonly type: CommandType
  readonly number: number
  /** The least clusterVersion at which it may be proposed. */
  readonly since: number
  /** The leader's own: nobody asks for it, so it stands in no other. */
  readonly own?: boolean
  /** It must be its entry's only one: it stands in no transaction. */
  readonly alone?: boolean
  readonly wire: Wire<Command>
}

function kind<T extends CommandType>(
  type: T,
  numbers: Omit<Kind, 'type' | 'wire'>,
  fields: { readonly [K in Exclude<keyof CommandOf<T>, 'type'>]: Wire<CommandOf<T>[K]> },
): Kind {
  const body = struct<object>({ type: constant(numbers.number, type), ...fields })
  return { type, ...numbers, wire: body as Wire<Command> }
}

/** The first field: the number in place of the name. */
function constant<T extends string>(number: number, type: T): Wire<T> {
  return { to: () => number, from: () => type }
}

// Leases that hang on one thing begin so (lease.ts); a client's must never look like one.
const RESERVED = /^([ilw]):/

const grantedId: Wire<string> = {
  to: (value, at) => grantedId.from(value, at),
  from: (raw, at) => {
    const id = name.from(raw, at)
    if (RESERVED.test(id)) {
      throw new InvalidCommand(`${at}: "${id.slice(0, 2)}" begins leases of instances or locks`)
    }
    return id
  },
}

const v1 = (number: number) => ({ number, since: 1 })
const v2 = (number: number) => ({ number, since: 2 })
const v3 = (number: number) => ({ number, since: 3 })
const own = (numbers: ReturnType<typeof v1>) => ({ ...numbers, own: true })
const alone = (numbers: ReturnType<typeof v1>) => ({ ...numbers, alone: true })
const expect = expectation

const ALL_KINDS: readonly Kind[] = [
  kind('instance_put', v1(1), { key: instanceKey, spec: instanceSpec, expect }),
  kind('instance_patch', v1(2), { key: instanceKey, patch: instancePatch, expect }),
  kind('instance_delete', v1(3), { key: instanceKey, expect }),
  kind('instance_health', v1(4), {
    key: instanceKey,
    health: nullable(health),
    note: nullable(text),
  }),
  kind('override_put', v1(5), { key: instanceKey, override: overrideSpec, by: text, expect }),
  kind('override_delete', v1(6), { key: instanceKey, expect }),
  kind('node_override_put', v1(7), {
    ns: name,
    node: name,
    override: overrideSpec,
    by: text,
    expect,
  }),
  kind('node_override_delete', v1(8), { ns: name, node: name, expect }),
  kind('service_put', v1(9), { ns: name, service: name, settings: serviceSettings, expect }),
  kind('service_delete', v1(10), { ns: name, service: name, expect }),
  kind('lease_grant', v1(11), { ns: name, id: grantedId, ttlMs: positive, owner: nullable(text) }),
  kind('lease_revoke', v1(12), { ns: name, id: key }),
  kind('lease_expire', own(v1(13)), { leases: list(leaseRef) }),
  kind('lease_remove', own(v1(14)), { leases: list(leaseRef) }),
  kind('lease_suspect', own(v1(15)), { leases: list(suspectRef) }),
  kind('lease_clear', own(v1(16)), { leases: list(leaseRef) }),
  kind('config_put', v1(17), {
    ns: name,
    key,
    contentType: key,
    value: bytes,
    comment: nullable(text),
    by: nullable(text),
    lease: nullable(key),
    expect,
  }),
  kind('config_delete', v1(18), { ns: name, key, by: nullable(text), expect }),
  kind('cluster_version', own(v1(19)), { version: positive }),
  kind('state_check', own(v2(20)), {}),
  kind('state_verdict', own(v2(21)), { index: positive, hash: key, schema: positive }),
  kind('keyed', v3(22), { caller, key: name, requestHash, command: inner('keyed') }),
  kind('guarded', v3(23), {
    ns: name,
    fences: list(fence),
    schemas: list(schemaGuard),
    command: inner('guarded'),
  }),
  kind('txn', v3(24), {
    ns: name,
    conditions: list(condition),
    whenTrue: list(txnOp(inner('txn'))),
    whenFalse: list(txnOp(inner('txn'))),
  }),
  kind('config_rollback', v3(25), {
    ns: name,
    key,
    to: positive,
    comment: nullable(text),
    by: nullable(text),
    expect,
  }),
  kind('config_schema_put', v3(26), {
    ns: name,
    prefix,
    schema: bytes,
    by: nullable(text),
    expect,
  }),
  kind('config_schema_delete', v3(27), { ns: name, prefix, expect }),
  kind('history_trim', own(v3(28)), {
    versions: positive,
    ageMs: count,
    feedMs: count,
    feedRevisions: positive,
    rows: positive,
  }),
  kind('config_stage_put', v3(30), {
    ns: name,
    key,
    stage: name,
    rule: stageRule,
    contentType: key,
    value: bytes,
    comment: nullable(text),
    by: nullable(text),
    expect,
  }),
  kind('config_stage_delete', v3(31), { ns: name, key, stage: name, by: nullable(text), expect }),
  kind('config_stage_promote', v3(32), {
    ns: name,
    key,
    stage: name,
    stageRevision: nullable(positive),
    comment: nullable(text),
    by: nullable(text),
    expect,
  }),
  kind('lock_acquire', alone(v3(35)), {
    ns: name,
    name,
    owner: text,
    ttlMs: nullable(positive),
    lease: nullable(name),
    limit: positive,
    value: nullable(text),
    waiterTtlMs: nullable(positive),
  }),
  kind('lock_cancel', alone(v3(36)), { ns: name, name, place: positive }),
  kind('lock_release', v3(37), { ns: name, name, token: positive }),
  kind('lock_value', v3(38), { ns: name, name, token: positive, value: nullable(text) }),
  kind('lock_grant', own(v3(39)), { locks: list(lockKey) }),
]

/** What this program knows. */
const KINDS = ALL_KINDS.filter(({ since }) => since <= CLUSTER_VERSION_MAX)

const byType: ReadonlyMap<string, Kind> = new Map(KINDS.map((known) => [known.type, known]))
const byNumber: ReadonlyMap<unknown, Kind> = new Map(KINDS.map((known) => [known.number, known]))

/** How deep each may stand: `keyed` holds `guarded` holds `txn` holds plain writes. */
const RANKS: Readonly<Partial<Record<CommandType, number>>> = { keyed: 3, guarded: 2, txn: 1 }

function rank(type: CommandType): number {
  return RANKS[type] ?? 0
}

/** A command in the place of a field of another. */
function inner(outer: 'keyed' | 'guarded' | 'txn'): Wire<Command> {
  const checked = (known: Kind | undefined, at: string): Kind => {
    const isFit = known?.own !== true && !(outer === 'txn' && known?.alone === true)
    if (known === undefined || !isFit || rank(known.type) >= rank(outer)) {
      throw new InvalidCommand(`${at}: ${known?.type ?? 'this'} cannot stand in a ${outer}`)
    }
    return known
  }
  return {
    to: (command, at) => checked(byType.get(command.type), at).wire.to(command, at),
    from: (raw, at) => checked(kindOf(raw), at).wire.from(raw, at),
  }
}

/**
 * The clusterVersion from which on a command may be proposed, with all that it holds; below it
 * apply refuses it.
 */
export function sinceClusterVersion(command: Command): number {
  const own = byType.get(command.type)?.since ?? Infinity
  switch (command.type) {
    case 'keyed':
    case 'guarded':
      return Math.max(own, sinceClusterVersion(command.command))
    case 'txn': {
      const ops = [...command.whenTrue, ...command.whenFalse]
      const held = ops.map((op) => (op.type === 'write' ? sinceClusterVersion(op.command) : 0))
      return Math.max(own, ...held)
    }
    default:
      return own
  }
}

/**
 * The bytes for the log.
 *
 * @throws {InvalidCommand} for what `decodeCommand` would refuse: the edge answers it with 400,
 * and it never reaches the log.
 */
export function encodeCommand(command: Command): Uint8Array {
  const known = byType.get(command.type)
  if (known === undefined) throw new InvalidCommand(`no such command: ${command.type}`)
  return encode(known.wire.to(command, ''))
}

/**
 * @throws {UnknownCommand} for a kind, or a clusterVersion, that only a newer program knows.
 * @throws {InvalidCommand} for bytes that `encodeCommand` cannot have made.
 */
export function decodeCommand(data: Uint8Array): Command {
  const raw = decodePlain(data)
  const command = kindOf(raw).wire.from(raw, '')
  if (command.type === 'cluster_version' && command.version > CLUSTER_VERSION_MAX) {
    throw new UnknownCommand(needsNewer(command.version))
  }
  return command
}

function kindOf(raw: unknown): Kind {
  if (!Array.isArray(raw)) throw new InvalidCommand('a command is an array')
  const known = byNumber.get(raw[0])
  if (known !== undefined) return known
  throw new UnknownCommand(
    `the log holds a command of kind ${String(raw[0])}, which this program does not know; ` +
      'nothing of it was applied: start the newer rollcall on this directory again',
  )
}

/** What an operator reads who has gone back too far. */
export function needsNewer(version: number): string {
  return (
    `the cluster has clusterVersion ${version}, and this program knows no more than ` +
    `${CLUSTER_VERSION_MAX}; nothing was changed: start the newer rollcall on this directory again`
  )
}
