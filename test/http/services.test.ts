import { expect, test } from 'bun:test'

import { jsonOf, testApi } from './support.ts'

const WEB_1 = '/v1/services/web/instances/web-1'
const SPEC = {
  address: '10.0.0.1',
  port: 8080,
  ttl: '15s',
  tags: ['blue'],
  metadata: { version: '2' },
  zone: 'eu-1',
  node: 'h1',
}

test('PUT of an instance answers 201, then 200, and the instance', async () => {
  const { call } = await testApi()

  const first = await call(`PUT ${WEB_1}`, { body: SPEC })
  const second = await call(`PUT ${WEB_1}`, { body: SPEC })

  expect([first.status, second.status]).toEqual([201, 200])
  expect(second.headers.get('ETag')).toBe('"2"')
  expect(jsonOf(second)).toEqual({
    ns: 'default',
    service: 'web',
    id: 'web-1',
    node: 'h1',
    zone: 'eu-1',
    cluster: null,
    address: '10.0.0.1',
    port: 8080,
    ports: {},
    addresses: {},
    tags: ['blue'],
    metadata: { version: '2' },
    weight: 1,
    status: 'up',
    health: 'passing',
    override: null,
    available: true,
    persistent: false,
    ttl: '15s',
    ttlMs: 15_000,
    removeAfter: '0s',
    removeAfterMs: 0,
    revision: 2,
    createdRevision: 1,
    createdAt: '2027-01-15T08:00:00.001Z',
    updatedAt: '2027-01-15T08:00:00.002Z',
  })
})

test('an instance without ttl is persistent, and has no port unless it says so', async () => {
  const { call } = await testApi()
  const answer = jsonOf(await call(`PUT ${WEB_1}`, { body: { address: '::1' } }))
  expect(answer).toMatchObject({ persistent: true, port: null })
  expect(answer).not.toHaveProperty('ttl')
})

test.each(['10.0.0.1', '::1', '2001:db8::1', 'web-1.internal', 'localhost', 'a_b.example.'])(
  '%s is an address',
  async (address) => {
    const { call } = await testApi()
    expect((await call(`PUT ${WEB_1}`, { body: { address } })).status).toBe(201)
  },
)

test('GET, edit, PUT: read-only fields are accepted and change nothing', async () => {
  const { call, registry } = await testApi()
  await call(`PUT ${WEB_1}`, { body: SPEC })
  await call(`PUT ${WEB_1}/override`, { body: { weight: 0, reason: 'deploy' } })
  await call('PUT /v1/nodes/h1/override', { body: { status: 'draining' } })
  await call(`POST ${WEB_1}/heartbeat`, { body: { health: 'warning', note: 'disk' } })

  const got = jsonOf(await call(`GET ${WEB_1}`))
  const answer = await call(`PUT ${WEB_1}`, { body: { ...got, port: 9090 } })

  expect(got).toMatchObject({
    health: 'warning',
    healthReason: 'disk',
    override: { weight: 0, reason: 'deploy', by: 'anonymous' },
    nodeOverride: { status: 'draining' },
    available: false,
    expiresInMs: 15_000,
  })
  expect(answer.status).toBe(200)
  expect(registry.proposed.at(-1)).toEqual({
    type: 'instance_put',
    key: { ns: 'default', service: 'web', id: 'web-1' },
    spec: {
      address: '10.0.0.1',
      port: 9090,
      ports: {},
      addresses: {},
      tags: ['blue'],
      metadata: { version: '2' },
      weight: 1,
      status: 'up',
      zone: 'eu-1',
      node: 'h1',
      cluster: null,
      ttlMs: 15_000,
      removeAfterMs: 0,
    },
    expect: null,
  })
})

test('GET has expiresInMs from the leader only', async () => {
  const { call, registry } = await testApi()
  await call(`PUT ${WEB_1}`, { body: SPEC })
  registry.isLeader = false
  expect(jsonOf(await call(`GET ${WEB_1}`))).not.toHaveProperty('expiresInMs')
})

test('PATCH merges: null resets, maps merge by key, the rest stays', async () => {
  const { call } = await testApi()
  await call(`PUT ${WEB_1}`, { body: { ...SPEC, removeAfter: '1m' } })

  const body = {
    metadata: { version: null, build: '7' },
    weight: 5,
    removeAfter: 'never',
    zone: null,
  }
  const answer = await call(`PATCH ${WEB_1}`, { body })

  expect(answer.status).toBe(200)
  expect(jsonOf(answer)).toMatchObject({
    address: '10.0.0.1',
    metadata: { build: '7' },
    weight: 5,
    zone: null,
    ttl: '15s',
    removeAfter: 'never',
  })
  const back = jsonOf(await call(`PATCH ${WEB_1}`, { body: { removeAfter: null } }))
  expect(back['removeAfter']).toBe('0s')
})

test('PATCH merges a named address in part, and refuses half an address', async () => {
  const { call } = await testApi()
  const lan = { address: '10.0.0.1', port: 1 }
  await call(`PUT ${WEB_1}`, { body: { ...SPEC, addresses: { lan } } })

  const answer = await call(`PATCH ${WEB_1}`, { body: { addresses: { lan: { port: 2 } } } })
  expect(jsonOf(answer)).toMatchObject({ addresses: { lan: { ...lan, port: 2 } } })
  const half = await call(`PATCH ${WEB_1}`, { body: { addresses: { wan: { port: 2 } } } })
  expect(half.status).toBe(400)
  expect(jsonOf(half)).toMatchObject({ issues: [{ path: 'addresses.wan.address' }] })
})

test('PATCH of what is not there is 404, and not applied', async () => {
  const { call } = await testApi()
  const answer = await call(`PATCH ${WEB_1}`, { body: { weight: 2 } })
  expect(answer.status).toBe(404)
  expect(jsonOf(answer)).toMatchObject({ code: 'not_found', outcome: 'not_applied' })
})

test('DELETE is 204, also when there was none', async () => {
  const { call } = await testApi()
  await call(`PUT ${WEB_1}`, { body: SPEC })
  expect((await call(`DELETE ${WEB_1}`)).status).toBe(204)
  expect((await call(`DELETE ${WEB_1}`)).status).toBe(204)
  expect((await call(`GET ${WEB_1}`)).status).toBe(404)
})

test('namespaces are apart, by parameter and by header', async () => {
  const { call } = await testApi()
  await call(`PUT ${WEB_1}?ns=prod`, { body: SPEC })
  expect((await call(`GET ${WEB_1}`)).status).toBe(404)
  expect((await call(`GET ${WEB_1}`, { headers: { 'Rollcall-Namespace': 'prod' } })).status).toBe(
    200,
  )
  expect((await call('PUT /v1/config/k?ns=a+b', { body: 'x' })).status).toBe(201)
  expect((await call('GET /v1/config/k?ns=a%2Bb')).status).toBe(200)
})

/** Four instances of `web`: one of each kind that filters tell apart. */
async function lookupApi() {
  const { call, registry } = await testApi()
  const instances = {
    a: { ...SPEC },
    b: { ...SPEC, zone: 'eu-2', tags: ['blue', 'gpu'], metadata: { version: '3', 'a b': 'c d' } },
    c: { ...SPEC, status: 'draining' },
    d: { ...SPEC, node: 'h2' },
  }
  for (const [id, body] of Object.entries(instances)) {
    await call(`PUT /v1/services/web/instances/${id}`, { body })
  }
  await call('POST /v1/services/web/instances/d/heartbeat', { body: { health: 'critical' } })
  const ids = async (query: string) => {
    const body = jsonOf(await call(`GET /v1/services/web${query}`))
    return (body['instances'] as { id: string }[]).map(({ id }) => id).join('')
  }
  return { call, registry, ids }
}

test.each([
  ['', 'abcd'],
  ['?available=true', 'ab'],
  ['?available=false', 'cd'],
  ['?available', 'ab'],
  ['?status=draining', 'c'],
  ['?health=critical', 'd'],
  ['?health=passing&status=up', 'ab'],
  ['?tag=blue', 'abcd'],
  ['?tag=blue&tag=gpu', 'b'],
  ['?tag=green', ''],
  ['?zone=eu-2', 'b'],
  ['?node=h2', 'd'],
  ['?metadata.version=3', 'b'],
  ['?metadata.a%20b=c+d', 'b'],
  ['?metadata.toString=', ''],
] as const)('GET of a service with "%s" finds %s', async (query, expected) => {
  const { ids } = await lookupApi()
  expect(await ids(query)).toBe(expected)
})

test('an override of the host counts for status and availability', async () => {
  const { call, ids } = await lookupApi()
  await call('PUT /v1/nodes/h1/override', { body: { status: 'draining', reason: 'kernel' } })
  expect(await ids('?available=true')).toBe('')
  expect(await ids('?status=draining')).toBe('abc')
  await call('DELETE /v1/nodes/h1/override')
  expect(await ids('?available=true')).toBe('ab')
})

test('below its protection threshold a service answers all', async () => {
  const { call, ids } = await lookupApi()
  await call('PUT /v1/services/web/settings', { body: { protectThreshold: 0.5 } })
  expect(await ids('?available=true')).toBe('ab') // Two of four are not below a half.
  await call('POST /v1/services/web/instances/b/heartbeat', { body: { health: 'critical' } })
  expect(await ids('?available=true')).toBe('abcd')
  expect(jsonOf(await call('GET /v1/services/web?available=true'))['protected']).toBe(true)
})

test('an unknown service is an empty list', async () => {
  const { call } = await testApi()
  const answer = await call('GET /v1/services/nobody')
  expect(answer.status).toBe(200)
  expect(jsonOf(answer)).toEqual({ revision: 0, service: 'nobody', instances: [] })
})

test('GET of all services goes page by page', async () => {
  const { call } = await testApi()
  for (const service of ['api', 'web', 'web-admin', 'zoo']) {
    await call(`PUT /v1/services/${service}/instances/1`, { body: SPEC })
  }

  const all = jsonOf(await call('GET /v1/services'))
  const first = jsonOf(await call('GET /v1/services?limit=3'))
  const second = jsonOf(await call(`GET /v1/services?limit=3&cursor=${String(first['next'])}`))
  const web = jsonOf(await call('GET /v1/services?prefix=web&limit=2'))

  expect(all['revision']).toBe(4)
  expect(all).not.toHaveProperty('next')
  expect(names(first)).toEqual(['api', 'web', 'web-admin'])
  expect(names(second)).toEqual(['zoo'])
  expect(second).not.toHaveProperty('next')
  expect(names(web)).toEqual(['web', 'web-admin'])
  expect((all['services'] as object[])[1]).toEqual({
    name: 'web',
    instances: 1,
    available: 1,
    tags: ['blue'],
    revision: 2,
  })
})

function names(page: Record<string, unknown>): readonly string[] {
  return (page['services'] as { name: string }[]).map(({ name }) => name)
}

test('settings: PUT, GET, PUT back, DELETE; a service may exist empty', async () => {
  const { call } = await testApi()
  const path = '/v1/services/empty/settings'

  const created = await call(`PUT ${path}`, {
    body: { metadata: { team: 'a' }, protectThreshold: 0.3 },
  })
  const got = jsonOf(await call(`GET ${path}`))
  const again = await call(`PUT ${path}`, { body: got })

  expect([created.status, again.status]).toEqual([201, 200])
  expect(got).toMatchObject({ service: 'empty', metadata: { team: 'a' }, protectThreshold: 0.3 })
  expect(names(jsonOf(await call('GET /v1/services')))).toEqual(['empty'])
  expect((await call(`DELETE ${path}`)).status).toBe(204)
  expect((await call(`GET ${path}`)).status).toBe(404)
})

test('overrides: PUT, GET, PUT back, DELETE, of an instance and of a host', async () => {
  const { call } = await testApi()
  await call(`PUT ${WEB_1}`, { body: SPEC })
  for (const path of [`${WEB_1}/override`, '/v1/nodes/h1/override']) {
    expect((await call(`GET ${path}`)).status).toBe(404)
    const created = await call(`PUT ${path}`, { body: { status: 'down', reason: 'disk' } })
    expect(created.status).toBe(201)
    const got = await call(`GET ${path}`)
    expect(got.text).toBe(created.text)
    expect(jsonOf(got)).toMatchObject({ status: 'down', reason: 'disk', by: 'anonymous' })
    expect(jsonOf(got)).not.toHaveProperty('weight')
    expect((await call(`PUT ${path}`, { body: jsonOf(got) })).status).toBe(200)
    expect((await call(`DELETE ${path}`)).status).toBe(204)
    expect((await call(`GET ${path}`)).status).toBe(404)
  }
})
