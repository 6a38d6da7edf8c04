import { expect, test } from 'bun:test'
import { effectiveStatus, isAvailable } from '../../src/state/mod.ts'
import type { Command, OverrideSpec } from '../../src/state/mod.ts'
import { Fed, instancePut, match, WALL_START_MS, WEB } from './support.ts'

const down: OverrideSpec = { status: 'down', weight: null, reason: 'disk' }
const put = (override: OverrideSpec, rest: object = {}): Command => ({
  type: 'override_put',
  key: WEB,
  override,
  by: 'ann',
  expect: null,
  ...rest,
})
const remove = { type: 'override_delete', key: WEB, expect: null } as const
const nodePut = (override: OverrideSpec): Command => ({
  type: 'node_override_put',
  ns: 'default',
  node: 'h1',
  override,
  by: 'bob',
  expect: null,
})
const nodeDelete = {
  type: 'node_override_delete',
  ns: 'default',
  node: 'h1',
  expect: null,
} as const

test('override_put is shown with the instance, as a new revision of it', async () => {
  const fed = await Fed.open()
  fed.ok(instancePut())

  expect(fed.apply(put(down))).toEqual({
    ok: true,
    revision: 2,
    created: true,
    result: {
      type: 'override',
      override: {
        ...down,
        by: 'ann',
        revision: 2,
        createdRevision: 2,
        createdAtMs: WALL_START_MS + 2,
        updatedAtMs: WALL_START_MS + 2,
      },
    },
  })
  expect(fed.topics().toSorted()).toEqual(['services', 'services/web', 'services/web/a'])
  expect(fed.machine.instance(WEB)).toMatchObject({ revision: 2, override: { reason: 'disk' } })
  expect(fed.machine.lease('i:default/web/a')?.leaseRevision).toBe(1)

  expect(fed.apply(put({ ...down, weight: 0 }))).toMatchObject({
    created: false,
    result: { override: { weight: 0, revision: 3, createdRevision: 2 } },
  })
  fed.ok(remove)
  expect(fed.machine.instance(WEB)).toMatchObject({ revision: 4, override: null })
  expect(fed.machine.override(WEB)).toBeNull()
  fed.ok(remove)
  expect(fed.topics()).toEqual([])
})

test('an override survives removal and registration', async () => {
  const fed = await Fed.open()
  fed.ok(instancePut())
  fed.ok(put(down))
  fed.ok({ type: 'lease_expire', leases: [{ id: 'i:default/web/a', leaseRevision: 1 }] })
  expect(fed.machine.instance(WEB)).toBeNull()
  expect(fed.machine.override(WEB)).toMatchObject(down)

  fed.ok(put({ ...down, reason: 'still' })) // Also while it is away.
  expect(fed.topics()).toEqual([])
  expect(fed.apply(instancePut())).toMatchObject({
    result: { instance: { override: { reason: 'still' } } },
  })
})

test('an override needs an instance that is or was there', async () => {
  const fed = await Fed.open()
  expect(fed.apply(put(down))).toMatchObject({ ok: false, code: 'not_found' })
  fed.ok(instancePut())
  fed.ok({ type: 'instance_delete', key: WEB, expect: null })
  expect(fed.apply(put(down)).ok).toBe(true)
})

test('If-Match compares the revision of the override itself', async () => {
  const fed = await Fed.open()
  fed.ok(instancePut())
  const absent = { expect: { match: null, absent: true } }
  expect(fed.apply(put(down, { expect: match(1) }))).toMatchObject({ current: null })
  expect(fed.apply(put(down, absent)).ok).toBe(true)
  expect(fed.apply(put(down, absent))).toMatchObject({ code: 'version_mismatch', current: 3 })
  expect(fed.apply(put(down, { expect: match(3) })).ok).toBe(true)
  expect(fed.apply({ ...remove, expect: match(3) })).toMatchObject({ current: 5 })
  expect(fed.apply({ ...remove, expect: match(5) }).ok).toBe(true)
})

test('a node’s override changes every instance on it, there now or later', async () => {
  const fed = await Fed.open()
  fed.ok(instancePut({ node: 'h1' }))
  fed.ok(instancePut({ node: 'h2' }, { key: { ...WEB, id: 'b' } }))
  fed.ok(instancePut({ node: 'h1' }, { key: { ...WEB, service: 'db' } }))

  expect(fed.apply(nodePut(down))).toMatchObject({ created: true, result: { type: 'override' } })
  expect(fed.topics().filter((topic) => topic.split('/').length === 3)).toEqual([
    'services/db/a',
    'services/web/a',
  ])
  expect(fed.machine.instance(WEB)).toMatchObject({
    revision: 4,
    override: null,
    nodeOverride: { status: 'down', by: 'bob', revision: 4 },
  })
  expect(fed.machine.instance({ ...WEB, id: 'b' })).toMatchObject({ revision: 2 })
  expect(fed.machine.nodeOverride('default', 'h1')).toMatchObject(down)

  fed.ok(instancePut({ node: 'h1' }, { key: { ...WEB, id: 'c' } }))
  expect(fed.machine.instance({ ...WEB, id: 'c' })).toMatchObject({ nodeOverride: down })
  expect(fed.apply({ ...nodeDelete, expect: { match: [3], absent: false } }).ok).toBe(false)
  fed.ok(nodeDelete)
  expect(fed.machine.instance({ ...WEB, id: 'c' })).toMatchObject({ nodeOverride: null })
  expect(fed.machine.nodeOverride('default', 'h1')).toBeNull()
  fed.ok(nodeDelete)
  expect(fed.topics()).toEqual([])
})

test('the instance’s override wins over its node’s, field by field', async () => {
  const fed = await Fed.open()
  fed.ok(instancePut({ node: 'h1' }))
  const effective = () => {
    const instance = fed.machine.instance(WEB)
    if (instance === null) throw new Error('it is there')
    const { override, nodeOverride } = instance
    const weights = [override?.weight ?? null, nodeOverride?.weight ?? null]
    return [effectiveStatus(instance), ...weights, isAvailable(instance)]
  }

  expect(effective()).toEqual(['up', null, null, true])
  fed.ok(nodePut({ status: 'draining', weight: 0, reason: '' }))
  expect(effective()).toEqual(['draining', null, 0, false])
  fed.ok(put({ status: 'up', weight: null, reason: '' }))
  expect(effective()).toEqual(['up', null, 0, true])
  fed.ok(put({ status: null, weight: 3, reason: '' }))
  expect(effective()).toEqual(['draining', 3, 0, false])
  fed.ok(nodeDelete)
  expect(effective()).toEqual(['up', 3, null, true])
  fed.ok({ type: 'instance_health', key: WEB, health: 'warning', note: null })
  expect(effective()).toEqual(['up', 3, null, true])
  fed.ok({ type: 'instance_health', key: WEB, health: 'critical', note: null })
  expect(effective()).toEqual(['up', 3, null, false])
})
