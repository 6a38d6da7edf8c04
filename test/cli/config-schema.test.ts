/** `rollcall config schema …` against the whole API of one node. On a cluster: `cluster-cli.test.ts`. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testApi } from '../http/support.ts'
import { run } from './support.ts'

const SCHEMA = '{"type": "object", "required": ["port"]}'

let folder = ''
let file = ''
let node: { readonly url: URL; stop(now: boolean): Promise<void> }

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'rollcall-schema-'))
  file = join(folder, 'app.schema.json')
  writeFileSync(file, SCHEMA)
  const { app } = await testApi()
  node = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: (request) => app.fetch(request) })
})

afterEach(async () => {
  await node.stop(true)
  rmSync(folder, { recursive: true })
})

const rollcall = (...args: readonly string[]) =>
  run(args, { env: { ROLLCALL_ENDPOINT: node.url.origin } })

const schema = (...args: readonly string[]) => rollcall('config', 'schema', ...args)

test('a schema is set, shown byte for byte, holds, and goes', async () => {
  const put = await schema('put', 'app/', file)
  const got = await schema('get', 'app/')
  const misfit = await rollcall('config', 'put', 'app/a.json', '--value', '{}')
  const deleted = await schema('delete', 'app/')
  const fit = await rollcall('config', 'put', 'app/a.json', '--value', '{}')

  expect(put.out).toMatch(/^what is written under app\/ must fit it from now on, revision \d+\n$/)
  expect(got.out).toBe(SCHEMA)
  expect(misfit.err).toContain('port')
  expect(misfit.code).toBe(1)
  expect(deleted.out).toBe('values under app/ may be anything again\n')
  expect(fit.code).toBe(0)
})

test('values that are stored and do not fit are named, and the schema is set', async () => {
  await rollcall('config', 'put', 'app/old.json', '--value', '{}')
  const put = await schema('put', 'app/', file)

  expect(put.err).toContain('1 of the 1 values under app/')
  expect(put.err).toContain('app/old.json')
  expect(put.code).toBe(0)
})

test('a schema may be set where there is none, or only over the one that was seen', async () => {
  const first = await schema('put', 'app/', file, '--if-revision', '0', '--output', 'json')
  const { revision } = JSON.parse(first.out) as { revision: number }
  const again = await schema('put', 'app/', file, '--if-revision', '0')
  const stale = await schema('delete', 'app/', '--if-revision', `${revision + 1}`)
  const over = await schema('put', 'app/', '--value', 'true', '--if-revision', `${revision}`)

  expect(again.err).toContain(`there is one of revision ${revision}; nothing was changed`)
  expect(stale.code).toBe(1)
  expect(over.code).toBe(0)
})

test('schemas are listed, as a table and as JSON, and shown as JSON', async () => {
  await schema('put', 'app/', file)
  await schema('put', 'flags/', '--value', '{"type": "boolean"}')

  const table = await schema('list')
  const json = await schema('list', 'fl', '--output', 'json')
  const got = await schema('get', 'flags/', '--output', 'json')
  const none = await schema('list', 'zzz')

  expect(table.out.split('\n')[0]?.split(/ +/)).toEqual([
    'PREFIX',
    'REVISION',
    'SIZE',
    'UPDATED',
    'BY',
  ])
  expect(table.out).toMatch(/^app\/ +\d+ +40 B/m)
  expect(JSON.parse(json.out)).toMatchObject({ schemas: [{ prefix: 'flags/' }] })
  expect(JSON.parse(got.out)).toEqual({
    prefix: 'flags/',
    revision: expect.any(Number),
    schema: { type: 'boolean' },
  })
  expect(none).toMatchObject({ out: '', err: 'no schema is on a prefix that begins with zzz\n' })
})

test('what is no schema, and a prefix without one, are told as such', async () => {
  await schema('put', 'application/', file)
  const bad = await schema('put', 'app/', '--value', '{"type": "objekt"}')
  const none = await schema('get', 'aplication/')

  expect(bad.code).toBe(1)
  expect(bad.err).toContain('type')
  expect(none.code).toBe(1)
  expect(none.err).toContain('did you mean "application/"?')
})
