import { expect, test } from 'bun:test'
import { instanceLease, MAP_ENTRIES_MAX } from '../../src/state/mod.ts'
import type { InstancePatch } from '../../src/state/mod.ts'
import { Fed, instancePut, match, SPEC, WALL_START_MS, WEB } from './support.ts'

const LEASE = 'i:default/web/a'
const patch = (change: InstancePatch) =>
  ({ type: 'instance_patch', key: WEB, patch: change, expect: null }) as const
const remove = { type: 'instance_delete', key: WEB, expect: null } as const

test('instance_put registers, and says so', async () => {
  const fed = await Fed.open()

  const outcome = fed.apply(instancePut())

  expect(outcome).toEqual({
    ok: true,
    revision: 1,
    created: true,
    result: {
      type: 'instance',
      instance: {
        ...WEB,
        spec: SPEC,
        health: 'passing',
        healthReason: null,
        lease: LEASE,
        override: null,
        nodeOverride: null,
        revision: 1,
        createdRevision: 1,
        createdAtMs: WALL_START_MS + 1,
        updatedAtMs: WALL_START_MS + 1,
      },
    },
  })
  expect(instanceLease(WEB)).toBe(LEASE)
  expect(fed.topics().toSorted()).toEqual(['services', 'services/web', 'services/web/a'])
  expect(fed.last.leases).toEqual([
    {
      type: 'armed',
      lease: {
        id: LEASE,
        ns: 'default',
        ttlMs: 15_000,
        leaseRevision: 1,
        removeAfterMs: 0,
        onLapse: 'remove',
        owner: null,
        suspectMs: null,
        lapsed: false,
      },
    },
  ])
})

test('a second instance_put replaces, keeps the birth, and starts the lease afresh', async () => {
  const fed = await Fed.open()
  fed.ok(instancePut({ metadata: { a: '1' } }))

  expect(fed.apply(instancePut({ port: 9 }))).toMatchObject({
    created: false,
    result: {
      instance: {
        spec: { port: 9, metadata: {} },
        revision: 2,
        createdRevision: 1,
        createdAtMs: WALL_START_MS + 1,
        updatedAtMs: WALL_START_MS + 2,
      },
    },
  })
  expect(fed.machine.lease(LEASE)).toMatchObject({ leaseRevision: 2 })
  expect(fed.leaseChanges()).toEqual(['armed'])
})

test('removeAfter decides what happens when the TTL runs out', async () => {
  const fed = await Fed.open()
  const onLapse = () => fed.machine.lease(LEASE)?.onLapse
  fed.ok(instancePut({ removeAfterMs: 0 }))
  expect(onLapse()).toBe('remove')
  fed.ok(instancePut({ removeAfterMs: 1 }))
  expect(onLapse()).toBe('lapse')
  fed.ok(instancePut({ removeAfterMs: null }))
  expect(onLapse()).toBe('lapse')
})

test('without a TTL an instance is persistent and its lease goes', async () => {
  const fed = await Fed.open()
  fed.ok(instancePut())
  fed.ok(instancePut({ ttlMs: null }))

  expect(fed.leaseChanges()).toEqual(['gone'])
  expect(fed.machine.lease(LEASE)).toBeNull()
  expect(fed.machine.instance(WEB)).toMatchObject({ lease: null })
  fed.ok(instancePut({ ttlMs: null }))
  expect(fed.leaseChanges()).toEqual([])
})

test('If-Match compares the revision of the instance', async () => {
  const fed = await Fed.open()
  fed.ok(instancePut({ ttlMs: null }))

  expect(fed.apply(instancePut({}, { expect: { match: null, absent: true } }))).toMatchObject({
    ok: false,
    code: 'version_mismatch',
    current: 1,
  })
  expect(fed.apply({ ...patch({ port: 1 }), expect: match(2) }).ok).toBe(false)
  expect(fed.apply({ ...patch({ port: 1 }), expect: match(1) }).ok).toBe(true)
  expect(fed.apply({ ...remove, expect: match(1) }).ok).toBe(false)
  expect(fed.apply({ ...remove, expect: match(4) }).ok).toBe(true)
  expect(fed.apply({ ...remove, expect: match(4) })).toMatchObject({ current: null })
})

test('instance_delete removes it with its lease; all revisions go on', async () => {
  const fed = await Fed.open()
  fed.ok(instancePut())

  expect(fed.apply(remove)).toEqual({ ok: true, revision: 2, created: false, result: null })
  expect(fed.topics().toSorted()).toContain('services/web/a')
  expect(fed.leaseChanges()).toEqual(['gone'])
  expect(fed.machine.instance(WEB)).toBeNull()
  expect(fed.machine.lease(LEASE)).toBeNull()
  expect(fed.machine.instanceRevision(WEB)).toBe(2)
  expect(fed.machine.serviceRevision('default', 'web')).toBe(2)
  expect(fed.machine.servicesRevision('default')).toBe(2)

  fed.ok(instancePut({}, { key: { ...WEB, service: 'db' } }))
  expect(fed.machine.serviceRevision('default', 'web')).toBe(2)
  expect(fed.machine.servicesRevision('default')).toBe(3)

  expect(fed.apply(instancePut())).toMatchObject({
    created: true,
    result: { instance: { createdRevision: 4 } },
  })
  expect(fed.machine.instanceRevision(WEB)).toBe(4)
})

test('deleting an instance that is not there is fine and changes nothing', async () => {
  const fed = await Fed.open()
  const before = fed.machine.stateHash()
  expect(fed.apply(remove)).toMatchObject({ ok: true, created: false, result: null })
  expect(fed.topics()).toEqual([])
  expect(fed.machine.stateHash()).toBe(before)
})

test('instance_patch merges, resets and replaces, field by field', async () => {
  const fed = await Fed.open()
  fed.ok(
    instancePut({
      metadata: { keep: '1', drop: '2', change: '3' },
      ports: { a: 1 },
      tags: ['x'],
      zone: 'eu',
      weight: 5,
    }),
  )

  const outcome = fed.apply(
    patch({
      metadata: { drop: null, change: '4', fresh: '5' },
      ports: null,
      tags: ['y', 'z'],
      zone: null,
      weight: null,
      status: 'draining',
    }),
  )

  expect(outcome).toMatchObject({ ok: true, created: false })
  expect(fed.machine.instance(WEB)?.spec).toEqual({
    ...SPEC,
    metadata: { keep: '1', change: '4', fresh: '5' },
    tags: ['y', 'z'],
    status: 'draining',
  })
  expect(fed.leaseChanges()).toEqual([])
  expect(fed.machine.lease(LEASE)?.leaseRevision).toBe(1)
})

test('a named address is patched in part, and stays whole (RFC 7396)', async () => {
  const fed = await Fed.open()
  fed.ok(instancePut({ addresses: { lan: { address: '10.0.0.1', port: 1 } } }))
  fed.ok(patch({ addresses: { lan: { port: 2 }, wan: { address: 'a.example', port: 3 } } }))
  expect(fed.machine.instance(WEB)?.spec.addresses).toEqual({
    lan: { address: '10.0.0.1', port: 2 },
    wan: { address: 'a.example', port: 3 },
  })
  fed.ok(patch({ addresses: { lan: null } }))
  expect(Object.keys(fed.machine.instance(WEB)?.spec.addresses ?? {})).toEqual(['wan'])

  const before = fed.machine.stateHash()
  for (const [part, path] of [
    [{ wan: { port: null } }, 'addresses.wan.port'],
    [{ wan: { address: null } }, 'addresses.wan.address'],
    [{ new: { address: 'b' } }, 'addresses.new.port'],
    [{ new: { port: 1 } }, 'addresses.new.address'],
  ] as const) {
    const outcome = fed.apply(patch({ addresses: part }))
    expect(outcome).toMatchObject({ ok: false, code: 'invalid_request', path })
  }
  expect(fed.machine.stateHash()).toBe(before)

  fed.ok(patch({ addresses: JSON.parse('{"__proto__": {"address": "p", "port": 4}}') }))
  fed.ok(patch({ addresses: JSON.parse('{"__proto__": {"port": 5}}') }))
  const { addresses } = fed.machine.instance(WEB)?.spec ?? {}
  expect(JSON.stringify(addresses)).toContain('"__proto__":{"address":"p","port":5}')
})

test('a patch of a key named __proto__ is a patch like any other', async () => {
  const fed = await Fed.open()
  fed.ok(instancePut())
  fed.ok(patch({ metadata: JSON.parse('{"__proto__": "x"}') as Record<string, string> }))
  expect(JSON.stringify(fed.machine.instance(WEB)?.spec.metadata)).toBe('{"__proto__":"x"}')
  fed.ok(patch({ metadata: JSON.parse('{"__proto__": null}') as Record<string, null> }))
  expect(JSON.stringify(fed.machine.instance(WEB)?.spec.metadata)).toBe('{}')
})

test('a patch that changes nothing leaves the revision alone', async () => {
  const fed = await Fed.open()
  fed.ok(instancePut())
  const before = fed.machine.stateHash()

  expect(fed.apply(patch({ port: 8080, metadata: { none: null }, ttlMs: 15_000 }))).toMatchObject({
    ok: true,
    revision: 2,
    result: { instance: { revision: 1 } },
  })
  expect(fed.topics()).toEqual([])
  expect(fed.machine.stateHash()).toBe(before)
})

test('a patch of the lease terms starts the deadline afresh', async () => {
  const fed = await Fed.open()
  fed.ok(instancePut())

  fed.ok(patch({ ttlMs: 30_000 }))
  expect(fed.leaseChanges()).toEqual(['armed'])
  expect(fed.machine.lease(LEASE)).toMatchObject({ ttlMs: 30_000, leaseRevision: 2 })
  fed.ok(patch({ removeAfterMs: 500 }))
  expect(fed.machine.lease(LEASE)).toMatchObject({ leaseRevision: 3, onLapse: 'lapse' })
  fed.ok(patch({ ttlMs: null }))
  expect(fed.leaseChanges()).toEqual(['gone'])
  fed.ok(patch({ removeAfterMs: 700 }))
  expect(fed.leaseChanges()).toEqual([])
  fed.ok(patch({ ttlMs: 1 }))
  expect(fed.leaseChanges()).toEqual(['armed'])
  expect(fed.machine.lease(LEASE)).toMatchObject({ ttlMs: 1, removeAfterMs: 700 })
})

test('a patch is refused without an instance, without an address, and past the bound', async () => {
  const fed = await Fed.open()
  expect(fed.apply(patch({ port: 1 }))).toMatchObject({ ok: false, code: 'not_found' })
  fed.ok(instancePut())
  const before = fed.machine.stateHash()
  expect(fed.apply(patch({ address: null }))).toMatchObject({
    code: 'invalid_request',
    path: 'address',
  })
  const many = Array.from({ length: MAP_ENTRIES_MAX + 1 }, (_, i) => [`k${i}`, 'v'] as const)
  expect(fed.apply(patch({ metadata: Object.fromEntries(many) }))).toMatchObject({
    code: 'invalid_request',
    path: 'metadata',
  })
  expect(fed.machine.stateHash()).toBe(before)
  expect(fed.apply(patch({ metadata: Object.fromEntries(many.slice(1)) })).ok).toBe(true)
})

test('instance_health is a change only when it says something new', async () => {
  const fed = await Fed.open()
  const report = (health: 'passing' | 'warning' | 'critical', note: string | null) =>
    fed.apply({ type: 'instance_health', key: WEB, health, note })
  expect(report('warning', null)).toMatchObject({ ok: false, code: 'not_found' })
  fed.ok(instancePut())

  expect(report('warning', 'slow\0disk')).toMatchObject({
    result: { instance: { health: 'warning', healthReason: 'slow\0disk', revision: 3 } },
  })
  expect(report('warning', 'slow\0disk')).toMatchObject({ result: { instance: { revision: 3 } } })
  expect(report('warning', 'slower')).toMatchObject({ result: { instance: { revision: 5 } } })
  // A registration is a new life.
  fed.ok(instancePut())
  expect(fed.machine.instance(WEB)).toMatchObject({ health: 'passing', healthReason: null })
})

test('instances() are in the order of the bytes of their ids', async () => {
  const fed = await Fed.open()
  const sorted = ['A', 'a', 'b', '~', 'é', '～', '🦊']
  for (const id of sorted.toReversed()) fed.ok(instancePut({}, { key: { ...WEB, id } }))
  expect(fed.machine.instances('default', 'web').map((row) => row.id)).toEqual(sorted)
  expect(fed.machine.instances('other', 'web')).toEqual([])
})
