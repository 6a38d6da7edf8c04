import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { decode, encode } from '../../src/lib/msgpack.ts'
import { decodeCommand, encodeCommand } from '../../src/state/mod.ts'
import {
  CLUSTER_VERSION_MAX,
  InvalidCommand,
  sinceClusterVersion,
  UnknownCommand,
} from '../../src/state/mod.ts'
import type { Command } from '../../src/state/mod.ts'
import { configPut, instancePut, SPEC, stagePut, WEB } from './support.ts'

const override = { status: 'draining', weight: 0.5, reason: 'upgrade' } as const
const expectation = { match: [3, 0], absent: false } as const

/** One of each kind, and the bytes that it has for ever. */
const GOLDEN: readonly (readonly [Command, string])[] = [
  [
    instancePut({
      ports: { grpc: 9090 },
      addresses: { lan: { address: '::1', port: 1 } },
      tags: ['b', 'a'],
      metadata: { __proto__x: '1' },
      zone: 'eu',
      node: 'h1',
      cluster: 'c',
      removeAfterMs: null,
    }),
    '940193a764656661756c74a3776562a1619da831302e302e302e31cd1f9092a467727063cd238292a36c616e92a33a3a310192a162a16192aa5f5f70726f746f5f5f78a1310101a26575a26831a163cd3a98c0c0',
  ],
  [
    {
      type: 'instance_patch',
      key: WEB,
      patch: { port: null, metadata: { a: null, b: '2' }, removeAfterMs: 0 },
      expect: { match: '*', absent: false },
    },
    '940293a764656661756c74a3776562a1619601c00594a161c0a162a1320c0092a12ac2',
  ],
  [
    { type: 'instance_delete', key: WEB, expect: expectation },
    '930393a764656661756c74a3776562a16192920300c2',
  ],
  [
    { type: 'instance_health', key: WEB, health: 'warning', note: 'slow' },
    '940493a764656661756c74a3776562a16101a4736c6f77',
  ],
  [
    { type: 'override_put', key: WEB, override, by: 'ann', expect: null },
    '950593a764656661756c74a3776562a1619302cb3fe0000000000000a775706772616465a3616e6ec0',
  ],
  [{ type: 'override_delete', key: WEB, expect: null }, '930693a764656661756c74a3776562a161c0'],
  [
    { type: 'node_override_put', ns: 'default', node: 'h1', override, by: '', expect: null },
    '9607a764656661756c74a268319302cb3fe0000000000000a775706772616465a0c0',
  ],
  [
    { type: 'node_override_delete', ns: 'default', node: 'h1', expect: null },
    '9408a764656661756c74a26831c0',
  ],
  [
    {
      type: 'service_put',
      ns: 'default',
      service: 'web',
      settings: { metadata: { team: 'x' }, protectThreshold: 0.3 },
      expect: { match: null, absent: true },
    },
    '9509a764656661756c74a37765629292a47465616da178cb3fd333333333333392c0c3',
  ],
  [
    { type: 'service_delete', ns: 'default', service: 'web', expect: null },
    '940aa764656661756c74a3776562c0',
  ],
  [
    { type: 'lease_grant', ns: 'default', id: 'abc', ttlMs: 5000, owner: 'me' },
    '950ba764656661756c74a3616263cd1388a26d65',
  ],
  [{ type: 'lease_revoke', ns: 'default', id: 'abc' }, '930ca764656661756c74a3616263'],
  [
    { type: 'lease_expire', leases: [{ id: 'i:default/web/a', leaseRevision: 7 }] },
    '920d9192af693a64656661756c742f7765622f6107',
  ],
  [
    { type: 'lease_remove', leases: [{ id: 'abc', leaseRevision: 2 ** 40 }] },
    '920e9192a3616263cf0000010000000000',
  ],
  [
    { type: 'lease_suspect', leases: [{ id: 'abc', leaseRevision: 1, remainingMs: 0 }] },
    '920f9193a36162630100',
  ],
  [{ type: 'lease_clear', leases: [] }, '921090'],
  [
    configPut('app/db', 'x', { comment: 'c', by: 'ann', lease: 'abc', expect: expectation }),
    '9911a764656661756c74a66170702f6462aa746578742f706c61696ec40178a163a3616e6ea361626392920300c2',
  ],
  [
    { type: 'config_delete', ns: 'default', key: 'app/db', by: null, expect: null },
    '9512a764656661756c74a66170702f6462c0c0',
  ],
  [{ type: 'cluster_version', version: 1 }, '921301'],
  [{ type: 'state_check' }, '9114'],
  [
    { type: 'state_verdict', index: 300, hash: '0123456789abcdef', schema: 1 },
    '9415cd012cb03031323334353637383961626364656601',
  ],
  [
    {
      type: 'keyed',
      caller: '',
      key: 'k-1',
      requestHash: new Uint8Array(32).fill(7),
      command: { type: 'lease_revoke', ns: 'default', id: 'abc' },
    },
    '9516a0a36b2d31c4200707070707070707070707070707070707070707070707070707070707070707930ca764656661756c74a3616263',
  ],
  [
    {
      type: 'guarded',
      ns: 'default',
      fences: [{ name: 'l', token: 300 }],
      schemas: [
        { key: 'app/db', revision: 5 },
        { key: 'z', revision: null },
      ],
      command: { type: 'config_delete', ns: 'default', key: 'z', by: null, expect: null },
    },
    '9517a764656661756c749192a16ccd012c9292a66170702f64620592a17ac09512a764656661756c74a17ac0c0',
  ],
  [
    {
      type: 'txn',
      ns: 'default',
      conditions: [
        { type: 'config_version', key: 'a/b', version: 0 },
        { type: 'config_value', key: 'c', value: new Uint8Array([1, 2]) },
        { type: 'lock', name: 'l', token: 9 },
        { type: 'instance', service: 'web', id: 'a', exists: true },
        { type: 'lease', id: 'abc', exists: false },
      ],
      whenTrue: [
        { type: 'write', command: { type: 'instance_delete', key: WEB, expect: null } },
        { type: 'read', key: 'a/b' },
      ],
      whenFalse: [],
    },
    '9518a764656661756c7495920092a3612f6200920192a163c4020102920292a16c09920393a3776562a161c3920492a3616263c2929200930393a764656661756c74a3776562a161c09201a3612f6290',
  ],
  [
    {
      type: 'config_rollback',
      ns: 'default',
      key: 'k',
      to: 2,
      comment: 'c',
      by: null,
      expect: null,
    },
    '9719a764656661756c74a16b02a163c0c0',
  ],
  [
    {
      type: 'config_schema_put',
      ns: 'default',
      prefix: 'app/',
      schema: new Uint8Array([123, 125]),
      by: 'ann',
      expect: expectation,
    },
    '961aa764656661756c74a46170702fc4027b7da3616e6e92920300c2',
  ],
  [
    { type: 'config_schema_delete', ns: 'default', prefix: '', expect: null },
    '941ba764656661756c74a0c0',
  ],
  [
    { type: 'history_trim', versions: 1000, ageMs: 0, feedMs: 60000, feedRevisions: 9, rows: 256 },
    '961ccd03e800cdea6009cd0100',
  ],
  [
    stagePut({ text: 'x', rule: 'zone=eu;percent=10', comment: 'try' }),
    '9a1ea764656661756c74a3617070a663616e617279b27a6f6e653d65753b70657263656e743d3130aa746578742f706c61696ec40178a3747279c0c0',
  ],
  [
    {
      type: 'config_stage_delete',
      ns: 'default',
      key: 'app/db',
      stage: 'canary',
      by: 'ann',
      expect: null,
    },
    '961fa764656661756c74a66170702f6462a663616e617279a3616e6ec0',
  ],
  [
    {
      type: 'config_stage_promote',
      ns: 'default',
      key: 'app/db',
      stage: 'canary',
      stageRevision: 7,
      comment: 'go',
      by: null,
      expect: expectation,
    },
    '9820a764656661756c74a66170702f6462a663616e61727907a2676fc092920300c2',
  ],
  [
    {
      type: 'lock_acquire',
      ns: 'default',
      name: 'job',
      owner: 'me',
      ttlMs: null,
      lease: 'abc',
      limit: 2,
      value: 'n1',
      waiterTtlMs: 5000,
    },
    '9923a764656661756c74a36a6f62a26d65c0a361626302a26e31cd1388',
  ],
  [{ type: 'lock_cancel', ns: 'default', name: 'job', place: 7 }, '9424a764656661756c74a36a6f6207'],
  [
    { type: 'lock_release', ns: 'default', name: 'job', token: 300 },
    '9425a764656661756c74a36a6f62cd012c',
  ],
  [
    { type: 'lock_value', ns: 'default', name: 'job', token: 300, value: null },
    '9526a764656661756c74a36a6f62cd012cc0',
  ],
  [
    { type: 'lock_grant', locks: [{ ns: 'default', name: 'job' }] },
    '92279192a764656661756c74a36a6f62',
  ],
]

describe.each(GOLDEN.map(([command, bytes]) => [command.type, command, bytes] as const))(
  '%s',
  (_type, command, bytes) => {
    test('has these bytes for ever', () => {
      expect(encodeCommand(command).toHex()).toBe(bytes)
      expect(decodeCommand(Uint8Array.fromHex(bytes))).toEqual(command)
    })

    test('is refused with a field more, a field less, or a field of another type', () => {
      const raw = decode(encodeCommand(command)) as unknown[]

      expect(() => decodeCommand(encode([...raw, null]))).toThrow(InvalidCommand)
      if (raw.length > 1) {
        expect(() => decodeCommand(encode(raw.slice(0, -1)))).toThrow(InvalidCommand)
      }
      for (let i = 1; i < raw.length; i++) {
        for (const wrong of [true, -1, { a: 1 }]) {
          expect(() => decodeCommand(encode(raw.with(i, wrong)))).toThrow(InvalidCommand)
        }
      }
    })
  },
)

test('numbers of kinds are not used twice, and every kind has golden bytes', () => {
  const numbers = GOLDEN.map(([command]) => (decode(encodeCommand(command)) as unknown[])[0])
  const first = Array.from({ length: 24 }, (_, i) => i + 1)
  expect(numbers).toEqual([...first, 25, 26, 27, 28, 30, 31, 32, 35, 36, 37, 38, 39])
})

test('decodeCommand() stops at a kind from the future', () => {
  expect(() => decodeCommand(encode([99, 'x']))).toThrow(UnknownCommand)
  expect(() => decodeCommand(encode(['config_put']))).toThrow(UnknownCommand)
  expect(() => decodeCommand(encode([]))).toThrow(UnknownCommand)
})

test('decodeCommand() stops at a clusterVersion from the future', () => {
  expect(() => decodeCommand(encode([19, CLUSTER_VERSION_MAX + 1]))).toThrow(UnknownCommand)
})

test('a map key named __proto__ survives, and is an own property', () => {
  const metadata = JSON.parse('{"__proto__": "x", "b": "y"}') as Record<string, string>

  const decoded = decodeCommand(encodeCommand(instancePut({ metadata })))

  if (decoded.type !== 'instance_put') throw new Error('another kind')
  expect(Object.entries(decoded.spec.metadata)).toEqual([
    ['__proto__', 'x'],
    ['b', 'y'],
  ])
})

test('free texts may hold U+0000, names and keys may not', () => {
  expect(decodeCommand(encodeCommand(instancePut({ tags: ['a\0b'] })))).toEqual(
    instancePut({ tags: ['a\0b'] }),
  )
  expect(() => encodeCommand(instancePut({ zone: 'a\0b' }))).toThrow(InvalidCommand)
  expect(() => encodeCommand(configPut('a\0b', ''))).toThrow(InvalidCommand)
})

test.each([
  ['a name with a slash', instancePut({}, { key: { ...WEB, id: 'a/b' } })],
  ['an empty name', instancePut({}, { key: { ...WEB, ns: '' } })],
  ['half a surrogate pair', instancePut({ metadata: { a: '\ud800' } })],
  ['half a surrogate pair in a map key', instancePut({ metadata: { '\udc00': 'a' } })],
  ['a port of 99999', instancePut({ port: 99_999 })],
  ['a negative weight', instancePut({ weight: -1 })],
  ['an endless weight', instancePut({ weight: Infinity })],
  ['a stage with a slash', stagePut({ stage: 'a/b' })],
  ['a rule without a condition', stagePut({ rule: '' })],
  ['a rule that is not canonical', stagePut({ rule: 'zone=us,eu' })],
  ['a TTL of 0', instancePut({ ttlMs: 0 })],
  ['half a millisecond', instancePut({ ttlMs: 0.5 })],
  ['an unsafe integer', instancePut({ ttlMs: 2 ** 53 })],
  [
    'a lease that looks like an instance’s',
    { type: 'lease_grant', ns: 'default', id: 'i:x', ttlMs: 1, owner: null } as const,
  ],
])('encodeCommand() refuses %s', (_what, command) => {
  expect(() => encodeCommand(command)).toThrow(InvalidCommand)
})

test('-0 is written as 0', () => {
  expect(encodeCommand(instancePut({ weight: -0 }))).toEqual(
    encodeCommand(instancePut({ weight: 0 })),
  )
})

test('a map that names a key twice is refused', () => {
  const raw = decode(encodeCommand(instancePut({ metadata: { a: '1' } }))) as unknown[]
  const spec = raw[2] as unknown[]
  const position = Object.keys(SPEC).indexOf('metadata')
  const twice = raw.with(2, spec.with(position, ['a', '1', 'a', '2']))
  expect(() => decodeCommand(encode(twice))).toThrow(InvalidCommand)
})

test('a patch that names a field twice, or out of order, is refused', () => {
  const key = ['default', 'web', 'a']
  expect(decodeCommand(encode([2, key, [1, 80, 6, 2], null]))).toMatchObject({
    patch: { port: 80, weight: 2 },
  })
  for (const patch of [[1, 80, 1, 81], [6, 2, 1, 80], [13, 1], [0.5, 1], [-1, 1], [1]]) {
    expect(() => decodeCommand(encode([2, key, patch, null]))).toThrow(InvalidCommand)
  }
})

test('decodeCommand() throws nothing but its own errors on damaged bytes', () => {
  const seeds = GOLDEN.map(([command]) => encodeCommand(command))
  const damaged = fc
    .tuple(fc.constantFrom(...seeds), fc.nat(), fc.integer({ min: 0, max: 255 }), fc.nat())
    .map(([bytes, at, value, cut]) => {
      const copy = bytes.slice(0, cut % 5 === 0 ? cut % bytes.length : bytes.length)
      if (copy.length > 0) copy[at % copy.length] = value
      return copy
    })
  fc.assert(
    fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 64 })), (bytes) => {
      try {
        // What it accepts, it can also write.
        const command = decodeCommand(bytes)
        expect(decodeCommand(encodeCommand(command))).toEqual(command)
      } catch (error) {
        if (!(error instanceof InvalidCommand || error instanceof UnknownCommand)) throw error
      }
    }),
    { numRuns: 3_000 },
  )
})

const plain: Command = { type: 'config_delete', ns: 'n', key: 'a', by: null, expect: null }
const own: Command = { type: 'state_check' }

function keyed(command: Command): Command {
  return { type: 'keyed', caller: '', key: 'k', requestHash: new Uint8Array(32), command }
}

function guarded(command: Command): Command {
  return { type: 'guarded', ns: 'n', fences: [], schemas: [], command }
}

function txn(command: Command): Command {
  const whenTrue = [{ type: 'write', command } as const]
  return { type: 'txn', ns: 'n', conditions: [], whenTrue, whenFalse: [] }
}

describe('what stands in what', () => {
  test.each([
    ['a key around all of it', keyed(guarded(txn(plain)))],
    ['a key around a transaction', keyed(txn(plain))],
    ['a guard around a write', guarded(plain)],
  ])('%s', (_, command) => {
    expect(decodeCommand(encodeCommand(command))).toEqual(command)
    expect(sinceClusterVersion(command)).toBe(3)
  })

  test.each([
    ['a key in a key', keyed(keyed(plain))],
    ['a key in a guard', guarded(keyed(plain))],
    ['a guard in a guard', guarded(guarded(plain))],
    ['a guard in a transaction', txn(guarded(plain))],
    ['a transaction in a transaction', txn(txn(plain))],
    ['a command of the leader in a key', keyed(own)],
    ['a command of the leader in a transaction', txn(own)],
  ])('never %s', (_, command) => {
    expect(() => encodeCommand(command)).toThrow(InvalidCommand)
  })

  test('nor in bytes that somebody else made', () => {
    const raw = decode(encodeCommand(keyed(plain))) as unknown[]
    const inner = decode(encodeCommand(own))
    expect(() => decodeCommand(encode(raw.with(4, inner)))).toThrow(InvalidCommand)
    expect(() => decodeCommand(encode(raw.with(4, [99])))).toThrow(UnknownCommand)
  })
})
