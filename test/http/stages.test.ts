import { expect, test } from 'bun:test'
import { jsonOf, testApi } from './support.ts'
import type { Answer } from './support.ts'

const STAGE = '/v1/config-stages/app/db/canary'
const EU = { 'Rollcall-Labels': 'zone=eu,instance=i-1' }

async function api() {
  const made = await testApi()
  made.registry.apply({ type: 'cluster_version', version: 3 })
  const stage = (body: string, rule = 'zone=eu', more: Record<string, string> = {}) =>
    made.call(`PUT ${STAGE}`, { body, headers: { 'Rollcall-Stage-Rule': rule, ...more } })
  const get = (headers: Record<string, string> = {}) =>
    made.call('GET /v1/config/app/db', { headers })
  return { ...made, stage, get }
}

const seen = ({ status, text, headers }: Answer) => [
  status,
  text,
  headers.get('ETag'),
  headers.get('Rollcall-Stage'),
]

test('a staged value is given to those who match, with an ETag of its own', async () => {
  const { call, stage, get } = await api()
  await call('PUT /v1/config/app/db', { body: 'one' })

  const put = await stage('two', 'percent=100; zone = us,eu')
  expect(put.status).toBe(201)
  expect(put.headers.get('ETag')).toBe('"3"')
  expect(jsonOf(put)).toMatchObject({
    key: 'app/db',
    stage: 'canary',
    rule: 'zone=eu,us;percent=100',
    revision: 3,
    baseVersion: 1,
    size: 3,
  })

  expect(seen(await get(EU))).toEqual([200, 'two', '"1-canary.3"', 'canary'])
  expect(seen(await call('GET /v1/config/app/db?labels=zone=us,instance=i-2'))).toEqual([
    200,
    'two',
    '"1-canary.3"',
    'canary',
  ])
  for (const labels of ['', 'zone=ap,instance=i-1', 'zone=eu']) {
    expect(seen(await get({ 'Rollcall-Labels': labels }))).toEqual([200, 'one', '"1"', null])
  }
  const known = await get({ ...EU, 'If-None-Match': '"1", W/"1-canary.3"' })
  expect(seen(known)).toEqual([304, '', '"1-canary.3"', 'canary'])
  expect((await get({ ...EU, 'If-None-Match': '"1"' })).status).toBe(200)
  expect((await get({ 'If-None-Match': '"1-canary.3"' })).status).toBe(200)
})

test('?labels= stands in place of the header', async () => {
  const { call, stage } = await api()
  await stage('two')
  const headers = EU
  expect((await call('GET /v1/config/app/db?labels=zone=us', { headers })).status).toBe(404)
  expect((await call('GET /v1/config/app/db?labels=', { headers })).status).toBe(404)
  expect((await call('GET /v1/config/app/db', { headers })).text).toBe('two')
})

test('no write can build on the ETag of a staged value', async () => {
  const { call, stage, get } = await api()
  await stage('two')
  const tag = (await get(EU)).headers.get('ETag') ?? ''
  expect(tag).toBe('"0-canary.2"')
  const put = await call('PUT /v1/config/app/db', { body: 'x', headers: { 'If-Match': tag } })
  expect(put.status).toBe(400)
  expect(jsonOf(put)['detail']).toContain('staged value')
})

test('the stage itself is raw, with its rule, under its own revision', async () => {
  const { call, stage } = await api()
  await stage('{"a":1}', 'zone=eu', { 'Content-Type': 'application/json' })

  const got = await call(`GET ${STAGE}`)
  expect(got.text).toBe('{"a":1}')
  expect(got.headers.get('Content-Type')).toBe('application/json')
  expect(got.headers.get('Rollcall-Stage-Rule')).toBe('zone=eu')
  expect(got.headers.get('ETag')).toBe('"2"')
  expect((await call(`GET ${STAGE}`, { headers: { 'If-None-Match': '"2"' } })).status).toBe(304)
  expect((await stage('x', 'zone=eu', { 'If-Match': '"9"' })).status).toBe(412)
  expect((await stage('x', 'zone=eu', { 'If-None-Match': '*' })).status).toBe(412)
  expect((await stage('x', 'zone=eu', { 'If-Match': '"2"' })).status).toBe(200)
  expect((await call(`DELETE ${STAGE}`, { headers: { 'If-Match': '"2"' } })).status).toBe(412)
  expect((await call(`DELETE ${STAGE}`)).status).toBe(204)
  expect((await call(`DELETE ${STAGE}`)).status).toBe(204)
  expect((await call(`GET ${STAGE}`)).status).toBe(404)
})

test('promote makes it the next version, as it was staged or as If-Match says', async () => {
  const { call, stage, get } = await api()
  await call('PUT /v1/config/app/db', { body: 'one' })
  await stage('two')
  await call('PUT /v1/config/app/db', { body: 'fix' })

  const late = await call(`POST ${STAGE}/promote`)
  expect(late.status).toBe(412)
  expect(jsonOf(late)).toMatchObject({ current: 2, outcome: 'not_applied' })
  expect(jsonOf(late)['detail']).toContain('since version 1, on which it was staged')

  const headers = { 'If-Match': '"2"' }
  const done = await call(`POST ${STAGE}/promote?comment=go`, { headers })
  expect(done.status).toBe(200)
  expect(jsonOf(done)).toMatchObject({ key: 'app/db', version: 3 })
  expect(done.headers.get('ETag')).toBe('"3"')
  expect(seen(await get())).toEqual([200, 'two', '"3"', null])
  expect(seen(await get(EU))).toEqual([200, 'two', '"3"', null])
  expect((await call(`POST ${STAGE}/promote`)).status).toBe(404)
})

test('a long poll is woken by the stages that its caller can see, and by no other', async () => {
  const { call, registry, stage } = await api()
  await call('PUT /v1/config/app/db', { body: 'one' })
  const path = 'GET /v1/config/app/db?since=2&wait=10m'
  const eu = call(path, { headers: EU })
  const us = call(path, { headers: { 'Rollcall-Labels': 'zone=us' } })
  const anybody = call(path)
  const list = call('GET /v1/config?prefix=app/&since=2&wait=10m')
  while (registry.waiting < 4) await Bun.sleep(1)

  await stage('two')
  expect((await eu).text).toBe('two')
  expect(registry.waiting).toBe(3)
  await call(`DELETE ${STAGE}`)
  expect(registry.waiting).toBe(3)

  await call('PUT /v1/config/app/db', { body: 'three' })
  expect((await Promise.all([us, anybody])).map(({ text }) => text)).toEqual(['three', 'three'])
  expect(jsonOf(await list)).toMatchObject({ items: [{ key: 'app/db', version: 2 }] })
})

test('who loses a staged value is woken', async () => {
  const { call, registry, stage } = await api()
  await stage('two')
  const poll = call('GET /v1/config/app/db?since=2&wait=10m', { headers: EU })
  while (registry.waiting < 1) await Bun.sleep(1)
  await stage('two', 'zone=us')
  expect((await poll).status).toBe(404)
})

test('stages are listed of one key, or under a prefix in pages', async () => {
  const { call, stage } = await api()
  await stage('two')
  const headers = { 'Rollcall-Stage-Rule': 'percent=10' }
  await call('PUT /v1/config-stages/app/a/one', { body: 'x', headers })
  await call('PUT /v1/config-stages/app/a/two?comment=why', { body: 'x', headers })

  const ofKey = jsonOf(await call('GET /v1/config-stages?key=app/a'))
  expect(ofKey['items']).toMatchObject([
    { key: 'app/a', stage: 'one', rule: 'percent=10', comment: null },
    { key: 'app/a', stage: 'two', comment: 'why' },
  ])
  const first = jsonOf(await call('GET /v1/config-stages?prefix=app&limit=1'))
  expect(first['items']).toHaveLength(2)
  const rest = jsonOf(await call(`GET /v1/config-stages?limit=1&cursor=${String(first['next'])}`))
  expect(rest['items']).toMatchObject([{ key: 'app/db', stage: 'canary' }])
  expect(rest['next']).toBeUndefined()
})

test.each([
  ['PUT', STAGE, undefined, 'Rollcall-Stage-Rule', 'is needed'],
  ['PUT', STAGE, 'zone', 'Rollcall-Stage-Rule', 'zone=eu;percent=10'],
  ['PUT', '/v1/config/app/db', 'zone=eu', 'Rollcall-Stage-Rule', 'this is for all'],
  ['PUT', '/v1/config-stages/app', 'zone=eu', 'stage', '?key=app'],
  ['PUT', '/v1/config-stages/a//b', 'zone=eu', 'key', 'must not end'],
  ['PUT', '/v1/config-stages/a/b%00', 'zone=eu', 'stage', 'U+0000'],
])('%s %s with the rule %p is 400 about %s', async (method, path, rule, field, says) => {
  const { call, registry } = await api()
  const headers = rule === undefined ? {} : { 'Rollcall-Stage-Rule': rule }
  const answer = await call(`${method} ${path}`, { body: 'x', headers })
  expect(answer.status).toBe(400)
  expect(jsonOf(answer)['issues']).toMatchObject([{ path: field }])
  expect(jsonOf(answer)['detail']).toContain(says)
  expect(registry.proposed).toEqual([])
})

test('what is staged does not depend on how the key was encoded', async () => {
  const { call, stage } = await api()
  await stage('two')
  expect((await call('GET /v1/config-stages/app%2Fdb/canary')).text).toBe('two')
  expect((await call('GET /v1/config-stages/app%2Fdb%2Fcanary')).text).toBe('two')
})

test('a watch tells what is staged to those whom it is for, and to nobody else', async () => {
  const { app, stage, call } = await api()
  const watch = async (labels: string) => {
    const path = `/v1/watch?topic=config/app/*&since=1&values=true&labels=${labels}`
    const answer = await app.request(path, { headers: { Accept: 'application/x-ndjson' } })
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
    return async () => {
      const { value } = await reader.read()
      const lines = new TextDecoder().decode(value).trim().split('\n')
      await reader.cancel()
      return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    }
  }
  await stage('two')
  await stage('two', 'zone=us')
  await call(`DELETE ${STAGE}`)
  await call('PUT /v1/config/app/db', { body: 'one' })

  const told = async (labels: string) =>
    (await (await watch(labels))())
      .filter((one) => one['event'] === 'config.staged' || one['event'] === 'config.put')
      .map((one) => {
        const data = one['data'] as Record<string, unknown>
        return [one['event'], data['action'], data['value'], data['revision']]
      })
  const put = ['config.put', undefined, 'one', 5]
  expect(await told('')).toEqual([put])
  expect(await told('zone=ap')).toEqual([put])
  expect(await told('zone=eu')).toEqual([
    ['config.staged', 'staged', 'two', 2],
    ['config.staged', 'staged', 'two', 3], // It was theirs until now.
    put,
  ])
  expect(await told('zone=us')).toEqual([
    ['config.staged', 'staged', 'two', 3],
    ['config.staged', 'aborted', undefined, 4],
    put,
  ])
})

test('what is staged fits the schemas of its key, and so does what is promoted', async () => {
  const { call, stage, get } = await api()
  const type = { 'Content-Type': 'application/json' }
  await stage('{"port":1}', 'zone=eu', type)
  await call('PUT /v1/config-schemas/app/', { body: { type: 'object', required: ['host'] } })

  const bad = await stage('{}', 'zone=eu', type)
  expect([bad.status, jsonOf(bad)['code']]).toEqual([422, 'schema_violation'])
  const late = await call(`POST ${STAGE}/promote`)
  expect([late.status, jsonOf(late)['code']]).toEqual([422, 'schema_violation'])
  expect((await get()).status).toBe(404)

  expect((await stage('{"host":"a"}', 'zone=eu', type)).status).toBe(200)
  expect((await call(`POST ${STAGE}/promote`)).status).toBe(201)
  expect((await stage('{', 'zone=eu', type)).status).toBe(400)
})

test('a promotion that is repeated under its key is answered alike', async () => {
  const { call, stage } = await api()
  await stage('two')
  const promote = () => call(`POST ${STAGE}/promote`, { headers: { 'Idempotency-Key': 'go' } })
  const first = await promote()
  const again = await promote()
  expect([first.status, again.status, again.text]).toEqual([201, 201, first.text])
})
