/** `Rollcall-Author`: who a write is by, as its sender says: a label, kept with what is written. */
import { expect, test } from 'bun:test'
import { assert as property, asyncProperty, oneof, string, stringMatching } from 'fast-check'
import { createApp, edgeOf, routedApp } from '../../src/http/app.ts'
import { LocalRegistry } from '../support/local-registry.ts'
import { WatchReader } from '../support/watch-reader.ts'
import { jsonOf, testApi } from './support.ts'

const STAGE = '/v1/config-stages/app/db/canary'
const INSTANCE = '/v1/services/web/instances/a'
const ZOE = { 'Rollcall-Author': 'Zo%C3%AB%20Ng' }

/** Everything that each of these needs is there, by nobody in particular. */
async function prepared() {
  const api = await testApi()
  api.registry.apply({ type: 'cluster_version', version: 3 })
  await api.call('PUT /v1/config/app/db', { body: 'one' })
  await api.call(`PUT ${STAGE}`, { body: 'two', headers: { 'Rollcall-Stage-Rule': 'zone=eu' } })
  await api.call(`PUT ${INSTANCE}`, { body: { address: '10.0.0.1' } })
  return api
}

const TXN = {
  then: [
    { op: 'config.put', key: 'a', value: '1' },
    { op: 'config.rollback', key: 'app/db', to: 1 },
    { op: 'config.delete', key: 'app/db' },
    { op: 'config.get', key: 'a' },
  ],
  else: [{ op: 'config.put', key: 'b', value: '2' }],
}

/** Every write that says who it is by, with how often it does. */
const WRITES: readonly (readonly [string, string | object | undefined, number])[] = [
  ['PUT /v1/config/app/db', 'two', 1],
  ['PUT /v1/config/app/db?comment=why', 'two', 1],
  ['DELETE /v1/config/app/db', undefined, 1],
  ['POST /v1/config-rollback/app/db', { to: 1 }, 1],
  [`PUT ${STAGE}`, 'three', 1],
  [`POST ${STAGE}/promote`, undefined, 1],
  [`DELETE ${STAGE}`, undefined, 1],
  ['PUT /v1/config-schemas/app/', '{}', 1],
  ['POST /v1/config-import?prune&prefix=app/', '{"key":"app/new","value":"x"}', 2],
  ['POST /v1/txn', TXN, 4],
  [`PUT ${INSTANCE}/override`, { status: 'draining' }, 1],
  ['PUT /v1/nodes/h1/override', { status: 'down' }, 1],
]

const RULE = { 'Rollcall-Stage-Rule': 'zone=eu' }

/** What the stage's put needs, and no other may have. */
function headersFor(line: string, more: Record<string, string>): Record<string, string> {
  return line.startsWith(`PUT ${STAGE}`) ? { ...RULE, ...more } : more
}

/** Every `by` in a command, however deep. */
function authorsIn(command: unknown): readonly unknown[] {
  if (Array.isArray(command)) return command.flatMap(authorsIn)
  if (typeof command !== 'object' || command === null || command instanceof Uint8Array) return []
  return Object.entries(command).flatMap(([name, value]) =>
    name === 'by' ? [value] : authorsIn(value),
  )
}

test.each(WRITES)('%s is by whom the header names', async (line, body, count) => {
  const { call, registry } = await prepared()
  const headers = headersFor(line, ZOE)

  const answer = await call(line, { headers, ...(body === undefined ? {} : { body }) })

  expect(answer.status).toBeLessThan(300)
  expect(authorsIn(registry.proposed.at(-1))).toEqual(Array(count).fill('Zoë Ng'))
})

test.each(WRITES)('%s without the header is by nobody that is known', async (line, body, count) => {
  const { call, registry } = await prepared()
  const headers = headersFor(line, {})

  const answer = await call(line, { headers, ...(body === undefined ? {} : { body }) })

  expect(answer.status).toBeLessThan(300)
  const nobody = line.includes('override') ? 'anonymous' : null
  expect(authorsIn(registry.proposed.at(-1))).toEqual(Array(count).fill(nobody))
})

test('every way to read what was written names its author', async () => {
  const { call, app } = await prepared()
  const by = (author: string) => ({ headers: { 'Rollcall-Author': author } })
  await call('PUT /v1/config/k', { body: 'one', ...by('ann') })
  await call('PUT /v1/config/k', { body: 'two', ...by('ben') })
  await call('POST /v1/config-rollback/k', { body: { to: 1 }, ...by('cy') })
  await call('PUT /v1/config-schemas/k', { body: '{}', ...by('dee') })
  await call(`PUT ${INSTANCE}/override`, { body: { status: 'draining' }, ...by('eve') })
  const list = jsonOf(await call('GET /v1/config?prefix=k'))['items'] as object[]
  await call('DELETE /v1/config/k', by('flo'))
  const history = jsonOf(await call('GET /v1/config-history/k'))['versions'] as { by: string }[]

  expect(list).toMatchObject([{ key: 'k', version: 3, updatedBy: 'cy' }])
  expect(history.map((version) => version.by)).toEqual(['flo', 'cy', 'ben', 'ann'])
  expect(jsonOf(await call('GET /v1/config-schemas'))).toMatchObject({
    schemas: [{ prefix: 'k', updatedBy: 'dee' }],
  })
  expect(jsonOf(await call(`GET ${INSTANCE}/override`))).toMatchObject({ by: 'eve' })
  expect(jsonOf(await call(`GET ${INSTANCE}`))).toMatchObject({ override: { by: 'eve' } })
  const watch = new WatchReader(await app.request('/v1/watch?topic=config/k&since=0'))
  const told: unknown[] = []
  while (told.length < 4) told.push((await watch.next()).data['updatedBy'])
  await watch.cancel()
  expect(told).toEqual(['ann', 'ben', 'cy', 'flo'])
})

test('a promoted version is by who promoted it, a staged one by who staged it', async () => {
  const { call } = await prepared()
  const put = { ...RULE, 'Rollcall-Author': 'stager' }
  await call(`PUT ${STAGE}`, { body: 'three', headers: put })
  const staged = jsonOf(await call('GET /v1/config-stages?key=app/db'))

  await call(`POST ${STAGE}/promote`, { headers: { 'Rollcall-Author': 'releaser' } })

  expect(staged['items']).toMatchObject([{ stage: 'canary', updatedBy: 'stager' }])
  const { versions } = jsonOf(await call('GET /v1/config-history/app/db?limit=1'))
  expect(versions).toMatchObject([{ version: 2, by: 'releaser' }])
})

const BAD: readonly (readonly [string, string, string])[] = [
  ['nothing', '', 'must not be empty'],
  ['spaces alone', '%20%20', 'must not be empty'],
  ['raw letters beyond ASCII', 'Zoë', 'percent-encode it as UTF-8'],
  ['raw bytes of UTF-8', 'Zo\u00c3\u00ab', 'percent-encode it as UTF-8'],
  ['a tab', 'a\tb', 'percent-encode it as UTF-8'],
  ['a bare percent sign', '100%', '"%" itself as %25'],
  ['an escape that is none', 'a%zzb', '"%" itself as %25'],
  ['half a character', '%C3', 'is not UTF-8'],
  ['an overlong slash', '%C0%AF', 'is not UTF-8'],
  ['a surrogate', '%ED%A0%80', 'is not UTF-8'],
  ['a line feed', 'a%0Ab', 'control characters'],
  ['a NUL', 'a%00', 'control characters'],
  ['a control character of Latin-1', 'a%C2%85', 'control characters'],
  ['letters that are not in NFC', 'Zoe%CC%88', 'NFC'],
  ['129 characters', 'a'.repeat(129), 'longer than 128'],
  ['129 characters beyond ASCII', '%C3%AB'.repeat(129), 'longer than 128'],
]

test.each(BAD)('an author of %s is refused, and nothing is proposed', async (_, author, says) => {
  for (const [line, body] of WRITES) {
    const { call, registry } = await prepared()
    const before = registry.proposed.length
    const headers = headersFor(line, { 'Rollcall-Author': author })

    const answer = await call(line, { headers, ...(body === undefined ? {} : { body }) })

    expect([line, answer.status]).toEqual([line, 400])
    expect(jsonOf(answer)).toMatchObject({
      code: 'invalid_request',
      outcome: 'not_applied',
      issues: [{ path: 'Rollcall-Author', message: expect.stringContaining(says) }],
    })
    expect(registry.proposed.length).toBe(before)
  }
})

test.each([
  ['ann', 'ann'],
  ['Doe, Jane <jane@example.org>', 'Doe, Jane <jane@example.org>'],
  ['a+b', 'a+b'],
  ['100%25', '100%'],
  ['%E5%B1%B1%E7%94%B0', '山田'],
  ['%F0%9F%A6%8A', '🦊'],
  ['x'.repeat(128), 'x'.repeat(128)],
  ['%C3%AB'.repeat(128), 'ë'.repeat(128)],
])('%s is an author', async (header, author) => {
  const { call, registry } = await testApi()

  const answer = await call('PUT /v1/config/k', {
    body: 'x',
    headers: { 'Rollcall-Author': header },
  })

  expect(answer.status).toBe(201)
  expect(registry.local.configHistory('default', 'k', { before: null, limit: 1 })).toMatchObject([
    { by: author },
  ])
  expect(registry.local.config('default', 'k')?.updatedBy).toBe(author)
})

test.each([
  [`PUT ${INSTANCE}`, { address: '10.0.0.2' }],
  [`PATCH ${INSTANCE}`, { weight: 2 }],
  [`DELETE ${INSTANCE}/override`, undefined],
  ['DELETE /v1/config-schemas/app/', undefined],
  ['POST /v1/locks/l', { owner: 'a', ttl: '10s' }],
  ['POST /v1/leases', { ttl: '10s' }],
  ['GET /v1/config/app/db', undefined],
])('%s has no author, and asks for none', async (line, body) => {
  const { call } = await prepared()
  const headers = { 'Rollcall-Author': '%' }

  const answer = await call(line, { headers, ...(body === undefined ? {} : { body }) })

  expect(answer.status).toBeLessThan(300)
})

/** Of one put, in front of the router and behind it: what is answered, and by whom it is then. */
async function putBoth(author: string): Promise<readonly (readonly [number, unknown])[]> {
  const of = async (make: typeof createApp | typeof routedApp) => {
    const registry = await LocalRegistry.open()
    const options = { registry, version: '1' }
    const app = make === createApp ? createApp(options) : routedApp(edgeOf(options), {})
    const headers = { 'Rollcall-Author': author }
    const answer = await app.request('/v1/config/k', { method: 'PUT', body: 'x', headers })
    return [answer.status, registry.local.config('default', 'k')?.updatedBy] as const
  }
  return [await of(createApp), await of(routedApp)]
}

test('whoever is encoded comes back as he was, or is refused, on the hot path as behind it', () => {
  const names = oneof(
    string({ unit: 'grapheme', maxLength: 140 }),
    string({ unit: 'binary', maxLength: 8 }),
    stringMatching(/^[ -~]{0,130}$/),
  ).filter((name) => name.isWellFormed()) // No header could carry the others.
  return property(
    asyncProperty(names, async (name) => {
      const [hot, routed] = await putBoth(encodeURIComponent(name))

      expect(hot).toEqual(routed as typeof hot)
      expect(hot).toEqual(isAuthor(name) ? [201, name] : [400, undefined])
    }),
    { numRuns: 150 },
  )
})

/** By the words of the contract. */
function isAuthor(name: string): boolean {
  const isNamed = name.trim() !== '' && name.length <= 128
  return isNamed && !/\p{Cc}/u.test(name) && name === name.normalize('NFC')
}

test('whatever stands in the header, both paths judge it alike', () => {
  return property(
    asyncProperty(stringMatching(/^[!-~éÿ]{0,12}$/), async (raw) => {
      const [hot, routed] = await putBoth(raw)

      expect(hot).toEqual(routed as typeof hot)
    }),
    { numRuns: 150 },
  )
})
