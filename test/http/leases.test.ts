import { expect, test } from 'bun:test'

import { jsonOf, testApi } from './support.ts'

async function granted() {
  const api = await testApi()
  const answer = await api.call('POST /v1/leases', { body: { ttl: '500ms', owner: 'worker 7' } })
  const id = String(jsonOf(answer)['id'])
  return { ...api, answer, id }
}

test('a lease is granted with an id of its own', async () => {
  const { answer, id } = await granted()
  expect(answer.status).toBe(201)
  expect(jsonOf(answer)).toEqual({ id, ttl: '500ms', ttlMs: 500 })
  expect(id).toMatch(/^[0-9a-f-]{36}$/)
})

test('a lease shows what hangs on it', async () => {
  const { call, id } = await granted()
  await call(`PUT /v1/config/app/leader?lease=${id}`, { body: 'n1' })

  const answer = await call(`GET /v1/leases/${id}`)

  expect(jsonOf(answer)).toEqual({
    id,
    ns: 'default',
    ttl: '500ms',
    ttlMs: 500,
    owner: 'worker 7',
    instances: [],
    config: ['app/leader'],
    locks: [],
    expiresInMs: 500,
    revision: 1,
  })
})

test('what hangs on a lease goes with it', async () => {
  const { call, id } = await granted()
  await call(`PUT /v1/config/app/leader?lease=${id}`, { body: 'n1' })

  expect((await call(`DELETE /v1/leases/${id}`)).status).toBe(204)

  expect((await call('GET /v1/config/app/leader')).status).toBe(404)
  expect((await call(`GET /v1/leases/${id}`)).status).toBe(404)
  expect((await call(`POST /v1/leases/${id}/heartbeat`)).status).toBe(404)
  expect((await call(`DELETE /v1/leases/${id}`)).status).toBe(204)
})

test('a lease is renewed by a heartbeat', async () => {
  const { call, id } = await granted()
  const answer = await call(`POST /v1/leases/${id}/heartbeat`)
  expect(jsonOf(answer)).toEqual({ ttl: '500ms', ttlMs: 500, expiresInMs: 500 })
})

test('a lease of another namespace is not there', async () => {
  const { call, id } = await granted()
  expect((await call(`GET /v1/leases/${id}?ns=b`)).status).toBe(404)
  expect((await call(`POST /v1/leases/${id}/heartbeat?ns=b`)).status).toBe(404)
  await call(`DELETE /v1/leases/${id}?ns=b`)
  expect((await call(`GET /v1/leases/${id}`)).status).toBe(200)
})

test('a key cannot hang on a lease that is not there', async () => {
  const { call } = await testApi()
  const answer = await call('PUT /v1/config/a?lease=nobody', { body: 'x' })
  expect(answer.status).toBe(404)
  expect(jsonOf(answer)).toMatchObject({ code: 'not_found', outcome: 'not_applied' })
})
