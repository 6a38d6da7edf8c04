import { expect, test } from 'bun:test'
import { instanceOfLease } from '../../src/state/mod.ts'
import type { Command } from '../../src/state/mod.ts'
import { configPut, Fed, instancePut, WEB } from './support.ts'

const LEASE = 'i:default/web/a'
const grant = (id: string) =>
  ({ type: 'lease_grant', ns: 'default', id, ttlMs: 1000, owner: 'me\0' }) as const
const on = (
  type: 'lease_expire' | 'lease_remove' | 'lease_clear',
  leaseRevision: number,
  id = LEASE,
): Command => ({ type, leases: [{ id, leaseRevision }] })
const suspect = (leaseRevision: number, remainingMs: number): Command => ({
  type: 'lease_suspect',
  leases: [{ id: LEASE, leaseRevision, remainingMs }],
})

test('lease_grant makes a lease that removes what hangs on it', async () => {
  const fed = await Fed.open()

  expect(fed.apply(grant('l'))).toEqual({
    ok: true,
    revision: 1,
    created: true,
    result: {
      type: 'lease',
      lease: {
        id: 'l',
        ns: 'default',
        ttlMs: 1000,
        leaseRevision: 1,
        removeAfterMs: 0,
        onLapse: 'remove',
        owner: 'me\0',
        suspectMs: null,
        lapsed: false,
      },
    },
  })
  expect(fed.topics()).toEqual(['leases/l'])
  expect(fed.leaseChanges()).toEqual(['armed'])
  expect(fed.apply(grant('l'))).toMatchObject({ ok: false, code: 'conflict' })
  expect(fed.leaseChanges()).toEqual([])
})

test('lease_revoke takes along what hangs on it', async () => {
  const fed = await Fed.open()
  fed.ok(grant('l'))
  fed.ok(configPut('a', 'x', { lease: 'l' }))
  fed.ok(configPut('b', 'x'))

  expect(fed.apply({ type: 'lease_revoke', ns: 'other', id: 'l' }).ok).toBe(true)
  expect(fed.machine.lease('l')).not.toBeNull()
  fed.ok({ type: 'lease_revoke', ns: 'default', id: 'l' })

  expect(fed.topics()).toEqual(['config/a', 'leases/l'])
  expect(fed.last.leases).toEqual([{ type: 'gone', id: 'l' }])
  expect(fed.machine.config('default', 'a')).toBeNull()
  expect(fed.machine.config('default', 'b')).not.toBeNull()
  expect(fed.machine.lease('l')).toBeNull()
  fed.ok({ type: 'lease_revoke', ns: 'default', id: 'l' })
  expect(fed.topics()).toEqual([])
})

test('lease_expire of a client’s lease takes along what hangs on it', async () => {
  const fed = await Fed.open()
  fed.ok(grant('l'))
  fed.ok(configPut('a', 'x', { lease: 'l' }))
  fed.ok(on('lease_expire', 1, 'l'))
  expect(fed.machine.config('default', 'a')).toBeNull()
  expect(fed.machine.configRevision('default', 'a')).toBe(3)
  expect(fed.machine.lease('l')).toBeNull()
})

test('DESIGN §5.2: an expiry counts only while the row holds its lease revision', async () => {
  const fed = await Fed.open()
  fed.ok(instancePut())
  fed.ok(instancePut())
  const before = fed.machine.stateHash()

  fed.ok(on('lease_expire', 1))
  expect(fed.machine.stateHash()).toBe(before)
  expect(fed.leaseChanges()).toEqual([])
  fed.ok(on('lease_expire', 2))
  expect(fed.machine.instance(WEB)).toBeNull()
  expect(fed.leaseChanges()).toEqual(['gone'])
  expect(fed.machine.instanceRevision(WEB)).toBe(4)
})

test('with removeAfter an instance first lapses, and is removed by its own command', async () => {
  const fed = await Fed.open()
  fed.ok(instancePut({ removeAfterMs: 5_000 }))

  fed.ok(on('lease_remove', 1)) // Not lapsed yet.
  expect(fed.topics()).toEqual([])
  fed.ok(on('lease_expire', 1))
  expect(fed.machine.instance(WEB)).toMatchObject({
    health: 'critical',
    healthReason: 'ttl',
    revision: 3,
  })
  expect(fed.last.leases).toMatchObject([
    { type: 'lapsed', lease: { lapsed: true, leaseRevision: 1, removeAfterMs: 5_000 } },
  ])
  fed.ok(on('lease_expire', 1)) // Once is enough.
  expect(fed.topics()).toEqual([])

  fed.ok(on('lease_remove', 1))
  expect(fed.machine.instance(WEB)).toBeNull()
  expect(fed.leaseChanges()).toEqual(['gone'])
})

test('lease_clear revives what had lapsed; the removal proposed meanwhile finds it alive', async () => {
  const fed = await Fed.open()
  fed.ok(instancePut({ removeAfterMs: null }))
  fed.ok(on('lease_expire', 1))

  fed.ok(on('lease_clear', 1))
  expect(fed.leaseChanges()).toEqual(['cleared'])
  expect(fed.machine.instance(WEB)).toMatchObject({ health: 'passing', healthReason: null })
  expect(fed.machine.lease(LEASE)).toMatchObject({ lapsed: false, leaseRevision: 1 })

  fed.ok(on('lease_remove', 1))
  expect(fed.machine.instance(WEB)).not.toBeNull()
})

test('registering again revives what had lapsed, under a new lease revision', async () => {
  const fed = await Fed.open()
  fed.ok(instancePut({ removeAfterMs: null }))
  fed.ok(on('lease_expire', 1))
  fed.ok(instancePut({ removeAfterMs: null }))
  expect(fed.machine.lease(LEASE)).toMatchObject({ lapsed: false, leaseRevision: 3 })
  fed.ok(on('lease_remove', 1))
  expect(fed.machine.instance(WEB)).toMatchObject({ health: 'passing' })
})

test('new terms and a health report revive what had lapsed, too', async () => {
  const fed = await Fed.open()
  fed.ok(instancePut({ removeAfterMs: null }))
  fed.ok(on('lease_expire', 1))
  fed.ok({ type: 'instance_patch', key: WEB, patch: { ttlMs: 1 }, expect: null })
  expect(fed.machine.lease(LEASE)).toMatchObject({ lapsed: false, leaseRevision: 3 })
  expect(fed.machine.instance(WEB)).toMatchObject({ health: 'passing', healthReason: null })

  fed.ok(on('lease_expire', 3))
  fed.ok({ type: 'instance_health', key: WEB, health: 'warning', note: null })
  expect(fed.leaseChanges()).toEqual(['cleared'])
  expect(fed.machine.lease(LEASE)).toMatchObject({ lapsed: false })
  expect(fed.machine.instance(WEB)).toMatchObject({ health: 'warning' })
})

test('lease_suspect keeps what remained, until cleared or armed again', async () => {
  const fed = await Fed.open()
  fed.ok(instancePut())
  const revision = fed.machine.instance(WEB)?.revision

  fed.ok(suspect(1, 4_000))
  expect(fed.leaseChanges()).toEqual(['suspect'])
  expect(fed.machine.lease(LEASE)?.suspectMs).toBe(4_000)
  expect(fed.topics()).toEqual([]) // Nobody who waits for the instance cares.
  fed.ok(on('lease_clear', 1))
  expect(fed.leaseChanges()).toEqual(['cleared'])
  expect(fed.machine.lease(LEASE)?.suspectMs).toBeNull()
  expect(fed.machine.instance(WEB)?.revision).toBe(revision)
  fed.ok(on('lease_clear', 1))
  expect(fed.leaseChanges()).toEqual([])

  fed.ok(suspect(1, 10))
  fed.ok(instancePut())
  expect(fed.machine.lease(LEASE)?.suspectMs).toBeNull()
  fed.ok(suspect(1, 10)) // Of the old registration.
  expect(fed.leaseChanges()).toEqual([])
})

test('a mass expiry decides each lease for itself, one twice too', async () => {
  const fed = await Fed.open()
  for (const id of ['a', 'b', 'c']) fed.ok(instancePut({}, { key: { ...WEB, id } }))
  const leases = ['a', 'b', 'a', 'x'].map((id, i) => ({
    id: `i:default/web/${id}`,
    leaseRevision: [1, 7, 1, 1][i] ?? 0,
  }))

  fed.ok({ type: 'lease_expire', leases })

  expect(fed.machine.instances('default', 'web').map((row) => row.id)).toEqual(['b', 'c'])
  expect(fed.last.leases).toEqual([{ type: 'gone', id: 'i:default/web/a' }])
})

test('a config key may hang on an instance’s lease and goes with the instance', async () => {
  const fed = await Fed.open()
  fed.ok(instancePut())
  fed.ok(configPut('addr', 'x', { lease: LEASE }))
  expect(fed.machine.leaseHoldings(LEASE)).toEqual({
    instances: [WEB],
    config: ['addr'],
    locks: [],
  })
  fed.ok({ type: 'instance_delete', key: WEB, expect: null })
  expect(fed.machine.config('default', 'addr')).toBeNull()
  expect(fed.machine.leaseHoldings(LEASE)).toEqual({ instances: [], config: [], locks: [] })
})

test('leases() gives all of them, over more than one page', async () => {
  const fed = await Fed.open()
  const ids = Array.from({ length: 2_001 }, (_, i) => `l-${String(i).padStart(4, '0')}`)
  for (const id of ids) fed.ok(grant(id))
  expect([...fed.machine.leases()].map((lease) => lease.id)).toEqual(ids)
})

test('instanceOfLease() takes apart what instanceLease() put together', () => {
  expect(instanceOfLease(LEASE)).toEqual(WEB)
  expect(instanceOfLease('abc')).toBeNull()
  expect(instanceOfLease('i:a/b')).toBeNull()
  expect(instanceOfLease('i:a/b/c/d')).toBeNull()
})
