import { expect, test } from 'bun:test'

import { instanceLease } from '../../src/state/mod.ts'
import { jsonOf, testApi } from './support.ts'

const WEB_1 = '/v1/services/web/instances/web-1'
const KEY = { ns: 'default', service: 'web', id: 'web-1' }

async function beatingApi(body: object = { address: 'a', ttl: '15s', removeAfter: '1m' }) {
  const api = await testApi()
  await api.call(`PUT ${WEB_1}`, { body })
  api.registry.proposed.length = 0
  return api
}

test('a heartbeat answers the TTL and what remains, and proposes nothing', async () => {
  const { call, registry } = await beatingApi()

  const answer = await call(`POST ${WEB_1}/heartbeat`)

  expect(answer.status).toBe(200)
  expect(jsonOf(answer)).toEqual({ ttl: '15s', ttlMs: 15_000, expiresInMs: 15_000 })
  expect(registry.proposed).toEqual([])
  expect(registry.reads).toEqual([])
})

test('a heartbeat that has to wait is answered like one that has not', async () => {
  const { call, registry } = await beatingApi()
  const atOnce = await call(`POST ${WEB_1}/heartbeat`)

  registry.answersAtOnce = false
  const later = await call(`POST ${WEB_1}/heartbeat`)

  expect([later.status, later.text]).toEqual([atOnce.status, atOnce.text])
})

test('a heartbeat that could be answered at once is judged as any other', async () => {
  const { call } = await beatingApi()
  const bad = [
    await call(`POST ${WEB_1}/heartbeat?timeout=never`),
    await call(`POST ${WEB_1}/heartbeat`, { headers: { 'Content-Encoding': 'gzip' } }),
    await call(`POST ${WEB_1}/heartbeat`, { headers: { 'Idempotency-Key': 'a b' } }),
    await call(`POST ${WEB_1}/heartbeat`, { body: { health: 'odd' } }),
  ]
  expect(bad.map(({ status }) => status)).toEqual([400, 400, 400, 400])
})

test('a heartbeat of what is not there is 404', async () => {
  const { call } = await testApi()
  const answer = await call(`POST ${WEB_1}/heartbeat`)
  expect(answer.status).toBe(404)
  expect(jsonOf(answer)).toMatchObject({ code: 'not_found', outcome: 'not_applied' })
})

test('a heartbeat of a persistent instance says that it needs none', async () => {
  const { call } = await beatingApi({ address: 'a' })
  expect(jsonOf(await call(`POST ${WEB_1}/heartbeat`))).toEqual({ persistent: true })
})

test('health is logged when it changes, and only then', async () => {
  const { call, registry } = await beatingApi()
  const beat = (body: object) => call(`POST ${WEB_1}/heartbeat`, { body })

  await beat({ health: 'passing' })
  expect(registry.proposed).toEqual([])
  await beat({ health: 'warning', note: 'disk at 91 %' })
  await beat({ health: 'warning', note: 'disk at 91 %' })
  await beat({ health: 'warning' })
  await beat({})
  await beat({ note: null })
  expect(registry.proposed).toHaveLength(1)
  await beat({ note: 'disk at 95 %' })

  expect(registry.proposed).toEqual([
    { type: 'instance_health', key: KEY, health: 'warning', note: 'disk at 91 %' },
    { type: 'instance_health', key: KEY, health: null, note: 'disk at 95 %' },
  ])
  expect(jsonOf(await call(`GET ${WEB_1}`))).toMatchObject({
    health: 'warning',
    healthReason: 'disk at 95 %',
  })
})

test('a persistent instance can report its health too', async () => {
  const { call } = await beatingApi({ address: 'a' })
  const answer = await call(`POST ${WEB_1}/heartbeat`, { body: { health: 'critical' } })
  expect(jsonOf(answer)).toEqual({ persistent: true })
  expect(jsonOf(await call(`GET ${WEB_1}`))['available']).toBe(false)
})

test('a lapsed instance is critical because of its ttl, and a beat brings it back', async () => {
  const { call, registry } = await beatingApi()
  registry.lapse(instanceLease(KEY))
  expect(jsonOf(await call(`GET ${WEB_1}`))).toMatchObject({
    health: 'critical',
    healthReason: 'ttl',
    available: false,
  })

  expect((await call(`POST ${WEB_1}/heartbeat`)).status).toBe(200)

  expect(jsonOf(await call(`GET ${WEB_1}`))['health']).toBe('passing')
})

test('many at once: what was renewed is counted, what is missing is named', async () => {
  const { call } = await beatingApi()
  await call('PUT /v1/services/web/instances/fixed', { body: { address: 'a' } })
  const lease = String(jsonOf(await call('POST /v1/leases', { body: { ttl: '1m' } }))['id'])
  const foreign = String(jsonOf(await call('POST /v1/leases?ns=b', { body: { ttl: '1m' } }))['id'])

  const answer = await call('POST /v1/heartbeats', {
    body: {
      instances: [
        { service: 'web', id: 'web-1' },
        { service: 'web', id: 'gone' },
        { service: 'web', id: 'fixed' },
      ],
      leases: [lease, 'unknown', foreign],
    },
  })

  expect(answer.status).toBe(200)
  expect(jsonOf(answer)).toEqual({
    renewed: 3,
    missing: [{ service: 'web', id: 'gone' }, { lease: 'unknown' }, { lease: foreign }],
  })
})

test('many at once may be none', async () => {
  const { call } = await testApi()
  expect(jsonOf(await call('POST /v1/heartbeats', { body: {} }))).toEqual({
    renewed: 0,
    missing: [],
  })
})
