import { expect, test } from 'bun:test'
import { jsonOf, testApi } from './support.ts'

/** The API of a cluster that knows all kinds of commands. */
async function api() {
  const made = await testApi()
  made.registry.apply({ type: 'cluster_version', version: 3 })
  return made
}

async function written(...values: readonly string[]) {
  const made = await api()
  for (const body of values) await made.call('PUT /v1/config/app/db', { body })
  return made
}

test('GET ?version= answers what was written then, with its ETag', async () => {
  const { call } = await written('one', 'two')

  const old = await call('GET /v1/config/app/db?version=1')

  expect([old.status, old.text, old.headers.get('ETag')]).toEqual([200, 'one', '"1"'])
  expect(old.headers.get('Content-Security-Policy')).toBe('sandbox')
  const known = await call('GET /v1/config/app/db?version=1', {
    headers: { 'If-None-Match': '"1"' },
  })
  expect(known.status).toBe(304)
})

test('GET ?version= of a key that was deleted still answers', async () => {
  const { call } = await written('one')
  await call('DELETE /v1/config/app/db')

  expect((await call('GET /v1/config/app/db')).status).toBe(404)
  expect((await call('GET /v1/config/app/db?version=1')).text).toBe('one')
})

test.each([
  ['/v1/config/app/db?version=3', 'the newest is 2'],
  ['/v1/config/none?version=1', 'there never was'],
  ['/v1/config-history/none', 'there never was'],
])('GET %s is 404', async (path, says) => {
  const { call } = await written('one', 'two')

  const answer = await call(`GET ${path}`)

  expect([answer.status, jsonOf(answer)['code']]).toEqual([404, 'not_found'])
  expect(jsonOf(answer)['detail']).toContain(says)
})

test('the history of a key is newest first, with who, when and why', async () => {
  const { call } = await api()
  await call('PUT /v1/config/k.json?comment=first+one', { body: '{}' })
  await call('DELETE /v1/config/k.json')
  await call('PUT /v1/config/k.json', { body: 'true' })

  const history = jsonOf(await call('GET /v1/config-history/k.json'))

  const type = { contentType: 'application/json', by: null }
  expect(history).toMatchObject({
    key: 'k.json',
    versions: [
      { version: 2, revision: 4, comment: null, deleted: false, size: 4, ...type },
      { version: 1, revision: 3, comment: null, deleted: true, size: 0, ...type },
      { version: 1, revision: 2, comment: 'first one', deleted: false, size: 2, ...type },
    ],
  })
  expect(JSON.stringify(history)).toMatch(/"at":"20\d\d-/)
  expect(history).not.toHaveProperty('next')
})

test('the history is paged, each line once', async () => {
  const { call } = await written('1', '2', '3', '4', '5')
  const seen: number[] = []
  let cursor = ''
  for (let pages = 0; pages < 5; pages++) {
    const page = jsonOf(await call(`GET /v1/config-history/app/db?limit=2${cursor}`))
    seen.push(...(page['versions'] as { version: number }[]).map(({ version }) => version))
    if (page['next'] === undefined) break
    cursor = `&cursor=${page['next'] as string}`
  }

  expect(seen).toEqual([5, 4, 3, 2, 1])
})

test('a rollback is a new version with the old bytes and type', async () => {
  const { call } = await api()
  await call('PUT /v1/config/k', {
    body: '{"a":1}',
    headers: { 'Content-Type': 'application/json' },
  })
  await call('PUT /v1/config/k', { body: 'oops' })

  const body = { to: 1, comment: 'oops' }
  const answer = await call('POST /v1/config-rollback/k', { body })

  expect([answer.status, jsonOf(answer)]).toEqual([200, { key: 'k', version: 3, revision: 4 }])
  const now = await call('GET /v1/config/k')
  expect([now.text, now.headers.get('ETag')]).toEqual(['{"a":1}', '"3"'])
  expect(now.headers.get('Content-Type')).toBe('application/json')
  expect((await call('GET /v1/config/k?version=2')).text).toBe('oops')
})

test('a rollback of a deleted key makes it again', async () => {
  const { call } = await written('one')
  await call('DELETE /v1/config/app/db')

  const answer = await call('POST /v1/config-rollback/app/db', { body: { to: 1 } })

  expect([answer.status, jsonOf(answer)['version']]).toEqual([200, 2])
  expect((await call('GET /v1/config/app/db')).text).toBe('one')
})

test('a rollback that expects another version is 412 with the current one', async () => {
  const { call } = await written('one', 'two')

  const headers = { 'If-Match': '"1"' }
  const answer = await call('POST /v1/config-rollback/app/db', { body: { to: 1 }, headers })

  expect([answer.status, jsonOf(answer)['current']]).toEqual([412, 2])
  expect((await call('GET /v1/config/app/db')).text).toBe('two')
})

test.each([
  [{ to: 7 }, 404],
  [{ to: 0 }, 400],
  [{ to: '1' }, 400],
  [{}, 400],
  [{ to: 1, coment: 'x' }, 400],
  [{ to: 1, comment: 'a\0b' }, 400],
])('POST of the rollback %j is %d and changes nothing', async (body, status) => {
  const { call, registry } = await written('one')
  const hash = registry.local.stateHash()

  expect((await call('POST /v1/config-rollback/app/db', { body })).status).toBe(status)
  expect(registry.local.stateHash()).toBe(hash)
})
