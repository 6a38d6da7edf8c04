import { expect, test } from 'bun:test'
import { concatBytes } from '../../src/lib/bytes.ts'
import { packed } from '../../src/lib/ustar.ts'
import { jsonOf, testApi } from './support.ts'
import type { AppOptions } from '../../src/http/mod.ts'

const line = (key: string, value: string, more: object = {}) =>
  `${JSON.stringify({ key, value, ...more })}\n`

async function api(options: Partial<AppOptions> = {}) {
  const made = await testApi(options)
  made.registry.apply({ type: 'cluster_version', version: 3 })
  const bring = (body: string | Uint8Array, query = '', headers: Record<string, string> = {}) =>
    made.call(`POST /v1/config-import${query}`, { body, headers })
  const values = async (prefix = '') => {
    const list = jsonOf(await made.call(`GET /v1/config?prefix=${prefix}&values=true`))
    return (list['items'] as Record<string, unknown>[]).map(({ key, value, version }) => [
      key,
      value,
      version,
    ])
  }
  return { ...made, bring, values }
}

const bytesOf = async (answer: Response) => new Uint8Array(await answer.arrayBuffer())

test('an import is one transaction, and tells what it changed', async () => {
  const { call, bring, values, registry } = await api()
  await call('PUT /v1/config/app/a', { body: 'one' })
  await call('PUT /v1/config/app/b', { body: 'same' })
  const body = line('app/a', 'two') + line('app/b', 'same') + line('app/c.json', '{}')

  const dry = await bring(body, '?dryRun=true')
  const expected = {
    created: 1,
    changed: 1,
    deleted: 0,
    unchanged: 1,
    items: [
      {
        key: 'app/a',
        change: 'changed',
        from: { version: 1, contentType: 'text/plain', size: 3 },
        to: { contentType: 'text/plain', size: 3 },
      },
      { key: 'app/c.json', change: 'created', to: { contentType: 'application/json', size: 2 } },
    ],
  }
  expect(dry.status).toBe(200)
  const [changed, created] = expected.items
  const diff =
    '--- app/a@1\n+++ app/a@import\n@@ -1,1 +1,1 @@\n-one\n\\ No newline at end of file\n+two\n\\ No newline at end of file\n'
  const items = [{ ...changed, diff }, created]
  expect(jsonOf(dry)).toEqual({ dryRun: true, revision: 3, ...expected, items })
  expect(await values()).toEqual([
    ['app/a', 'one', 1],
    ['app/b', 'same', 1],
  ])

  const done = await bring(body, '?comment=move')
  expect(jsonOf(done)).toEqual({ dryRun: false, revision: 4, ...expected })
  expect(registry.proposed.at(-1)).toMatchObject({ type: 'txn' })
  expect(await values()).toEqual([
    ['app/a', 'two', 2],
    ['app/b', 'same', 1],
    ['app/c.json', '{}', 1],
  ])
  expect(jsonOf(await bring(body))).toMatchObject({
    created: 0,
    changed: 0,
    unchanged: 3,
    items: [],
  })
})

test('what is exported is imported elsewhere as it was, in both forms', async () => {
  const { app, call } = await api()
  const lease = String(jsonOf(await call('POST /v1/leases', { body: { ttl: '1m' } }))['id'])
  await call('PUT /v1/config/app/a.json', { body: '{"a":1}' })
  await call('PUT /v1/config/app/b', {
    body: new Uint8Array([0, 255]),
    headers: { 'Content-Type': 'image/png' },
  })
  await call('PUT /v1/config/app/b/c', { body: 'deeper' })
  await call(`PUT /v1/config/app/here?lease=${lease}`, { body: 'with its lease' })
  await call('PUT /v1/config/other', { body: 'x' })

  for (const format of ['ndjson', 'tar']) {
    const answer = await app.request(`/v1/config-export?prefix=app/&format=${format}`)
    expect(answer.headers.get('Rollcall-Revision')).toBe('7')
    const there = await api()
    const imported = await there.bring(await bytesOf(answer))
    expect(jsonOf(imported)).toMatchObject({ created: 3, changed: 0 })
    const list = jsonOf(await there.call('GET /v1/config?values=true'))
    expect(list['items']).toMatchObject([
      { key: 'app/a.json', value: '{"a":1}', contentType: 'application/json' },
      { key: 'app/b', valueBase64: 'AP8=', contentType: 'image/png' },
      { key: 'app/b/c', value: 'deeper', contentType: 'text/plain' },
    ])
  }
  const accepted = await app.request('/v1/config-export', {
    headers: { Accept: 'application/x-tar' },
  })
  expect(accepted.headers.get('Content-Type')).toBe('application/x-tar')
})

test('prune deletes what is under the prefix and not carried, but for what a lease holds', async () => {
  const { call, bring, values } = await api()
  const lease = String(jsonOf(await call('POST /v1/leases', { body: { ttl: '1m' } }))['id'])
  for (const key of ['app/a', 'app/b', 'apple', 'z'])
    await call(`PUT /v1/config/${key}`, { body: 'x' })
  await call(`PUT /v1/config/app/here?lease=${lease}`, { body: 'x' })

  expect((await bring(line('app/a', 'x'), '?prune=true')).status).toBe(400)
  expect((await bring(line('z', 'x'), '?prune=true&prefix=app/')).status).toBe(400)
  const done = await bring(line('app/a', 'x'), '?prune=true&prefix=app/')
  expect(jsonOf(done)).toMatchObject({
    deleted: 1,
    unchanged: 1,
    items: [{ key: 'app/b', change: 'deleted', from: { version: 1 } }],
  })
  expect((await values()).map(([key]) => key)).toEqual(['app/a', 'app/here', 'apple', 'z'])
})

test('a key that is written between the look and the transaction is looked at again', async () => {
  const { bring, values, registry } = await api()
  const propose = registry.propose.bind(registry)
  let others = 2
  registry.propose = (command) => {
    if (others-- > 0) {
      registry.apply({
        type: 'config_put',
        ns: 'default',
        key: 'a',
        contentType: 'text/plain',
        value: new TextEncoder().encode(`other ${others}`),
        comment: null,
        by: null,
        lease: null,
        expect: null,
      })
    }
    return propose(command)
  }
  expect(jsonOf(await bring(line('a', 'mine')))).toMatchObject({ changed: 1, created: 0 })
  expect(await values()).toEqual([['a', 'mine', 3]])

  others = 100
  const never = await bring(line('a', 'again'))
  expect([never.status, jsonOf(never)['outcome']]).toEqual([409, 'not_applied'])
})

test('a repeat under a key applies nothing twice', async () => {
  const { call, bring, values } = await api()
  const headers = { 'Idempotency-Key': 'import-1' }
  expect((await bring(line('a', 'one'), '', headers)).status).toBe(200)
  await call('PUT /v1/config/a', { body: 'later' })
  expect((await bring(line('a', 'one'), '', headers)).status).toBe(200)
  expect(await values()).toEqual([['a', 'later', 2]])
  expect((await bring(line('a', 'two'), '', headers)).status).toBe(422)
})

test('a line that a list showed can be sent back', async () => {
  const { bring, values } = await api()
  const shown = { version: 7, revision: 9, size: 1, updatedAt: 'x', updatedBy: null, comment: null }
  expect((await bring(line('a', 'x', { contentType: 'text/css', ...shown }))).status).toBe(200)
  expect(await values()).toEqual([['a', 'x', 1]])
})

const tar = (path: string) =>
  concatBytes([...packed([{ path, bytes: new Uint8Array(0), records: new Map() }], 0)])

test.each([
  ['no JSON', 'x', 'line 1', 'is not a JSON object'],
  ['the second line', `${line('a', 'x')}{`, 'line 2', 'is not a JSON object'],
  ['a list', '[]', 'line 1', 'must be a JSON object'],
  ['no key', '{"value":"x"}', 'line 1', 'key is needed'],
  ['a bad key', '{"key":"/a","value":"x"}', 'line 1: key', 'empty segment'],
  ['no value', '{"key":"a"}', 'line 1: value', 'one of the two'],
  ['two values', '{"key":"a","value":"","valueBase64":""}', 'line 1: value', 'one of the two'],
  ['no base64', '{"key":"a","valueBase64":"?"}', 'line 1: valueBase64', 'not base64'],
  ['an unknown field', '{"key":"a","vale":"x"}', 'line 1', 'did you mean "value"?'],
  ['a key twice', line('a', 'x') + line('a', 'y'), 'key', 'twice'],
  ['half a pair', '{"key":"a","value":"\\ud800"}', 'line 1: value', 'half a surrogate pair'],
  [
    'no media type',
    '{"key":"a","value":"x","contentType":"?"}',
    'line 1: contentType',
    'media type',
  ],
  ['no UTF-8', new Uint8Array([0xff]), '', 'neither an archive nor lines'],
  ['a strange file', tar('a b'), 'path', 'U+0020'],
  ['a torn archive', tar('a').slice(0, 600), '', 'cut off'],
] as const)('an import with %s is 400', async (_what, body, path, says) => {
  const { bring, registry } = await api()
  const answer = await bring(body)
  expect(answer.status).toBe(400)
  expect(jsonOf(answer)['issues']).toMatchObject([{ path }])
  expect(jsonOf(answer)['detail']).toContain(says)
  expect(registry.proposed).toEqual([])
})

test('an import and an export have bounds', async () => {
  const limits = {
    importKeysMax: 2,
    importBytesMax: 20,
    importBodyMax: 200,
    exportKeysMax: 3,
    exportBytesMax: 40,
  }
  const { call, bring } = await api({ limits })
  const status = async (body: string, query = '') => (await bring(body, query)).status
  expect(await status(line('a', '1') + line('b', '2') + line('c', '3'))).toBe(413)
  expect(await status(line('a', 'x'.repeat(20)))).toBe(413)
  expect(await status(line('a', 'x'.repeat(200)))).toBe(413)
  expect(await status(line('a', '1') + line('b', '2'))).toBe(200)
  await call('PUT /v1/config/c', { body: 'x'.repeat(20) })
  expect(await status(line('a', '1'), '?prune=true&prefix=')).toBe(413)
  expect((await call('GET /v1/config-export')).status).toBe(200)
  await call('PUT /v1/config/c', { body: 'x'.repeat(39) })
  expect((await call('GET /v1/config-export')).status).toBe(413)
  await call('PUT /v1/config/c', { body: '3' })
  await call('PUT /v1/config/d', { body: '4' })
  expect((await call('GET /v1/config-export')).status).toBe(413)
})

test('an import brings no value that a write of its own could not have brought', async () => {
  const { bring, registry } = await api({ limits: { bodyBytesMax: 10, importBytesMax: 100 } })
  const answer = await bring(line('a', '1') + line('b', 'x'.repeat(11)))

  expect(answer.status).toBe(413)
  expect(jsonOf(answer)).toMatchObject({ limit: 10, detail: expect.stringContaining('"b"') })
  expect(registry.proposed).toEqual([])
  expect((await bring(line('b', 'x'.repeat(10)))).status).toBe(200)
})

test('what is imported is checked as any value is, in a dry run too', async () => {
  const { call, bring, values } = await api()
  const schema = { type: 'object', required: ['port'] }
  await call('PUT /v1/config-schemas/app/', { body: schema })
  const headers = { 'Content-Type': 'application/json' }
  const bad = line('app/a.json', '{"port":1}') + line('app/b.json', '{}')
  for (const query of ['', '?dryRun=true']) {
    const answer = await bring(bad, query)
    expect([answer.status, jsonOf(answer)['code']]).toEqual([422, 'schema_violation'])
    expect(answer.text).toContain('app/b.json')
  }
  expect((await bring(line('c.json', '{'))).status).toBe(400)
  expect(await values()).toEqual([])
  expect((await bring(line('app/a.json', '{"port":1}'), '', headers)).status).toBe(200)
})
