import { expect, test } from 'bun:test'
import { InlineChecks } from '../support/inline-checks.ts'
import { jsonOf, testApi } from './support.ts'

const PORT = { type: 'object', properties: { port: { type: 'integer' } }, required: ['port'] }
const JSON_TYPE = { headers: { 'Content-Type': 'application/json' } }

async function api() {
  const checks = new InlineChecks()
  const made = await testApi({ checks })
  made.registry.apply({ type: 'cluster_version', version: 3 })
  return { ...made, checks }
}

async function governed() {
  const made = await api()
  await made.call('PUT /v1/config-schemas/app/', { body: PORT })
  return made
}

test('a schema is put, got, listed and deleted', async () => {
  const { call } = await api()

  const put = await call('PUT /v1/config-schemas/app/', { body: PORT })
  expect([put.status, jsonOf(put)]).toEqual([
    201,
    { prefix: 'app/', revision: 2, existing: { checked: 0, failing: 0, keys: [] } },
  ])
  expect((await call('PUT /v1/config-schemas/app/', { body: PORT })).status).toBe(200)

  const got = await call('GET /v1/config-schemas/app/')
  expect([got.text, got.headers.get('ETag')]).toEqual([JSON.stringify(PORT), '"3"'])
  expect(got.headers.get('Content-Type')).toBe('application/schema+json')
  expect(jsonOf(await call('GET /v1/config-schemas'))).toMatchObject({
    revision: 3,
    schemas: [{ prefix: 'app/', revision: 3, size: JSON.stringify(PORT).length }],
  })

  expect((await call('DELETE /v1/config-schemas/app/')).status).toBe(204)
  expect((await call('GET /v1/config-schemas/app/')).status).toBe(404)
})

test('schemas are listed in pages', async () => {
  const { call } = await api()
  for (const prefix of ['a', 'b', 'b/c'])
    await call(`PUT /v1/config-schemas/${prefix}`, { body: {} })

  const first = jsonOf(await call('GET /v1/config-schemas?limit=2'))
  const rest = jsonOf(
    await call(`GET /v1/config-schemas?limit=2&cursor=${first['next'] as string}`),
  )

  expect(first['schemas']).toMatchObject([{ prefix: 'a' }, { prefix: 'b' }])
  expect(rest['schemas']).toMatchObject([{ prefix: 'b/c' }])
  expect(rest).not.toHaveProperty('next')
  const under = jsonOf(await call('GET /v1/config-schemas?prefix=b'))
  expect(under['schemas']).toMatchObject([{ prefix: 'b' }, { prefix: 'b/c' }])
})

test.each([
  ['{"type": "objekt"}', 'not a JSON Schema'],
  ['{"type": ', 'not a JSON Schema'],
  ['[]', 'must be a JSON object'],
  ['{"$ref": "http://other/schema"}', "can't resolve reference"],
  ['{"pattern": "(?=a)"}', 'invalid or unsupported'],
])('the schema %s is 400', async (body, says) => {
  const { call, registry } = await api()

  const answer = await call('PUT /v1/config-schemas/app', { body })

  expect([answer.status, jsonOf(answer)['code']]).toEqual([400, 'invalid_request'])
  expect(jsonOf(answer)['detail']).toContain(says)
  expect(registry.local.configSchemasRevision('default')).toBe(0)
})

test('a value that does not fit is 422, and the error names the path in it', async () => {
  const { call, registry } = await governed()
  const { revision } = registry.local

  const answer = await call('PUT /v1/config/app/db', { body: '{"port":"x"}', ...JSON_TYPE })

  expect(answer.status).toBe(422)
  expect(jsonOf(answer)).toMatchObject({
    code: 'schema_violation',
    outcome: 'not_applied',
    issues: [{ path: '/port', message: expect.stringContaining('must be integer') }],
  })
  expect(registry.local.revision).toBe(revision)
})

test('a value that fits is written, as JSON and as YAML, and names the schema it was judged by', async () => {
  const { call, registry } = await governed()

  const json = await call('PUT /v1/config/app/db.json', { body: '{"port":1}' })
  const yaml = await call('PUT /v1/config/app/db.yaml', { body: 'port: 1' })

  expect([json.status, yaml.status]).toEqual([201, 201])
  expect(registry.proposed.at(-1)).toMatchObject({
    type: 'guarded',
    schemas: [{ key: 'app/db.yaml', revision: 2 }],
  })
})

test.each([
  ['app/db.toml', 'port = 1', 'must be JSON or YAML'],
  ['app/db', 'port', 'must be JSON or YAML'],
  ['app/db.yaml', 'port: 1\n---\nport: 2', 'more than one document'],
])('under a schema %s is refused', async (key, body, says) => {
  const { call } = await governed()

  const answer = await call(`PUT /v1/config/${key}`, { body })

  expect([400, 422]).toContain(answer.status)
  expect(jsonOf(answer)['detail']).toContain(says)
})

test('all schemas that a key lies under must hold', async () => {
  const { call } = await governed()
  await call('PUT /v1/config-schemas/app/db/', { body: { required: ['host'] } })

  const some = await call('PUT /v1/config/app/db/main', { body: '{"port":1}', ...JSON_TYPE })
  const all = await call('PUT /v1/config/app/db/main', {
    body: '{"port":1,"host":"h"}',
    ...JSON_TYPE,
  })

  expect([some.status, all.status]).toEqual([422, 201])
  expect(jsonOf(some)['detail']).toContain('app/db/')
})

test('a key beside the prefix is free, and another namespace too', async () => {
  const { call } = await governed()

  expect((await call('PUT /v1/config/application', { body: 'x' })).status).toBe(201)
  expect((await call('PUT /v1/config/app/db?ns=other', { body: 'x' })).status).toBe(201)
})

test('a schema that comes between the check and the write has it checked again', async () => {
  const { call, registry, checks } = await governed()
  checks.meanwhile = () => {
    const schema = new TextEncoder().encode('{"required":["host"]}')
    const head = { type: 'config_schema_put', ns: 'default', prefix: 'app/' } as const
    registry.apply({ ...head, schema, by: null, expect: null })
  }

  const answer = await call('PUT /v1/config/app/db', { body: '{"port":1}', ...JSON_TYPE })

  expect([answer.status, jsonOf(answer)['code']]).toEqual([422, 'schema_violation'])
  expect(jsonOf(answer)['detail']).toContain('host')
  expect(registry.local.config('default', 'app/db')).toBe(null)
})

test('the first schema of all that comes between the check and the write is not slipped by', async () => {
  const { call, registry, checks } = await api()
  checks.meanwhile = () => {
    const schema = new TextEncoder().encode('{"required":["host"]}')
    const head = { type: 'config_schema_put', ns: 'default', prefix: 'app/' } as const
    registry.apply({ ...head, schema, by: null, expect: null })
  }

  const answer = await call('PUT /v1/config/app/db.yaml', { body: 'port: 1' })

  expect(answer.status).toBe(422)
  expect(registry.local.config('default', 'app/db.yaml')).toBe(null)
})

test('what is stored already stays, and the answer says what of it does not fit', async () => {
  const { call } = await api()
  await call('PUT /v1/config/app/good', { body: '{"port":1}', ...JSON_TYPE })
  await call('PUT /v1/config/app/bad', { body: '{}', ...JSON_TYPE })
  await call('PUT /v1/config/app/text', { body: 'x' })

  const put = await call('PUT /v1/config-schemas/app/', { body: PORT })

  expect(jsonOf(put)['existing']).toEqual({ checked: 3, failing: 2, keys: ['app/bad', 'app/text'] })
  expect((await call('GET /v1/config/app/bad')).text).toBe('{}')
})

test('a rollback to a value that does not fit any more is 422', async () => {
  const { call } = await api()
  await call('PUT /v1/config/app/db', { body: '{}', ...JSON_TYPE })
  await call('PUT /v1/config/app/db', { body: '{"port":1}', ...JSON_TYPE })
  await call('PUT /v1/config-schemas/app/', { body: PORT })

  const bad = await call('POST /v1/config-rollback/app/db', { body: { to: 1 } })
  const good = await call('POST /v1/config-rollback/app/db', { body: { to: 2 } })

  expect([bad.status, good.status]).toEqual([422, 200])
})

test('a transaction is checked whole, and the error names the operation', async () => {
  const { call, registry } = await governed()

  const bad = await call('POST /v1/txn', { body: twoPuts('{}') })
  expect(bad.status).toBe(422)
  expect(jsonOf(bad)['issues']).toMatchObject([{ path: 'then.1' }])
  expect(registry.local.config('default', 'other')).toBe(null)

  expect((await call('POST /v1/txn', { body: twoPuts('{"port":1}') })).status).toBe(200)
})

test('a transaction may roll back, and is checked then as well', async () => {
  const { call } = await api()
  await call('PUT /v1/config/app/db', { body: '{}', ...JSON_TYPE })
  await call('PUT /v1/config/app/db', { body: '{"port":1}', ...JSON_TYPE })
  const body = { then: [{ op: 'config.rollback', key: 'app/db', to: 1 }] }
  expect(jsonOf(await call('POST /v1/txn', { body }))).toMatchObject({
    results: [{ op: 'config.rollback', status: 200, version: 3 }],
  })

  await call('PUT /v1/config-schemas/app/', { body: PORT })
  expect((await call('POST /v1/txn', { body })).status).toBe(422)
})

test.each([
  ['too_long', 422, 'schema_violation', 'simplify'],
  ['busy', 429, 'too_many_requests', 'nothing was applied'],
] as const)('a check that is %s is %d', async (type, status, code, says) => {
  const { call, checks, registry } = await governed()
  checks.verdict = { type }

  const answer = await call('PUT /v1/config/app/db', { body: '{"port":1}', ...JSON_TYPE })

  expect([answer.status, jsonOf(answer)['code']]).toEqual([status, code])
  expect(jsonOf(answer)['detail']).toContain(says)
  expect(registry.local.config('default', 'app/db')).toBe(null)
})

test.each([
  ['a.json', '{"a": }', 'not valid JSON'],
  ['a.yaml', 'a: [1, 2\nb: 3', 'line 2, column 1'],
  ['a.yaml', 'a: 1\na: 2', 'unique'],
  ['a.toml', 'a = 1\nb = = 2', 'line 2, column 5'],
  ['a.properties', 'a=1\nb=\\u12G4', 'line 2, column 3'],
])('the value of %s is parsed: %j is 400', async (key, body, says) => {
  const { call, registry } = await api()

  const answer = await call(`PUT /v1/config/${key}`, { body })

  expect([answer.status, jsonOf(answer)['code']]).toEqual([400, 'invalid_request'])
  expect(jsonOf(answer)['detail']).toContain(says)
  expect(registry.local.config('default', key)).toBe(null)
})

test.each([
  ['a.json', ' [1, 2] '],
  ['a.yaml', 'a: &x [1]\nb: *x\n---\nsecond: document'],
  ['a.yaml', ''],
  ['a.toml', 'a = 9007199254740993\n[b]\nc = 1979-05-27'],
  ['a.properties', '# \\u\nkey = v\\\n  more\n'],
  ['a.txt', '{"a": }'],
  ['a', '\u0000'],
])('the value of %s is fine: %j', async (key, body) => {
  const { call } = await api()

  expect((await call(`PUT /v1/config/${key}`, { body })).status).toBe(201)
  expect((await call(`GET /v1/config/${key}`)).text).toBe(body)
})

test('JSON that is not UTF-8 is 400', async () => {
  const { call } = await api()
  const body = new Uint8Array([0x22, 0xff, 0x22])

  expect((await call('PUT /v1/config/a.json', { body })).status).toBe(400)
})

test('a diff of two versions is unified, and needs neither to be named', async () => {
  const { call } = await api()
  await call('PUT /v1/config/k', { body: 'a\nb\nc\n' })
  await call('PUT /v1/config/k', { body: 'a\nB\nc\n' })
  const expected = '--- k@1\n+++ k@2\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n'

  expect((await call('GET /v1/config-diff/k?from=1&to=2')).text).toBe(expected)
  expect((await call('GET /v1/config-diff/k')).text).toBe(expected)
  expect((await call('GET /v1/config-diff/k?from=2&to=2')).text).toBe('')
  expect((await call('GET /v1/config-diff/k?to=1')).text).toContain('@@ -0,0 +1,3 @@')
})

test('of bytes the diff says that they differ; of a version that is not there 404', async () => {
  const { call } = await api()
  await call('PUT /v1/config/k', { body: new Uint8Array([255]) })
  await call('PUT /v1/config/k', { body: 'text' })

  expect((await call('GET /v1/config-diff/k')).text).toBe('Binary values k@1 and k@2 differ\n')
  expect((await call('GET /v1/config-diff/k?from=1&to=3')).status).toBe(404)
  expect((await call('GET /v1/config-diff/none')).status).toBe(404)
})

test('texts that have nothing in common are told as wholly different', async () => {
  const { call } = await api()
  await call('PUT /v1/config/k', { body: lines('one') })
  await call('PUT /v1/config/k', { body: lines('two') })

  const { text } = await call('GET /v1/config-diff/k')
  expect(text).toStartWith('--- k@1\n+++ k@2\n@@ -1,8000 +1,8000 @@\n-one 0\n')
})

function twoPuts(value: string): object {
  return { then: [put('other', '{}'), put('app/db', value)] }
}

function put(key: string, value: string): object {
  return { op: 'config.put', key, value, contentType: 'application/json' }
}

function lines(word: string): string {
  return Array.from({ length: 8_000 }, (_, i) => `${word} ${i}`).join('\n')
}
