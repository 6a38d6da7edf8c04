/** API.md "retries", DESIGN §8: a write with a key is applied once, and answered alike every time. */
import { expect, test } from 'bun:test'
import { openSql } from '../../src/runtime/sqlite.ts'
import { StateMachine } from '../../src/state/mod.ts'
import type { Command, Outcome } from '../../src/state/mod.ts'
import { configPut, FEW_KEYS, Fed, instancePut, match, WEB } from './support.ts'

function keyed(key: string, command: Command, more: { hash?: number; caller?: string } = {}) {
  const { hash = 1, caller = '' } = more
  const requestHash = new Uint8Array(32).fill(hash)
  return { type: 'keyed', caller, key, requestHash, command } as const
}

function grant(id: string): Command {
  return { type: 'lease_grant', ns: 'default', id, ttlMs: 1, owner: null }
}

/** A write that was checked against the schema of that revision. */
function checked(revision: number | null): Command {
  const schemas = [{ key: 'a', revision }]
  return { type: 'guarded', ns: 'default', fences: [], schemas, command: configPut('a', 'x') }
}

function codeOf(outcome: Outcome): string {
  return outcome.ok ? 'ok' : outcome.code
}

test('a repeat gets the first outcome, whole, and changes no row', async () => {
  const fed = await Fed.newest()
  const first = fed.apply(keyed('k', configPut('a', 'x')))
  const hash = fed.machine.stateHash()

  const again = fed.apply(keyed('k', configPut('a', 'x')))

  expect(first).toMatchObject({ ok: true, created: true, revision: 2 })
  expect(again).toEqual(first)
  expect(fed.machine.config('default', 'a')?.version).toBe(1)
  expect(fed.machine.stateHash()).toBe(hash)
  expect(fed.topics()).toEqual([])
})

test('a repeat is answered as of the first, whatever became of the thing since', async () => {
  const fed = await Fed.newest()
  const first = fed.apply(keyed('k', instancePut()))
  fed.ok({ type: 'instance_delete', key: WEB, expect: null })

  expect(fed.apply(keyed('k', instancePut()))).toEqual(first)
  expect(fed.machine.instance(WEB)).toBeNull()
})

test('a refusal is kept as well, though it would pass now', async () => {
  const fed = await Fed.newest()
  const put = configPut('a', 'x', { expect: match(1) })
  const first = fed.apply(keyed('k', put))
  fed.ok(configPut('a', 'y'))

  const again = fed.apply(keyed('k', put))

  expect(first).toMatchObject({ ok: false, code: 'version_mismatch', current: null })
  expect(again).toEqual(first)
})

test('the same key with another request is refused, and the first stays', async () => {
  const fed = await Fed.newest()
  const first = fed.apply(keyed('k', configPut('a', 'x')))

  expect(codeOf(fed.apply(keyed('k', configPut('a', 'y'), { hash: 2 })))).toBe(
    'idempotency_key_reused',
  )
  expect(fed.apply(keyed('k', configPut('a', 'x')))).toEqual(first)
})

test('keys are per caller', async () => {
  const fed = await Fed.newest()
  fed.ok(keyed('k', configPut('a', 'x'), { caller: 'ann' }))
  fed.ok(keyed('k', configPut('a', 'x'), { caller: 'bob' }))
  fed.ok(keyed('k', configPut('a', 'x')))

  expect(fed.machine.config('default', 'a')?.version).toBe(3)
})

test('what the edge drew anew for the repeat does not matter', async () => {
  const fed = await Fed.newest()
  const first = fed.apply(keyed('k', grant('first')))

  expect(fed.apply(keyed('k', grant('second')))).toEqual(first)
  expect(fed.machine.lease('second')).toBeNull()
})

test('a key counts to the very end of its window, and is a new request after it', async () => {
  const fed = await Fed.newest(FEW_KEYS)
  const first = fed.apply(keyed('k', configPut('a', 'x')))

  expect(fed.apply(keyed('k', configPut('a', 'x')), FEW_KEYS.windowMs)).toEqual(first)
  const later = fed.apply(keyed('k', configPut('a', 'x'), { hash: 2 }), 0.5)

  expect(later).toMatchObject({ ok: true, created: false, revision: 4 })
  expect(fed.machine.config('default', 'a')?.version).toBe(2)
})

test('a full table refuses new keys with nothing applied, and forgets none early', async () => {
  const fed = await Fed.newest(FEW_KEYS)
  const outcomes = [1, 2, 3, 4].map((n) => fed.apply(keyed(`k${n}`, configPut('a', `${n}`))))

  const fifth = fed.apply(keyed('k5', configPut('a', '5')))

  expect(codeOf(fifth)).toBe('too_many_requests')
  expect(fed.machine.config('default', 'a')?.version).toBe(4)
  for (const [i, outcome] of outcomes.entries()) {
    expect(fed.apply(keyed(`k${i + 1}`, configPut('a', `${i + 1}`)))).toEqual(outcome)
  }
  // Who was refused so may come again with the same key once there is room.
  expect(codeOf(fed.apply(keyed('k5', configPut('a', '5')), FEW_KEYS.windowMs))).toBe('ok')
})

/** A transaction that writes `bytes` and reads them: its outcome holds them. */
function reading(bytes: number): Command {
  return {
    type: 'txn',
    ns: 'default',
    conditions: [],
    whenTrue: [
      { type: 'write', command: configPut('big', 'x'.repeat(bytes)) as never },
      { type: 'read', key: 'big' },
    ],
    whenFalse: [],
  }
}

const LITTLE_ROOM = { keysMax: 1_000, bytesMax: 10_000, windowMs: 1_000 }

test('outcomes that take all their room refuse new keys, and none is forgotten early', async () => {
  const fed = await Fed.newest(LITTLE_ROOM)
  const first = fed.apply(keyed('k1', reading(4_000)))
  fed.ok(keyed('k2', reading(9_000))) // There was room when it came.
  const hash = fed.machine.stateHash()
  expect(fed.machine.idempotencyBytes).toBeGreaterThan(LITTLE_ROOM.bytesMax)

  const refused = fed.apply(keyed('k3', configPut('a', 'x')))

  expect(refused).toMatchObject({ ok: false, code: 'too_many_requests' })
  expect(fed.machine.config('default', 'a')).toBeNull()
  expect(fed.machine.stateHash()).toBe(hash)
  expect(fed.apply(keyed('k1', reading(4_000)))).toEqual(first)
  expect(codeOf(fed.apply(keyed('k3', configPut('a', 'x')), LITTLE_ROOM.windowMs))).toBe('ok')
})

test('there is room as soon as what took it is past the window, however many keys that are', async () => {
  const fed = await Fed.newest(LITTLE_ROOM)
  for (let few = 0; few < 50; few++) fed.apply(keyed(`small${few}`, configPut('a', 'x')), 1)
  fed.ok(keyed('large', reading(9_900)))
  // The first few that leave make no room.
  expect(fed.machine.idempotencyBytes).toBeGreaterThan(LITTLE_ROOM.bytesMax + 1_000)

  const next = fed.apply(keyed('next', configPut('a', 'y')), 2 * LITTLE_ROOM.windowMs)

  expect(codeOf(next)).toBe('ok')
  expect(fed.machine.idempotencyBytes).toBeLessThan(LITTLE_ROOM.bytesMax)
})

test('the room that is taken is known after a restart', async () => {
  const sql = await openSql({ driver: 'bun', path: ':memory:' })
  const fed = new Fed(StateMachine.open(sql, LITTLE_ROOM))
  fed.ok({ type: 'cluster_version', version: 3 })
  fed.ok(keyed('k1', reading(9_000)))
  fed.ok(keyed('k2', reading(2_000)))
  fed.apply(configPut('b', ''), 5_000)
  fed.ok(keyed('k3', configPut('a', 'x')))
  const { idempotencyBytes } = fed.machine

  const again = new Fed(StateMachine.open(sql, LITTLE_ROOM))

  expect(again.machine.idempotencyBytes).toBe(idempotencyBytes)
  expect(idempotencyBytes).toBeGreaterThan(0)
})

test('what is past the window leaves, a few with each new key', async () => {
  const fed = await Fed.newest(FEW_KEYS)
  for (let n = 1; n <= 4; n++) fed.ok(keyed(`k${n}`, configPut('a', `${n}`)))

  fed.apply(configPut('b', ''), FEW_KEYS.windowMs * 2)
  const codes = [5, 6, 7, 8, 9].map((n) => codeOf(fed.apply(keyed(`k${n}`, configPut('a', 'x')))))

  expect(codes).toEqual(['ok', 'ok', 'ok', 'ok', 'too_many_requests'])
  expect(fed.machine.idempotencyKeys).toBe(4)
  expect(fed.machine.recomputeHash()).toBe(fed.machine.stateHash())
})

test('a guard that asks to be checked again is not kept: the same key comes back', async () => {
  const fed = await Fed.newest()
  expect(codeOf(fed.apply(keyed('k', checked(99))))).toBe('schema_changed')
  expect(codeOf(fed.apply(keyed('k', checked(null))))).toBe('ok')
})

test('below its clusterVersion a key is refused, and keeps nothing', async () => {
  const fed = await Fed.open()
  const outcome = fed.apply(keyed('k', configPut('a', 'x')))

  expect(codeOf(outcome)).toBe('conflict')
  expect(fed.machine.config('default', 'a')).toBeNull()
  expect(fed.machine.stateHash()).toBe('0'.repeat(16))
})

test('a fence passes for a current holder alone', async () => {
  const fed = await Fed.newest()
  const outcome = fed.apply({
    type: 'guarded',
    ns: 'default',
    fences: [{ name: 'l', token: 1 }],
    schemas: [],
    command: configPut('a', 'x'),
  })

  expect(codeOf(outcome)).toBe('stale_token')
  expect(fed.machine.config('default', 'a')).toBeNull()
})
