import { expect, test } from 'bun:test'

import { testApi, jsonOf } from './support.ts'

test('PUT of a key answers 201, then 200, with version and revision', async () => {
  const { call } = await testApi()

  const first = await call('PUT /v1/config/app/db', { body: 'one' })
  const second = await call('PUT /v1/config/app/db', { body: 'two' })

  expect([first.status, second.status]).toEqual([201, 200])
  expect(jsonOf(second)).toEqual({ key: 'app/db', version: 2, revision: 2 })
  expect(second.headers.get('ETag')).toBe('"2"')
})

test('GET answers the raw bytes, as they were, and keeps browsers from running them', async () => {
  const { app, call } = await testApi()
  const body = new Uint8Array([0, 255, 1, 254])
  await call('PUT /v1/config/blob', { body, headers: { 'Content-Type': 'text/html' } })

  const answer = await app.request('/v1/config/blob')

  expect(new Uint8Array(await answer.arrayBuffer())).toEqual(body)
  expect(answer.headers.get('Content-Type')).toBe('text/html')
  expect(answer.headers.get('X-Content-Type-Options')).toBe('nosniff')
  expect(answer.headers.get('Content-Security-Policy')).toBe('sandbox')
})

test('an empty value is a value', async () => {
  const { call } = await testApi()
  await call('PUT /v1/config/empty')
  const answer = await call('GET /v1/config/empty')
  expect([answer.status, answer.text]).toEqual([200, ''])
})

const FORM = 'application/x-www-form-urlencoded'

test.each([
  ['app.json', undefined, '{}', 'application/json'],
  ['app.YML', FORM, 'a: 1', 'application/yaml'],
  ['app.yml', 'text/x-mine; charset=utf-8', 'a: 1', 'text/x-mine; charset=utf-8'],
  ['app', FORM, 'text', 'text/plain'],
  ['app', `${FORM}; charset=utf-8`, 'text', 'text/plain'],
  ['app.unknown', undefined, 'text', 'text/plain'],
  ['app.toString', undefined, 'text', 'text/plain'],
  ['dir.json/app', undefined, 'text', 'text/plain'],
  ['app', undefined, new Uint8Array([0xff]), 'application/octet-stream'],
] as const)('the type of %s sent as %s is found', async (key, type, body, expected) => {
  const { call } = await testApi()
  const headers: Record<string, string> = type === undefined ? {} : { 'Content-Type': type }
  // A body of bytes carries no type of its own, as curl's --data-binary without one would not.
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body
  await call(`PUT /v1/config/${key}`, { body: bytes, headers })
  expect((await call(`GET /v1/config/${key}`)).headers.get('Content-Type')).toBe(expected)
})

test('DELETE is 204, also when there was none; versions go on', async () => {
  const { call } = await testApi()
  await call('PUT /v1/config/k', { body: 'one' })
  expect((await call('DELETE /v1/config/k')).status).toBe(204)
  expect((await call('GET /v1/config/k')).status).toBe(404)
  expect((await call('DELETE /v1/config/k')).status).toBe(204)
  const again = await call('PUT /v1/config/k', { body: 'two' })
  expect(again.status).toBe(201)
  expect(jsonOf(again)['version']).toBeGreaterThan(1)
})

test('a write may insist on what is there', async () => {
  const { call } = await testApi()
  const put = (headers: Record<string, string>) => call('PUT /v1/config/k', { body: 'x', headers })

  expect((await put({ 'If-Match': '*' })).status).toBe(412)
  expect((await put({ 'If-None-Match': '*' })).status).toBe(201)
  const exists = await put({ 'If-None-Match': '*' })
  expect(exists.status).toBe(412)
  expect(jsonOf(exists)).toMatchObject({
    code: 'version_mismatch',
    current: 1,
    outcome: 'not_applied',
  })
  expect((await put({ 'If-Match': '"7"' })).status).toBe(412)
  expect((await put({ 'If-Match': '"1"' })).status).toBe(200)
  expect((await put({ 'If-Match': '2' })).status).toBe(200)
  expect((await put({ 'If-Match': '"9", W/"3" , 8' })).status).toBe(200)
  expect((await call('DELETE /v1/config/k', { headers: { 'If-Match': '"1"' } })).status).toBe(412)
  expect((await call('DELETE /v1/config/k', { headers: { 'If-Match': '"4"' } })).status).toBe(204)
})

test('comment and lease go with the write', async () => {
  const { call, registry } = await testApi()
  const lease = String(jsonOf(await call('POST /v1/leases', { body: { ttl: '1m' } }))['id'])
  await call(`PUT /v1/config/k?comment=fix+the+%2B&lease=${lease}`, { body: 'x' })
  expect(registry.proposed.at(-1)).toMatchObject({ comment: 'fix the +', lease, by: null })
})

test('the list has pages, and values if asked', async () => {
  const { call } = await testApi({ limits: { pageBytesMax: 12 } })
  await call('PUT /v1/config/app/a', { body: 'text' })
  await call('PUT /v1/config/app/b', { body: new Uint8Array([255]) })
  await call('PUT /v1/config/app/c', { body: 'x'.repeat(20) })
  await call('PUT /v1/config/other', { body: 'x' })

  const plain = jsonOf(await call('GET /v1/config?prefix=app/'))
  const first = jsonOf(await call('GET /v1/config?prefix=app/&values=true'))
  const second = jsonOf(
    await call(`GET /v1/config?prefix=app/&values&cursor=${String(first['next'])}`),
  )

  expect(plain['revision']).toBe(3)
  expect(keys(plain)).toEqual(['app/a', 'app/b', 'app/c'])
  expect((plain['items'] as object[])[0]).toEqual({
    key: 'app/a',
    version: 1,
    revision: 1,
    contentType: expect.any(String),
    size: 4,
    updatedAt: '2027-01-15T08:00:00.001Z',
    updatedBy: null,
  })
  expect(first['items']).toMatchObject([{ value: 'text' }, { valueBase64: '/w==' }])
  expect(keys(second)).toEqual(['app/c'])
  expect(second).not.toHaveProperty('next')
})

test('the list goes on where a page ended', async () => {
  const { call } = await testApi()
  for (const key of ['a', 'b', 'c']) await call(`PUT /v1/config/${key}`, { body: key })
  const first = jsonOf(await call('GET /v1/config?limit=2'))
  const second = jsonOf(await call(`GET /v1/config?limit=2&cursor=${String(first['next'])}`))
  expect([keys(first), keys(second)]).toEqual([['a', 'b'], ['c']])
})

function keys(page: Record<string, unknown>): readonly string[] {
  return (page['items'] as { key: string }[]).map(({ key }) => key)
}
