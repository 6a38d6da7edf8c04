import { expect, test } from 'bun:test'

import { jsonOf, testApi } from './support.ts'

const EVIL = 'http://evil.example'

test.each([
  ['a foreign origin', { Origin: EVIL }],
  ['an opaque origin', { Origin: 'null' }],
  ['another port', { Origin: 'http://localhost:3000' }],
  ['a name that begins alike', { Origin: 'http://localhost.evil.example' }],
  ['an origin with user info', { Origin: 'http://localhost@evil.example' }],
  ['Sec-Fetch-Site', { 'Sec-Fetch-Site': 'cross-site' }],
  ['a rebound name', { Host: 'evil.example' }],
  ['a rebound name and its origin', { Host: 'evil.example:7400', Origin: `${EVIL}:7400` }],
  ['two hosts', { Host: 'localhost, evil.example' }],
  ['a name like an address', { Host: '127.0.0.1.evil.example' }],
  ['no host at all', { Host: ' ' }],
] as const)('a request with %s is 403 before its body is read', async (_, headers) => {
  const { app, registry } = await testApi()
  let pulled = false
  const body = new ReadableStream({ pull: () => void (pulled = true) }, { highWaterMark: 0 })

  const answer = await app.request('/v1/config/k', { method: 'PUT', headers, body })

  expect(answer.status).toBe(403)
  expect(await answer.json()).toMatchObject({ code: 'permission_denied', outcome: 'not_applied' })
  expect(answer.headers.get('Rollcall-Node')).toBe('n1')
  expect(pulled).toBe(false)
  expect(registry.proposed).toEqual([])
})

test.each([
  ['/v1/services', { Origin: EVIL }],
  ['/nowhere', { Origin: EVIL }],
  ['/metrics', { Host: 'evil.example' }],
] as const)('GET %s from elsewhere is 403 too', async (path, headers) => {
  const { call } = await testApi()
  const answer = await call(`GET ${path}`, { headers })
  expect(answer.status).toBe(403)
  expect(jsonOf(answer)).not.toHaveProperty('outcome')
})

test('a preflight from elsewhere gets no permission', async () => {
  const { call } = await testApi()
  const answer = await call('OPTIONS /v1/services', { headers: { Origin: EVIL } })
  expect(answer.status).toBe(403)
  expect(answer.headers.get('Access-Control-Allow-Origin')).toBeNull()
})

test.each([
  { Host: 'localhost:7400', Origin: 'http://localhost:7400' },
  { Host: 'LOCALHOST' },
  { Host: 'n1.localhost:7400' },
  { Host: '127.0.0.1:7400' },
  { Host: '[::1]:7400', Origin: 'http://[::1]:7400' },
  { Host: '10.1.2.3' },
  { Host: 'n1.example:7400' },
  { 'Sec-Fetch-Site': 'same-origin' },
  { 'Sec-Fetch-Site': 'none' },
])('a request with %j is served', async (headers) => {
  const { call } = await testApi({ allowedHosts: ['n1.example'] })
  expect((await call('GET /v1/services', { headers })).status).toBe(200)
})

test('with no list of hosts every name is served', async () => {
  const { call } = await testApi({ allowedHosts: null })
  expect((await call('GET /v1/services', { headers: { Host: 'any.example' } })).status).toBe(200)
})
