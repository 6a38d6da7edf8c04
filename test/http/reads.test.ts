import { expect, test } from 'bun:test'

import { testApi } from './support.ts'

const WEB_1 = '/v1/services/web/instances/web-1'
const SPEC = { address: '10.0.0.1' }

test('a read is a lease read, unless it asks for another', async () => {
  const { call, registry } = await testApi()

  await call('GET /v1/services')
  await call('GET /v1/services?consistency=linearizable&min-revision=3&timeout=1s')
  await call('GET /v1/services?consistency=stale&max-staleness=10s')

  const defaults = { maxStalenessMs: null, minRevision: 0, timeoutMs: 5_000 }
  expect(registry.reads).toEqual([
    { ...defaults, consistency: 'lease' },
    { ...defaults, consistency: 'linearizable', minRevision: 3, timeoutMs: 1_000 },
    { ...defaults, consistency: 'stale', maxStalenessMs: 10_000 },
  ])
})

test('answers say how they were read', async () => {
  const { call } = await testApi()
  await call(`PUT ${WEB_1}`, { body: SPEC })

  const stale = (await call('GET /v1/services?consistency=stale')).headers
  const missing = (await call('GET /v1/config/none?consistency=linearizable')).headers

  expect(stale.get('Rollcall-Consistency')).toBe('stale')
  expect(stale.get('Rollcall-Staleness-Ms')).toBe('7')
  expect(missing.get('Rollcall-Consistency')).toBe('linearizable')
  expect(missing.get('Rollcall-Staleness-Ms')).toBeNull()
  for (const headers of [stale, missing]) {
    expect(headers.get('Rollcall-Revision')).toBe('1')
    expect(headers.get('Rollcall-Node')).toBe('n1')
    expect(headers.get('Rollcall-Leader')).toBe('http://127.0.0.1:7401')
  }
})

test.each([
  ['GET /nowhere', 404],
  ['DELETE /v1/services', 405],
  ['OPTIONS /v1/services', 204],
  ['HEAD /v1/services', 200],
  ['PUT /v1/config/a//b', 400],
  ['GET /v1/leases/none', 404],
  ['POST /v1/leases', 400],
] as const)('%s (%d) names node, leader and revision', async (line, status) => {
  const { call } = await testApi()
  const answer = await call(line)
  expect(answer.status).toBe(status)
  expect(answer.headers.get('Rollcall-Node')).toBe('n1')
  expect(answer.headers.get('Rollcall-Leader')).toBe('http://127.0.0.1:7401')
  expect(answer.headers.get('Rollcall-Revision')).toBe('0')
})

test('a write names the revision it made', async () => {
  const { call } = await testApi()
  await call('PUT /v1/config/a', { body: 'x' })
  const mismatch = await call('PUT /v1/config/a', { body: 'x', headers: { 'If-None-Match': '*' } })
  expect(mismatch.headers.get('Rollcall-Revision')).toBe('2')
})

test.each([
  WEB_1,
  `${WEB_1}/override`,
  '/v1/services/web',
  '/v1/services',
  '/v1/services/web/settings',
  '/v1/config/k',
  '/v1/config?prefix=k',
])('GET %s is 304 for who has it, and 200 after a change', async (path) => {
  const { call } = await testApi()
  const change = async () => {
    await call(`PUT ${WEB_1}`, { body: SPEC })
    await call(`PUT ${WEB_1}/override`, { body: { weight: 1 } })
    await call('PUT /v1/services/web/settings', { body: {} })
    await call('PUT /v1/config/k', { body: 'x' })
  }
  await change()
  const tag = (await call(`GET ${path}`)).headers.get('ETag') ?? ''
  const again = () => call(`GET ${path}`, { headers: { 'If-None-Match': `"0", W/${tag}` } })

  const same = await again()
  await change()
  const changed = await again()

  expect(tag).toMatch(/^"\d+"$/)
  expect([same.status, same.text, same.headers.get('ETag')]).toEqual([304, '', tag])
  expect(changed.status).toBe(200)
})

test.each([
  ['services', '/v1/services', `PUT ${WEB_1}`],
  ['a service', '/v1/services/web', `PUT ${WEB_1}`],
  ['a missing instance', WEB_1, `PUT ${WEB_1}`],
  ['a missing key', '/v1/config/app/k', 'PUT /v1/config/app/k'],
  ['a prefix', '/v1/config?prefix=app/', 'PUT /v1/config/app/k'],
] as const)('a wait for %s ends with its change, and with nothing else', async (_, path, write) => {
  const { call, registry } = await testApi()
  await call('PUT /v1/config/other', { body: 'x' })
  const parameters = 'since=1&wait=10m&consistency=linearizable'
  let isDone = false

  const waiting = call(`GET ${path}${path.includes('?') ? '&' : '?'}${parameters}`)
  void waiting.then(() => (isDone = true))
  await call('PUT /v1/config/other', { body: 'y' })
  await call('PUT /v1/services/api/instances/1?ns=b', { body: SPEC })
  expect([isDone, registry.waiting]).toEqual([false, 1])
  await call(write, { body: SPEC })

  expect((await waiting).status).toBe(200)
  expect((await waiting).headers.get('Rollcall-Revision')).toBe('4')
  expect(registry.waiting).toBe(0)
  expect(registry.reads.at(-1)?.consistency).toBe('linearizable')
})

test('a wait counts a removal as a change', async () => {
  const { call } = await testApi()
  await call(`PUT ${WEB_1}`, { body: SPEC })
  const waiting = call(`GET ${WEB_1}?since=1&wait=1m`)
  await call(`DELETE ${WEB_1}`)
  expect((await waiting).status).toBe(404)
})

test('a wait is over at once where there is news, or since lies in the future', async () => {
  const { call, registry } = await testApi()
  await call(`PUT ${WEB_1}`, { body: SPEC })
  expect((await call(`GET ${WEB_1}?since=0&wait=10m`)).status).toBe(200)
  expect((await call(`GET ${WEB_1}?since=99&wait=10m`)).status).toBe(200)
  expect((await call(`GET ${WEB_1}?since=1`)).status).toBe(200)
  expect(registry.waiting).toBe(0)
})

test('a wait ends when the caller goes, and when the node stops', async () => {
  const closing = new AbortController()
  const { app, registry } = await testApi({ closing: closing.signal })
  const gone = new AbortController()

  const first = app.request('/v1/services?since=0&wait=10m', { signal: gone.signal })
  const second = app.request('/v1/services?since=0&wait=10m')
  expect(registry.waiting).toBe(2)
  gone.abort()
  await first
  expect(registry.waiting).toBe(1)
  closing.abort()

  expect((await second).status).toBe(200)
  expect(registry.waiting).toBe(0)
})

test('the server is told of an answer that takes its time', async () => {
  const { app } = await testApi()
  let kept = 0
  const fetch = (path: string) =>
    app.fetch(new Request(`http://localhost${path}`), { keepOpen: () => (kept += 1) })
  await fetch('/v1/services')
  expect(kept).toBe(0)
  await fetch('/v1/services?since=9&wait=1m')
  await fetch('/v1/services?timeout=20s')
  expect(kept).toBe(2)
})
