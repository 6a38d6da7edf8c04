import { expect, test } from 'bun:test'

import { jsonOf, testApi } from './support.ts'

/** Every route of API.md that exists; `tidy` for the router: none is there by accident. */
const ROUTES = [
  'DELETE /v1/cluster/members/{id}',
  'DELETE /v1/config-schemas/{prefix}',
  'DELETE /v1/config-stages/{key}',
  'DELETE /v1/config/{key}',
  'DELETE /v1/leases/{id}',
  'DELETE /v1/locks/{name}',
  'DELETE /v1/nodes/{node}/override',
  'DELETE /v1/services/{service}/instances/{id}',
  'DELETE /v1/services/{service}/instances/{id}/override',
  'DELETE /v1/services/{service}/settings',
  'GET /',
  'GET /health',
  'GET /livez',
  'GET /metrics',
  'GET /readyz',
  'GET /v1/cluster',
  'GET /v1/config',
  'GET /v1/config-diff/{key}',
  'GET /v1/config-export',
  'GET /v1/config-history/{key}',
  'GET /v1/config-listeners/{key}',
  'GET /v1/config-schemas',
  'GET /v1/config-schemas/{prefix}',
  'GET /v1/config-stages',
  'GET /v1/config-stages/{key}',
  'GET /v1/config/{key}',
  'GET /v1/leases/{id}',
  'GET /v1/locks',
  'GET /v1/locks/{name}',
  'GET /v1/nodes/{node}/override',
  'GET /v1/services',
  'GET /v1/services/{service}',
  'GET /v1/services/{service}/instances/{id}',
  'GET /v1/services/{service}/instances/{id}/override',
  'GET /v1/services/{service}/settings',
  'GET /v1/status',
  'GET /v1/watch',
  'PATCH /v1/services/{service}/instances/{id}',
  'POST /v1/cluster/members',
  'POST /v1/cluster/snapshot',
  'POST /v1/cluster/transfer',
  'POST /v1/config-import',
  'POST /v1/config-rollback/{key}',
  'POST /v1/config-stages/{key}/promote',
  'POST /v1/heartbeats',
  'POST /v1/leases',
  'POST /v1/leases/{id}/heartbeat',
  'POST /v1/locks/{name}',
  'POST /v1/locks/{name}/renew',
  'POST /v1/services/{service}/instances/{id}/heartbeat',
  'POST /v1/txn',
  'PUT /v1/cluster/members',
  'PUT /v1/config-schemas/{prefix}',
  'PUT /v1/config-stages/{key}',
  'PUT /v1/config/{key}',
  'PUT /v1/nodes/{node}/override',
  'PUT /v1/services/{service}/instances/{id}',
  'PUT /v1/services/{service}/instances/{id}/override',
  'PUT /v1/services/{service}/settings',
]

test('the router holds the documented routes, and no other', async () => {
  const { app } = await testApi()
  const routes = app.routes
    .filter(({ method }) => method !== 'ALL')
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)(\{\.\+\})?/g, '{$1}')}`)
  expect(routes.sort()).toEqual(ROUTES)
})

test.each(ROUTES)('%s refuses an unknown parameter before it does anything', async (route) => {
  const { call, registry } = await testApi()
  const answer = await call(`${route.replaceAll(/\{\w+\}/g, 'x')}?zzzzzz=1`)
  expect(answer.status).toBe(400)
  expect(jsonOf(answer)['issues']).toMatchObject([{ path: '?zzzzzz' }])
  expect([registry.proposed, registry.reads]).toEqual([[], []])
})

test.each(ROUTES.filter((route) => !route.startsWith('GET')))(
  '%s refuses what is no idempotency key, and no fence',
  async (route) => {
    const { call, registry } = await testApi()
    const line = route.replaceAll(/\{\w+\}/g, 'x')
    for (const [name, value] of Object.entries({
      'Idempotency-Key': 'a b',
      'Rollcall-Lock': 'l',
    })) {
      const answer = await call(line, { headers: { [name]: value } })
      expect(answer.status).toBe(400)
      expect(jsonOf(answer)['issues']).toMatchObject([{ path: name }])
    }
    expect([registry.proposed, registry.reads]).toEqual([[], []])
  },
)

test.each([
  ['GET /v1/servces/web', 'GET /v1/services/{service}'],
  ['GET /v1/service', 'GET /v1/services'],
  ['PUT /v1/services/web/instance/a', 'PUT /v1/services/{service}/instances/{id}'],
  [
    'POST /v1/services/web/instances/a/heartbeats',
    'POST /v1/services/{service}/instances/{id}/heartbeat',
  ],
  ['POST /v1/locks/a/renw', 'POST /v1/locks/{name}/renew'],
  ['GET /v1/configs/a', 'GET /v1/config/{key}'],
  ['GET /healthz', 'GET /health'],
  ['GET /metric', 'GET /metrics'],
  ['GET /v1/services/', 'GET /v1/services'],
] as const)('%s is 404 and names %s', async (line, nearest) => {
  const { call } = await testApi()
  const answer = await call(line)
  expect(answer.status).toBe(404)
  expect(jsonOf(answer)).toMatchObject({ code: 'no_such_route', nearest })
})

test('a path near nothing names nothing', async () => {
  const { call } = await testApi()
  expect(jsonOf(await call('GET /index.php'))).toMatchObject({
    code: 'no_such_route',
    nearest: null,
  })
})

test.each([
  ['DELETE /v1/services', 'GET, HEAD, OPTIONS'],
  ['POST /v1/services/web/instances/a', 'DELETE, GET, HEAD, OPTIONS, PATCH, PUT'],
  ['GET /v1/heartbeats', 'OPTIONS, POST'],
  ['HEAD /v1/heartbeats', 'OPTIONS, POST'],
  ['POST /v1/config/a/b', 'DELETE, GET, HEAD, OPTIONS, PUT'],
  ['PROPFIND /v1/status', 'GET, HEAD, OPTIONS'],
] as const)('%s is 405 and allows %s', async (line, allow) => {
  const { call } = await testApi()
  const answer = await call(line)
  expect(answer.status).toBe(405)
  expect(answer.headers.get('Allow')).toBe(allow)
})

test('OPTIONS tells what a resource allows', async () => {
  const { call } = await testApi()
  const answer = await call('OPTIONS /v1/config/a/b')
  expect([answer.status, answer.text]).toEqual([204, ''])
  expect(answer.headers.get('Allow')).toBe('DELETE, GET, HEAD, OPTIONS, PUT')
})

test('HEAD is GET without a body', async () => {
  const { call } = await testApi()
  await call('PUT /v1/config/k', { body: 'x' })
  const answer = await call('HEAD /v1/config/k')
  expect([answer.status, answer.text]).toEqual([200, ''])
  expect(answer.headers.get('ETag')).toBe('"1"')
})
