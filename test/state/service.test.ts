import { expect, test } from 'bun:test'
import { isAvailable } from '../../src/state/mod.ts'
import { Fed, instancePut, WALL_START_MS, WEB } from './support.ts'

const put = (service: string, protectThreshold = 0) =>
  ({
    type: 'service_put',
    ns: 'default',
    service,
    settings: { metadata: { team: 'x' }, protectThreshold },
    expect: null,
  }) as const
const remove = (service: string) =>
  ({ type: 'service_delete', ns: 'default', service, expect: null }) as const

test('service_put keeps settings, also of a service without instances', async () => {
  const fed = await Fed.open()

  expect(fed.apply(put('web', 0.25))).toEqual({
    ok: true,
    revision: 1,
    created: true,
    result: {
      type: 'service',
      service: {
        ns: 'default',
        service: 'web',
        settings: { metadata: { team: 'x' }, protectThreshold: 0.25 },
        revision: 1,
        createdRevision: 1,
        createdAtMs: WALL_START_MS + 1,
        updatedAtMs: WALL_START_MS + 1,
      },
    },
  })
  expect(fed.topics()).toEqual(['services/web', 'services'])
  expect(fed.apply(put('web'))).toMatchObject({ created: false })
  expect(fed.apply({ ...put('web'), expect: { match: [1], absent: false } })).toMatchObject({
    code: 'version_mismatch',
    current: 2,
  })
  expect(fed.machine.serviceSettings('default', 'web')).toMatchObject({
    revision: 2,
    createdRevision: 1,
    settings: { protectThreshold: 0 },
  })
})

test('service_delete removes the settings and leaves the instances', async () => {
  const fed = await Fed.open()
  fed.ok(put('web'))
  fed.ok(instancePut())
  expect(fed.apply({ ...remove('web'), expect: { match: [2], absent: false } }).ok).toBe(false)
  fed.ok(remove('web'))
  expect(fed.machine.serviceSettings('default', 'web')).toBeNull()
  expect(fed.machine.serviceRevision('default', 'web')).toBe(4)
  expect(fed.machine.instance(WEB)).not.toBeNull()
  fed.ok(remove('web'))
  expect(fed.topics()).toEqual([])
})

test('services() counts as the instances themselves do', async () => {
  const fed = await Fed.open()
  const spec = (id: string, change: Parameters<typeof instancePut>[0]) =>
    fed.ok(instancePut({ node: 'h1', ...change }, { key: { ...WEB, id } }))
  spec('up', { tags: ['b', 'a'] })
  spec('draining', { status: 'draining', tags: ['a', 'é', '～', '🦊'] })
  spec('sick', {})
  spec('lifted', { status: 'down' })
  spec('held', { node: 'h2' })
  const override = (id: string, status: 'up' | 'down') =>
    fed.ok({
      type: 'override_put',
      key: { ...WEB, id },
      override: { status, weight: null, reason: '' },
      by: '',
      expect: null,
    })
  override('lifted', 'up')
  override('held', 'down')
  fed.ok({ type: 'instance_health', key: { ...WEB, id: 'sick' }, health: 'critical', note: null })
  const check = (available: number) => {
    const [summary] = fed.machine.services('default', { prefix: '', after: null, limit: 5 })
    const rows = fed.machine.instances('default', 'web')
    expect(summary?.instances).toBe(rows.length)
    expect(summary?.available).toBe(rows.filter(isAvailable).length)
    expect(summary?.available).toBe(available)
    expect(summary?.tags).toEqual(['a', 'b', 'é', '～', '🦊'])
    expect(summary?.revision).toBe(fed.machine.serviceRevision('default', 'web'))
  }

  check(2) // up, lifted
  fed.ok({
    type: 'node_override_put',
    ns: 'default',
    node: 'h1',
    override: { status: 'down', weight: null, reason: '' },
    by: '',
    expect: null,
  })
  check(1) // Only what has an override of its own.
  fed.ok({ type: 'node_override_delete', ns: 'default', node: 'h1', expect: null })
  check(2)
})

test('services() pages through names of both kinds, in the order of bytes', async () => {
  const fed = await Fed.open()
  fed.ok(put('z'))
  fed.ok(put('both'))
  for (const service of ['a', 'both', 'bot', 'Z', '🦊']) {
    fed.ok(instancePut({}, { key: { ...WEB, service } }))
    fed.ok(instancePut({}, { key: { ...WEB, service, id: 'b' } }))
  }
  fed.ok(instancePut({}, { key: { ...WEB, ns: 'other', service: 'hidden' } }))
  const names = (prefix: string, after: string | null, limit: number) =>
    fed.machine.services('default', { prefix, after, limit }).map((summary) => summary.service)

  expect(names('', null, 100)).toEqual(['Z', 'a', 'bot', 'both', 'z', '🦊'])
  expect(names('bo', null, 100)).toEqual(['bot', 'both'])
  expect(names('bot', null, 1)).toEqual(['bot'])
  expect(names('bo', 'bot', 1)).toEqual(['both'])
  expect(names('', 'both', 2)).toEqual(['z', '🦊'])
  expect(names('', '🦊', 2)).toEqual([])
})

test('an emptied service is in no list, and its revision stays', async () => {
  const fed = await Fed.open()
  fed.ok(instancePut())
  fed.ok({ type: 'instance_delete', key: WEB, expect: null })
  expect(fed.machine.services('default', { prefix: '', after: null, limit: 5 })).toEqual([])
  expect(fed.machine.serviceRevision('default', 'web')).toBe(2)
  expect(fed.machine.serviceRevision('default', 'never')).toBe(0)
})
