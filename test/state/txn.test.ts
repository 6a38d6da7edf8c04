/** API.md "Transactions": one entry, one revision, all or nothing. */
import { describe, expect, test } from 'bun:test'
import { utf8 } from '../../src/lib/bytes.ts'
import { prng } from '../../src/lib/prng.ts'
import type { Command, CommandOf, Condition, TxnOp } from '../../src/state/mod.ts'
import { readAll } from './random-commands.ts'
import { clientCommand, txnCommand } from './random-wrapped.ts'
import { configPut, Fed, instancePut, match, WEB } from './support.ts'

const write = (command: Command): TxnOp => ({ type: 'write', command })
const read = (key: string): TxnOp => ({ type: 'read', key })
const configDelete = (key: string): Command => ({
  type: 'config_delete',
  ns: 'default',
  key,
  by: null,
  expect: null,
})

function txn(given: Partial<CommandOf<'txn'>>): Command {
  return {
    type: 'txn',
    ns: 'default',
    conditions: [],
    whenTrue: [],
    whenFalse: [],
    ...given,
  }
}

const content = (text: string) => ({ contentType: 'text/plain', value: utf8(text) })
const nothing = { created: false, version: null, revision: null, content: null }

test('every operation sees what the ones before it left, all at one revision', async () => {
  const fed = await Fed.newest()

  const outcome = fed.apply(
    txn({
      whenTrue: [
        read('a'),
        write(configPut('a', 'one')),
        read('a'),
        write(configPut('a', 'two')),
        write(configDelete('a')),
        read('a'),
        write(configPut('a', 'three')),
        write(instancePut()),
      ],
    }),
  )

  const put = { ...nothing, revision: 2 }
  expect(outcome).toEqual({
    ok: true,
    revision: 2,
    created: false,
    result: {
      type: 'txn',
      succeeded: true,
      results: [
        nothing,
        { ...put, created: true, version: 1 },
        { ...put, version: 1, content: content('one') },
        { ...put, version: 2 },
        nothing,
        nothing,
        { ...put, created: true, version: 3 },
        { ...put, created: true },
      ],
    },
  })
  expect(fed.machine.config('default', 'a')).toMatchObject({ version: 3, value: utf8('three') })
  expect(fed.machine.instance(WEB)?.revision).toBe(2)
})

test('one refusal takes everything back, and says which it was', async () => {
  const fed = await Fed.newest()
  fed.ok(configPut('a', 'x'))
  const before = readAll(fed.machine)

  const outcome = fed.apply(
    txn({
      whenTrue: [
        write(instancePut()),
        write(configPut('b', 'y')),
        write(configPut('a', 'y', { expect: match(7) })),
        write(configPut('c', 'y')),
      ],
    }),
  )

  expect(outcome).toMatchObject({ ok: false, code: 'version_mismatch', current: 1, failed: 2 })
  expect(readAll(fed.machine)).toEqual({ ...before, index: 3, clusterMs: 30 })
  expect(fed.last.topics).toEqual([])
  expect(fed.last.leases).toEqual([])
  expect(fed.machine.recomputeHash()).toBe(fed.machine.stateHash())
})

test('an entry after a failed transaction goes on as if it had not been', async () => {
  const [one, other] = [await Fed.newest(), await Fed.newest()]
  const fails = txn({
    whenTrue: [write(configPut('a', 'x')), write(configPut('b', 'x', { expect: match(1) }))],
  })
  one.apply(fails)
  other.apply(txn({}))

  for (const fed of [one, other]) fed.ok(txn({ whenTrue: [write(configPut('a', 'y'))] }))

  expect(readAll(one.machine)).toEqual(readAll(other.machine))
})

const CONDITIONS: readonly (readonly [string, Condition, boolean])[] = [
  ['a version that is', { type: 'config_version', key: 'a', version: 2 }, true],
  ['a version that was', { type: 'config_version', key: 'a', version: 1 }, false],
  ['absence of what is', { type: 'config_version', key: 'a', version: 0 }, false],
  ['absence of what never was', { type: 'config_version', key: 'n', version: 0 }, true],
  ['absence of what was deleted', { type: 'config_version', key: 'gone', version: 0 }, true],
  ['the version of what was deleted', { type: 'config_version', key: 'gone', version: 1 }, false],
  ['a value that is', { type: 'config_value', key: 'a', value: utf8('now') }, true],
  ['a value that was', { type: 'config_value', key: 'a', value: utf8('old') }, false],
  ['an empty value of what is not', { type: 'config_value', key: 'n', value: utf8('') }, false],
  ['a value of what was deleted', { type: 'config_value', key: 'gone', value: utf8('x') }, false],
  ['an instance', { type: 'instance', service: 'web', id: 'a', exists: true }, true],
  ['no instance', { type: 'instance', service: 'web', id: 'a', exists: false }, false],
  ['another instance', { type: 'instance', service: 'web', id: 'b', exists: false }, true],
  ['a lease', { type: 'lease', id: 'l', exists: true }, true],
  ['a lease of another namespace', { type: 'lease', id: 'other', exists: true }, false],
  ['a lapsed lease', { type: 'lease', id: 'i:default/web/a', exists: true }, false],
  ['a lock that nobody holds', { type: 'lock', name: 'l', token: 1 }, false],
]

describe('conditions', () => {
  test.each(CONDITIONS)('%s', async (_, condition, expected) => {
    const fed = await Fed.newest()
    fed.ok(configPut('a', 'old'))
    fed.ok(configPut('a', 'now'))
    fed.ok(configPut('gone', 'x'))
    fed.ok(configDelete('gone'))
    const leaseRevision = fed.ok(instancePut({ removeAfterMs: null }))
    fed.ok({ type: 'lease_expire', leases: [{ id: 'i:default/web/a', leaseRevision }] })
    fed.ok({ type: 'lease_grant', ns: 'default', id: 'l', ttlMs: 1, owner: null })
    fed.ok({ type: 'lease_grant', ns: 'ns2', id: 'other', ttlMs: 1, owner: null })

    const outcome = fed.apply(
      txn({
        conditions: [condition],
        whenTrue: [write(configPut('z', 'x'))],
        whenFalse: [read('a')],
      }),
    )

    if (!outcome.ok || outcome.result?.type !== 'txn') throw new Error('a transaction answers')
    expect(outcome.result.succeeded).toBe(expected)
    expect(fed.machine.config('default', 'z') !== null).toBe(expected)
    expect(outcome.result.results[0]?.version).toBe(expected ? 1 : 2)
  })

  test('all of them must hold', async () => {
    const fed = await Fed.newest()
    const absent = { type: 'config_version', key: 'a', version: 0 } as const
    const there = { type: 'config_version', key: 'b', version: 1 } as const
    fed.ok(txn({ conditions: [absent, there], whenTrue: [write(configPut('a', 'x'))] }))

    expect(fed.machine.config('default', 'a')).toBeNull()
  })
})

test('what a transaction reads has a bound, whoever waits for it', async () => {
  const fed = await Fed.newest()
  const big = 'x'.repeat(1_500_000)
  fed.ok(configPut('big', big))
  const reads = txn({
    whenTrue: [write(configPut('a', '')), read('big'), read('big'), read('big')],
  })

  expect(fed.apply(reads)).toMatchObject({ ok: false, code: 'too_large', failed: 3 })
  expect(fed.machine.config('default', 'a')).toBeNull()
})

test('two writes of one key are two versions at one revision, after a failure as well', async () => {
  const fed = await Fed.newest()
  const failing = txn({
    whenTrue: [write(configPut('a', '')), write(configPut('a', '', { expect: match(9) }))],
  })
  fed.apply(failing)
  fed.ok(txn({ whenTrue: ['a', 'b', 'a'].map((key) => write(configPut(key, key))) }))

  const { machine } = fed
  expect(machine.config('default', 'a')).toMatchObject({ version: 2, revision: 3 })
  expect(machine.config('default', 'b')).toMatchObject({ version: 1, revision: 3 })
  expect(fed.topics()).toEqual(['config/a', 'config/b', 'config/a'])
})

describe.each([11, 12, 13])('seed %d', (seed) => {
  test('what fails leaves nothing behind: not a row, not the hash, not a change told', async () => {
    const random = prng(seed)
    const fed = await Fed.newest()
    let failures = 0
    for (let i = 0; i < 150; i++) {
      const ops = Array.from({ length: 1 + random(6) }, () => txnCommand(random, fed.machine))
      // What no transaction makes, and others may end: locks.
      fed.apply(clientCommand(random, fed.machine))
      // Most of them would go through: the last operation sees to it that many do not.
      if (random(2) === 0) ops.push(configPut('never', '', { expect: match(999) }))
      const before = readAll(fed.machine) as { index: number; clusterMs: number }
      const outcome = fed.apply(txn({ whenTrue: ops.map(write) }))
      expect(fed.machine.recomputeHash()).toBe(fed.machine.stateHash())
      if (outcome.ok) continue
      failures += 1
      const { index, clusterMs } = before
      expect(readAll(fed.machine)).toEqual({
        ...before,
        index: index + 1,
        clusterMs: clusterMs + 10,
      })
      const { topics, leases, notes, readyLocks } = fed.last
      expect([topics, leases, notes, readyLocks]).toEqual([[], [], [], []])
    }
    expect(failures).toBeGreaterThan(30)
  })
})
