/**
 * Hot reads take neither the router nor the rows of the database for it where they were asked for
 * before. What is answered must be what the router answers from rows that were read just now.
 */
import { describe, expect, test } from 'bun:test'

import { createApp, edgeOf, routedApp, type AppOptions } from '../../src/http/app.ts'
import { hotRoute } from '../../src/http/hot-routes.ts'
import { rawPath } from '../../src/http/request/path.ts'
import { instanceJson } from '../../src/http/services/instance-json.ts'
import { instanceText } from '../../src/http/services/instance-text.ts'
import { lookupAnswers, lookupRoutes } from '../../src/http/services/lookup.ts'
import { prng, type Random } from '../../src/lib/prng.ts'
import { openSql } from '../../src/runtime/sqlite.ts'
import { StateMachine } from '../../src/state/mod.ts'
import { InlineChecks } from '../support/inline-checks.ts'
import { LocalRegistry } from '../support/local-registry.ts'

const SERVICES = ['web', 'api', 'wéb%20x', 'a+b']
const IDS = ['a', 'b', 'c', 'i:1', '~']
const NAMESPACES = ['default', 'other']
const KEYS = ['app/a', 'app/b', 'k', 'app/%C3%A9']
const ZONES = ['eu', 'us']
const NODES = ['h1', 'h2']
const TAGS = ['x', 'y', 'ü']

function optionsOver(registry: LocalRegistry): AppOptions {
  return { registry, version: '1', checks: new InlineChecks() }
}

/** The app as it is, and one over the same database that has seen nothing, and only routes. */
async function twoApps() {
  const sql = await openSql({ driver: 'bun', path: ':memory:' })
  const registry = LocalRegistry.over(StateMachine.open(sql))
  const app = createApp(optionsOver(registry))
  const fresh = () => {
    registry.local.save()
    const over = LocalRegistry.over(StateMachine.open(sql))
    over.isLeader = registry.isLeader
    return routedApp(edgeOf(optionsOver(over)), {})
  }
  return { app, registry, fresh }
}

async function seen(answer: Response | Promise<Response>): Promise<object> {
  const { status, headers } = await answer
  return { status, headers: Array.from(headers).toSorted(), body: await (await answer).text() }
}

const pickOf =
  (random: Random) =>
  <T>(values: readonly T[]): T =>
    values[random(values.length)] as T

/** As many as are looked at: whoever has one of them has most of what is young. */
const ALL_TAGS = Array.from({ length: 64 }, (_, i) => `"${i}"`).join(', ')

interface Asking {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

const json = (value: object): string => JSON.stringify(value)

/** A write that is mostly fine: refused ones change nothing, which is as good a test. */
function randomWrite(random: Random): { line: readonly [string, string]; body: string | null } {
  const pick = pickOf(random)
  const ns = `?ns=${pick(NAMESPACES)}`
  const instance = `/v1/services/${pick(SERVICES)}/instances/${pick(IDS)}`
  const override = json({ status: pick(['up', 'draining']), weight: random(3) })
  switch (random(12)) {
    case 0:
    case 1:
    case 2:
    case 3: {
      const tags = TAGS.filter(() => random(2) === 0)
      const spec = { zone: pick(ZONES), node: pick(NODES), status: pick(['up', 'up', 'down']) }
      const metadata = { version: `1.${random(2)}`, note: pick(['', 'é "q"']) }
      const ttl = random(2) === 0 ? {} : { ttl: '10s', removeAfter: pick(['0s', 'never']) }
      const body = { address: '10.0.0.1', tags, metadata, ...spec, ...ttl }
      return { line: ['PUT', instance + ns], body: json(body) }
    }
    case 4:
      return { line: ['PATCH', instance + ns], body: json({ weight: random(5) }) }
    case 5:
      return { line: ['DELETE', instance + ns], body: null }
    case 6:
      return { line: ['PUT', `${instance}/override${ns}`], body: override }
    case 7:
      return { line: ['DELETE', `${instance}/override${ns}`], body: null }
    case 8: {
      const line = [pick(['PUT', 'DELETE']), `/v1/nodes/${pick(NODES)}/override${ns}`] as const
      return { line, body: line[0] === 'PUT' ? override : null }
    }
    case 9: {
      const body = json({ protectThreshold: pick([0, 0.5, 1]) })
      return { line: ['PUT', `/v1/services/${pick(SERVICES)}/settings${ns}`], body }
    }
    case 10:
      return { line: ['DELETE', `/v1/config/${pick(KEYS)}${ns}`], body: null }
    default:
      return { line: ['PUT', `/v1/config/${pick(KEYS)}${ns}`], body: `v${random(1_000)}` }
  }
}

function randomFilters(random: Random): readonly string[] {
  const pick = pickOf(random)
  const all = [
    `available=${pick(['true', 'false'])}`,
    'available',
    `status=${pick(['up', 'draining', 'down'])}`,
    `health=${pick(['passing', 'critical'])}`,
    `zone=${pick(ZONES)}`,
    `node=${pick(NODES)}`,
    `tag=${pick(['x', 'y', '%C3%BC'])}`,
    `tag=${pick(['x', 'y'])}`,
    `metadata.version=1.${random(2)}`,
    'metadata.note=%C3%A9+%22q%22',
  ]
  const bad = random(20) === 0 ? [pick(['zone=%zz', 'nonsense=1', 'available=1'])] : []
  return [...all.filter(() => random(8) === 0), ...bad]
}

function randomAsking(random: Random): Asking {
  const pick = pickOf(random)
  const service = `/v1/services/${pick([...SERVICES, 'none', '', 'a%2Fb'])}`
  const path = pick([
    service,
    service,
    service,
    `${service}/instances/${pick([...IDS, 'none', '%'])}`,
    `/v1/config/${pick([...KEYS, 'none', 'a//b', ''])}`,
  ])
  const parameters = [
    ...(path === service ? randomFilters(random) : []),
    ...(random(2) === 0 ? [`ns=${pick(NAMESPACES)}`] : []),
    ...(random(6) === 0 ? [`consistency=${pick(['stale', 'linearizable', 'odd'])}`] : []),
    ...(random(10) === 0 ? ['since=1&wait=0s'] : []),
    ...(random(10) === 0 ? ['labels=zone=eu'] : []),
  ]
  const maybe = (name: string, values: readonly string[], oneIn = 20) =>
    random(oneIn) === 0 ? { [name]: pick(values) } : {}
  const headers = {
    ...maybe('If-None-Match', ['"1"', '*', 'W/"3", "4"', ALL_TAGS], 3),
    ...maybe('Rollcall-Namespace', ['other', 'no/name']),
    ...maybe('Origin', ['http://evil.example', 'http://localhost']),
    ...maybe('Sec-Fetch-Site', ['cross-site', 'same-origin']),
    ...maybe('Host', ['evil.example', '127.0.0.1:7400']),
    ...maybe('Rollcall-Labels', ['zone=eu']),
  }
  return { path: parameters.length === 0 ? path : `${path}?${parameters.join('&')}`, headers }
}

describe.each([1, 2, 3, 4, 5, 6])('seed %d', (seed) => {
  test('what is kept of rows and answers shows in none, whatever was written', async () => {
    const random = prng(seed)
    const { app, registry, fresh } = await twoApps()
    const met = { ok: 0, unchanged: 0, refused: 0 }
    for (let round = 0; round < 80; round++) {
      for (let writes = random(4); writes > 0; writes--) {
        const { line, body } = randomWrite(random)
        await app.request(line[1], { method: line[0], ...(body === null ? {} : { body }) })
      }
      const lapsing = Array.from(registry.local.leases())[0]
      if (random(10) === 0 && lapsing !== undefined) registry.lapse(lapsing.id)
      registry.isLeader = random(8) > 0
      const reference = fresh()
      for (let asked = 0; asked < 12; asked++) {
        const { path, headers } = randomAsking(random)
        const expected = (await seen(reference.request(path, { headers }))) as { status: number }
        expect([path, await seen(app.request(path, { headers }))]).toEqual([path, expected])
        if (expected.status === 200) met.ok++
        else if (expected.status === 304) met.unchanged++
        else met.refused++
      }
    }
    expect(met.ok).toBeGreaterThan(150)
    expect(met.unchanged).toBeGreaterThan(20)
    expect(met.refused).toBeGreaterThan(50)
  })
})

/** What goes into a hot write and may be wrong with it. */
function randomHeaders(random: Random): Readonly<Record<string, string>> {
  const pick = pickOf(random)
  const maybe = (name: string, values: readonly string[], oneIn = 12) =>
    random(oneIn) === 0 ? { [name]: pick(values) } : {}
  return {
    ...maybe('If-Match', ['"1"', '*', '"2", "3"', 'odd'], 6),
    ...maybe('If-None-Match', ['*', '"1"']),
    ...maybe('Idempotency-Key', ['k1', '"k2"', 'k3', 'no/key'], 4),
    ...maybe('Rollcall-Lock', ['none=4', 'odd']),
    ...maybe('Rollcall-Stage-Rule', ['zone=eu']),
    ...maybe('Rollcall-Author', ['ann', 'Zo%C3%AB', '%', ''], 4),
    ...maybe('Rollcall-Namespace', ['other', 'no/name']),
    ...maybe('Content-Type', ['application/json', 'text/plain; charset=utf-8', 'odd']),
    ...maybe('Content-Encoding', ['gzip', 'identity']),
    ...maybe('Content-Length', ['1', '99999999', '0']),
    ...maybe('Origin', ['http://evil.example', 'http://localhost']),
  }
}

test.each([1, 2, 3])('a hot write is what it is behind the router, seed %d', async (seed) => {
  const random = prng(seed)
  const [hot, routed] = [await LocalRegistry.open(), await LocalRegistry.open()]
  const app = createApp(optionsOver(hot))
  const reference = routedApp(edgeOf(optionsOver(routed)), {})
  for (const target of [app, reference]) {
    const body = json({ maxLength: 4 })
    await target.request('/v1/config-schemas/app/b', { method: 'PUT', body })
  }
  const met = new Map<number, number>()
  for (let i = 0; i < 500; i++) {
    const { line, body } = randomWrite(random)
    const more = ['&comment=c', '&comment', '&lease=none', '&odd=1']
    const path = line[1] + (random(20) === 0 ? pickOf(random)(more) : '')
    const given = random(20) === 0 ? '{"address"' : body
    const headers = randomHeaders(random)
    const asked = () => ({ method: line[0], headers, ...(given === null ? {} : { body: given }) })
    hot.isLeader = routed.isLeader = random(30) > 0
    const expected = (await seen(reference.request(path, asked()))) as { status: number }
    expect([path, await seen(app.request(path, asked()))]).toEqual([path, expected])
    met.set(expected.status, (met.get(expected.status) ?? 0) + 1)
  }
  // What no answer shows is written alike too, such as an author.
  expect(hot.local.stateHash()).toBe(routed.local.stateHash())
  for (const status of [200, 201, 400, 403, 412, 413, 422]) {
    expect([status, met.get(status) ?? 0]).not.toEqual([status, 0])
  }
})

test('filters let through what they say, by the JSON that callers see', async () => {
  const random = prng(11)
  const { app } = await twoApps()
  for (let i = 0; i < 120; i++) {
    const { line, body } = randomWrite(random)
    await app.request(line[1], { method: line[0], ...(body === null ? {} : { body }) })
  }
  type Json = Record<string, unknown> & { override: Json | null; nodeOverride?: Json }
  const of = async (query: string) =>
    ((await (await app.request(`/v1/services/web?${query}`)).json()) as { instances: Json[] })
      .instances
  const status = (one: Json) =>
    one.override?.['status'] ?? one.nodeOverride?.['status'] ?? one['status']
  const has = (one: Json, tag: string) => (one['tags'] as string[]).includes(tag)
  const expected: readonly [string, (one: Json) => boolean][] = [
    ['available=false', (one) => one['available'] === false],
    ['status=draining', (one) => status(one) === 'draining'],
    ['status=up', (one) => status(one) === 'up'],
    ['zone=eu', (one) => one['zone'] === 'eu'],
    ['node=h1&zone=us', (one) => one['node'] === 'h1' && one['zone'] === 'us'],
    ['tag=x&tag=%C3%BC', (one) => has(one, 'x') && has(one, 'ü')],
    ['metadata.version=1.0', (one) => (one['metadata'] as Json)['version'] === '1.0'],
  ]
  await app.request('/v1/services/web/settings', { method: 'PUT', body: '{"protectThreshold":0}' })
  const all = await of('')
  expect(all.length).toBeGreaterThan(2)
  for (const [query, test] of expected) {
    expect([query, await of(query)]).toEqual([query, all.filter(test)])
    expect([query, await of(query)]).toEqual([query, all.filter(test)]) // As it was kept.
  }
})

test('the text of an instance is its JSON, with what remains of its TTL and without', async () => {
  const random = prng(12)
  const { app, registry } = await twoApps()
  for (let i = 0; i < 150; i++) {
    const { line, body } = randomWrite(random)
    await app.request(line[1], { method: line[0], ...(body === null ? {} : { body }) })
  }
  const rows = SERVICES.flatMap((name) =>
    registry.local.instances('default', decodeURIComponent(name)),
  )
  expect(rows.length).toBeGreaterThan(4)
  for (const row of rows) {
    for (const expiresInMs of [null, 0, 4_321, 77]) {
      expect(instanceText(row, expiresInMs)).toBe(JSON.stringify(instanceJson(row, expiresInMs)))
    }
  }
})

test.each([
  '/v1/config/',
  '/v1/config/a',
  '/v1/config/a/b/',
  '/v1/config//',
  '/v1/config-history/a',
  '/v1/configs/a',
  '/v1/services',
  '/v1/services/',
  '/v1/services//',
  '/v1/services/a',
  '/v1/services/a/',
  '/v1/services/a/instances',
  '/v1/services/a/instances/',
  '/v1/services//instances/b',
  '/v1/services/a/instances/b',
  '/v1/services/a/instances/b/',
  '/v1/services/a/instances/b/override',
  '/v1/services/a/settings',
  '/v1/services/instances/b',
  '/v1/services/a/./instances/b',
  '/v1/services/a/../b',
  '/v1/services/a%2Finstances%2Fb',
  '/v1/services/instances/instances/instances',
  '/V1/services/a',
  '/v1/nodes/a/override',
])('the hot route of %s is the one that the router takes, however it is asked', async (path) => {
  for (const method of ['GET', 'HEAD', 'PUT', 'POST', 'DELETE']) {
    for (const asked of [path, `${path}/heartbeat`, `${path}heartbeat`]) {
      const edge = edgeOf({ registry: await LocalRegistry.open(), version: '1' })
      await routedApp(edge, {}).request(asked, { method })
      const [key = ''] = edge.requests.keys()
      const [, template = ''] = key.split(' ')
      const hot = hotRoute(method, rawPath(new Request(`http://localhost${asked}`)))
      const taken = HOT.has(`${method} ${template}`) ? template : null
      expect([method, asked, hot?.template ?? null]).toEqual([method, asked, taken])
    }
  }
})

const HOT = new Set([
  'GET /v1/config/:key{.+}',
  'PUT /v1/config/:key{.+}',
  'GET /v1/services/:service',
  'GET /v1/services/:service/instances/:id',
  'PUT /v1/services/:service/instances/:id',
  'POST /v1/services/:service/instances/:id/heartbeat',
])

test('answers to look-ups are kept within their bound', async () => {
  const registry = await LocalRegistry.open()
  const lookups = lookupAnswers({ bytesMax: 20_000 })
  const app = lookupRoutes({ ...edgeOf({ registry, version: '1' }), lookups })
  for (let i = 0; i < 300; i++) {
    expect((await app.request(`/v1/services/s${i}?tag=${'x'.repeat(i)}`)).status).toBe(200)
    expect(lookups.weight).toBeLessThanOrEqual(20_000)
  }
  expect(lookups.size).toBeGreaterThan(10)
})
