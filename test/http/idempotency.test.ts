/** API.md "retries": a repeat with the same key gets the same answer, and is applied once. */
import { expect, test } from 'bun:test'

import { jsonOf, testApi } from './support.ts'
import type { Answer } from './support.ts'

const INSTANCE = '/v1/services/web/instances/a'

/** Every write of the API, with a body that does something the first time. */
const WRITES: readonly (readonly [string, string | object | undefined, number])[] = [
  ['PUT /v1/config/app/db', 'x', 201],
  ['DELETE /v1/config/app/old', undefined, 204],
  ['POST /v1/config-rollback/app/old', { to: 1 }, 200],
  ['PUT /v1/services/web/instances/new', { address: '10.0.0.9' }, 201],
  [`PATCH ${INSTANCE}`, { weight: 2 }, 200],
  [`DELETE ${INSTANCE}`, undefined, 204],
  [`PUT ${INSTANCE}/override`, { status: 'draining', reason: 'x' }, 201],
  [`DELETE ${INSTANCE}/override`, undefined, 204],
  ['PUT /v1/nodes/h1/override', { status: 'down', reason: 'x' }, 201],
  ['DELETE /v1/nodes/h1/override', undefined, 204],
  ['PUT /v1/services/web/settings', { metadata: { team: 'x' } }, 201],
  ['DELETE /v1/services/web/settings', undefined, 204],
  ['POST /v1/leases', { ttl: '10s' }, 201],
  ['DELETE /v1/leases/none', undefined, 204],
  ['POST /v1/txn', { then: [{ op: 'config.put', key: 'a', value: 'x' }] }, 200],
  ['PATCH /v1/services/web/instances/none', { weight: 2 }, 404],
]

async function prepared() {
  const api = await testApi()
  await api.call(`PUT ${INSTANCE}`, { body: { address: '10.0.0.1' } })
  await api.call('PUT /v1/config/app/old', { body: 'x' })
  return api
}

/** All of an answer that a client goes by. */
function essence({ status, headers, text }: Answer): readonly unknown[] {
  return [status, headers.get('ETag'), headers.get('Content-Type'), text]
}

test.each(WRITES)('%s with a key answers a repeat alike', async (line, body, status) => {
  const { call, registry } = await prepared()
  const request = { ...(body === undefined ? {} : { body }), headers: { 'Idempotency-Key': 'k1' } }
  const first = await call(line, request)
  const hash = registry.local.stateHash()

  const again = await call(line, request)

  expect(first.status).toBe(status)
  expect(essence(again)).toEqual(essence(first))
  expect(registry.local.stateHash()).toBe(hash)
})

test('the key may be quoted, the wait and the spelling of the path may differ', async () => {
  const { call, registry } = await testApi()
  const first = await call('PUT /v1/config/app/db', {
    body: 'x',
    headers: { 'Idempotency-Key': 'k1' },
  })
  const again = await call('PUT /v1/config/app%2Fdb?ns=default&timeout=9s', {
    body: 'x',
    headers: { 'Idempotency-Key': '"k1"' },
  })

  expect(essence(again)).toEqual(essence(first))
  expect(registry.local.config('default', 'app/db')?.version).toBe(1)
})

test.each([
  ['another body', 'PUT /v1/config/a', 'y', {}],
  ['another path', 'PUT /v1/config/b', 'x', {}],
  ['another method', 'DELETE /v1/config/a', undefined, {}],
  ['another namespace', 'PUT /v1/config/a?ns=other', 'x', {}],
  ['another namespace in a header', 'PUT /v1/config/a', 'x', { 'Rollcall-Namespace': 'other' }],
  ['another parameter', 'PUT /v1/config/a?comment=x', 'x', {}],
  ['a condition', 'PUT /v1/config/a', 'x', { 'If-Match': '"1"' }],
  ['a type', 'PUT /v1/config/a', 'x', { 'Content-Type': 'text/html' }],
  ['a fence', 'PUT /v1/config/a', 'x', { 'Rollcall-Lock': 'l=1' }],
  ['an author', 'PUT /v1/config/a', 'x', { 'Rollcall-Author': 'ann' }],
])('the same key with %s is 422', async (_, line, body, headers) => {
  const { call, registry } = await testApi()
  const key = { 'Idempotency-Key': 'k1' }
  await call('PUT /v1/config/a', { body: 'x', headers: key })
  const given = body === undefined ? {} : { body }

  const answer = await call(line, { ...given, headers: { ...headers, ...key } })

  expect(answer.status).toBe(422)
  expect(jsonOf(answer)).toMatchObject({
    code: 'idempotency_key_reused',
    outcome: 'not_applied',
  })
  expect(registry.local.configList('default', { prefix: '', after: null, limit: 9 })).toHaveLength(
    1,
  )
})

test('without an author the hash of a request is that of the releases before there were any', async () => {
  const { call, registry } = await testApi()
  const headers = { 'Idempotency-Key': 'k1', 'Content-Type': 'text/plain' }
  await call('PUT /v1/config/a', { body: 'x', headers })
  const [command] = registry.proposed

  // Taken from one of them: while releases mix, a repeat may meet either.
  expect(command?.type === 'keyed' ? Buffer.from(command.requestHash).toString('hex') : null).toBe(
    'f36b53622fc2a9526b24608bf3fcf7638d793dc018b85c6467c1ab27f0e8f54c',
  )
})

test('a body that a call does not need is a part of the request all the same', async () => {
  const { call } = await testApi()
  const headers = { 'Idempotency-Key': 'k1' }
  const statuses = []
  for (const body of ['', 'x', '']) {
    const given = body === '' ? {} : { body }
    statuses.push((await call('DELETE /v1/leases/l', { ...given, headers })).status)
  }
  expect(statuses).toEqual([204, 422, 204])
})

test('a full table of keys is 429, says when to come back, and applies nothing', async () => {
  const { call, registry } = await testApi({}, { keysMax: 1, bytesMax: 1_000_000, windowMs: 1_000 })
  const put = async (key: string) =>
    await call('PUT /v1/config/a', { body: 'x', headers: { 'Idempotency-Key': key } })
  await put('k1')

  const answer = await put('k2')

  expect(answer.status).toBe(429)
  expect(answer.headers.get('Retry-After')).toBe('1')
  expect(jsonOf(answer)).toMatchObject({ code: 'too_many_requests', outcome: 'not_applied' })
  expect(registry.local.config('default', 'a')?.version).toBe(1)
  expect((await call('PUT /v1/config/a', { body: 'x' })).status).toBe(200)
})

test('a heartbeat takes a key and leaves no row: it may be repeated as it is', async () => {
  const { call, registry } = await testApi()
  await call(`PUT ${INSTANCE}`, { body: { address: '10.0.0.1', ttl: '10s' } })
  const proposed = registry.proposed.length
  const headers = { 'Idempotency-Key': 'k1' }

  const plain = await call(`POST ${INSTANCE}/heartbeat`, { headers })
  const telling = await call(`POST ${INSTANCE}/heartbeat`, { headers, body: { health: 'warning' } })

  expect([plain.status, telling.status]).toEqual([200, 200])
  expect(registry.proposed.slice(proposed).map(({ type }) => type)).toEqual(['instance_health'])
})

test('a fenced write says that its token is none of a holder', async () => {
  const { call, registry } = await testApi()
  const headers = { 'Rollcall-Lock': 'l=7, m=8' }

  const answer = await call('PUT /v1/config/a', { body: 'x', headers })

  expect(answer.status).toBe(412)
  expect(jsonOf(answer)).toMatchObject({ code: 'stale_token', outcome: 'not_applied' })
  expect(registry.proposed[0]).toMatchObject({
    type: 'guarded',
    ns: 'default',
    fences: [
      { name: 'l', token: 7 },
      { name: 'm', token: 8 },
    ],
    command: { type: 'config_put' },
  })
})

test('a key stands around a fence: what the fence said is kept', async () => {
  const { call, registry } = await testApi()
  const headers = { 'Rollcall-Lock': 'l=7', 'Idempotency-Key': 'k1' }
  const first = await call('PUT /v1/config/a', { body: 'x', headers })

  const again = await call('PUT /v1/config/a', { body: 'x', headers })

  expect(registry.proposed[0]).toMatchObject({
    type: 'keyed',
    caller: '',
    key: 'k1',
    command: { type: 'guarded', command: { type: 'config_put' } },
  })
  expect(essence(again)).toEqual(essence(first))
})
