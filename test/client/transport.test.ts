import { expect, test } from 'bun:test'

import { createClient, path, RollcallError } from '../../src/client/mod.ts'
import { clientIn, failure, json, never, NODES, problem, refused, World } from './world.ts'

test('request() goes on to the next node when one does not answer', async () => {
  const world = new World()
  world.script = ({ node }) => {
    if (node === 'http://a') throw refused()
    return node === 'http://b' ? never() : json({ ok: true })
  }

  const answer = await world.until(clientIn(world).request('GET', '/v1/services'))

  expect(answer.json<{ ok: boolean }>()).toEqual({ ok: true })
  expect(world.asked.map(({ node }) => node)).toEqual(NODES)
})

test('request() leaves a node that failed alone for a while', async () => {
  const world = new World()
  const down = new Set<string>()
  world.script = ({ node }) =>
    down.has(node) ? problem(503, 'no_leader') : json({}, 200, { leader: 'http://b' })
  const client = clientIn(world)
  const asked = async (method: string): Promise<string> => {
    world.asked.length = 0
    await client.request(method, '/v1/services')
    return world.asked.map(({ node }) => node.at(-1)).join('')
  }
  expect(await asked('DELETE')).toBe('a')
  down.add('http://b')
  expect(await asked('DELETE')).toBe('ba')
  down.add('http://a')

  expect(await asked('GET')).toBe('ac') // Not b, which is next in the list.
  down.clear()
  expect(await asked('DELETE')).toBe('c')
  world.nowMs += 300
  expect(await asked('DELETE')).toBe('b')
})

test('request() sends a write to the node that is named as the leader, and a read elsewhere', async () => {
  const world = new World()
  world.script = () => json({}, 200, { leader: 'http://b/' })
  const client = clientIn(world)

  await client.request('GET', '/v1/services')
  await client.request('PUT', '/v1/config/a', { body: 'x' })
  await client.request('GET', '/v1/services')

  expect(world.asked.map(({ node }) => node)).toEqual(['http://a', 'http://b', 'http://a'])
})

test('request() sends nothing to a leader that the caller did not name', async () => {
  const world = new World()
  world.script = () => json({}, 200, { leader: 'http://elsewhere' })
  const client = clientIn(world, { token: 'secret' })

  for (let i = 0; i < 3; i++) await client.request('POST', '/v1/leases', { json: { ttl: '5s' } })

  expect(world.asked.map(({ node }) => node)).toEqual(['http://a', 'http://a', 'http://a'])
  expect(world.asked[0]?.headers.get('authorization')).toBe('Bearer secret')
})

test('request() repeats a write under one key, and each write has its own', async () => {
  const world = new World()
  world.script = () =>
    world.asked.length < 3 ? problem(504, 'outcome_unknown', { outcome: 'unknown' }) : json({}, 201)
  const client = clientIn(world)

  await world.until(client.request('PUT', '/v1/config/a', { body: 'x' }))
  await client.request('PUT', '/v1/config/a', { body: 'x' })

  const keys = world.asked.map(({ headers }) => headers.get('idempotency-key'))
  expect(keys[0]).toMatch(/^[0-9a-f]{32}$/)
  expect(keys.slice(0, 3)).toEqual([keys[0]!, keys[0]!, keys[0]!])
  expect(keys[3]).not.toBe(keys[0]!)
})

test('request() sends a write without a key once, where it may have been applied', async () => {
  const world = new World()
  world.script = () => problem(504, 'outcome_unknown', { outcome: 'unknown' })

  const write = clientIn(world).request('PUT', '/v1/config/a', { body: 'x', idempotencyKey: null })

  expect(await failure(write)).toMatchObject({ code: 'outcome_unknown', outcome: 'unknown' })
  expect(world.asked).toHaveLength(1)
  expect(world.asked[0]?.headers.has('idempotency-key')).toBe(false)
})

test('request() repeats a write without a key where nothing was applied', async () => {
  const world = new World()
  world.script = ({ node }) => {
    if (node === 'http://a') throw refused()
    if (node === 'http://b') return problem(503, 'no_leader', { outcome: 'not_applied' })
    return json({}, 201)
  }

  const write = clientIn(world).request('PUT', '/v1/config/a', { body: 'x', idempotencyKey: null })

  expect((await world.until(write)).status).toBe(201)
})

test('request() repeats no key after its window, and says that it may have happened', async () => {
  const world = new World()
  world.script = () =>
    world.asked.length === 1
      ? problem(504, 'outcome_unknown', { outcome: 'unknown' })
      : problem(503, 'no_leader', { outcome: 'not_applied' })
  const startMs = world.nowMs

  const write = clientIn(world).request('PUT', '/v1/config/a', { body: 'x', timeoutMs: 3_600_000 })
  const error = await failure(world.until(write))

  expect(error).toMatchObject({ code: 'no_leader', status: 503, outcome: 'unknown' })
  expect(Math.max(...world.asked.map(({ atMs }) => atMs)) - startMs).toBeLessThanOrEqual(100_000)
  expect(world.asked.length).toBeGreaterThan(50)
})

test('request() goes on past the window while nothing can have been applied', async () => {
  const world = new World()
  world.script = () =>
    world.nowMs < 300_000 ? problem(503, 'no_leader', { outcome: 'not_applied' }) : json({}, 201)

  const write = clientIn(world).request('PUT', '/v1/config/a', { body: 'x', timeoutMs: 3_600_000 })

  expect((await world.until(write)).status).toBe(201)
})

test('request() believes what was decided together with the write', async () => {
  const world = new World()
  world.script = () =>
    world.asked.length === 1
      ? never()
      : problem(412, 'version_mismatch', { outcome: 'not_applied', current: 7 })

  const error = await failure(world.until(clientIn(world).request('PUT', '/v1/config/a')))

  expect(error).toMatchObject({ code: 'version_mismatch', outcome: 'not_applied' })
  expect(error.problem['current']).toBe(7)
})

test('request() says unknown where a refusal says nothing of an earlier attempt', async () => {
  const world = new World()
  world.script = () =>
    world.asked.length === 1
      ? never()
      : problem(403, 'permission_denied', { outcome: 'not_applied' })

  const error = await failure(world.until(clientIn(world).request('DELETE', '/v1/config/a')))

  expect(error).toMatchObject({ code: 'permission_denied', outcome: 'unknown' })
})

test('request() repeats a renewal without a key', async () => {
  const world = new World()
  world.script = ({ node }) => (node === 'http://a' ? never() : json({}))
  const beat = clientIn(world).request('POST', '/v1/leases/x/heartbeat', { repeatable: true })

  await world.until(beat)

  expect(world.asked).toHaveLength(2)
  expect(world.asked.some(({ headers }) => headers.has('idempotency-key'))).toBe(false)
})

test('request() never reads from before what was seen', async () => {
  const world = new World()
  world.script = ({ url }) => json({ asked: url.search }, 200, { revision: 41 })
  const client = clientIn(world)

  await client.request('PUT', '/v1/config/a', { body: 'x' })
  await client.request('GET', '/v1/config/a')
  await client.request('GET', '/v1/status')
  await client.request('GET', '/v1/config/a', { minRevision: 0 })

  const asked = world.asked.map(({ url }) => url.searchParams.get('min-revision'))
  expect(asked).toEqual([null, '41', null, null])
})

test('request() waits as long as an overloaded node asks, within bounds', async () => {
  const world = new World()
  const headers = { 'Retry-After': '2' }
  world.script = () =>
    world.asked.length <= 3
      ? problem(429, 'too_many_requests', { outcome: 'not_applied' }, { headers })
      : json({})

  await world.until(clientIn(world).request('PUT', '/v1/config/a', { body: 'x' }))

  const [first, , , last] = world.asked
  expect((last?.atMs ?? 0) - (first?.atMs ?? 0)).toBe(2_000)
})

test('request() gives up at its time, with the last reason', async () => {
  const world = new World()
  world.script = never

  const read = await failure(world.until(clientIn(world).request('GET', '/v1/services')))
  const write = await failure(world.until(clientIn(world).request('DELETE', '/v1/config/a')))

  expect(read).toMatchObject({ code: 'unreachable', status: 0, outcome: null })
  expect(write).toMatchObject({ code: 'unreachable', outcome: 'unknown' })
  expect(world.timers).toBe(0)
})

test('request() ends with the reason of its signal, and is not repeated', async () => {
  const world = new World()
  world.script = never
  const stop = new AbortController()
  const request = clientIn(world).request('GET', '/v1/services', { signal: stop.signal })
  const ended = request.catch((error: unknown) => error)

  await world.pass(10)
  stop.abort(new Error('no longer wanted'))

  expect(String(await ended)).toContain('no longer wanted')
  expect(world.asked).toHaveLength(1)
})

test('request() follows no redirect, and takes no page of a proxy for an answer', async () => {
  const world = new World()
  const client = clientIn(world)
  world.script = () => new Response(null, { status: 302, headers: { Location: 'http://x/' } })
  expect(await failure(client.request('GET', '/v1/services'))).toMatchObject({
    code: 'invalid_answer',
    status: 302,
  })
  expect(world.asked[0]?.redirect).toBe('manual')

  world.script = () => new Response('<html>', { status: 403 })
  expect(await failure(client.request('GET', '/v1/services'))).toMatchObject({
    code: 'invalid_answer',
    status: 403,
  })
})

test('path() encodes names, and refuses those that a URL would resolve', () => {
  expect(path`/v1/config/${'a/b c'}`).toBe('/v1/config/a%2Fb%20c')
  expect(path`/v1/locks/${'x@y+z'}/renew`).toBe('/v1/locks/x%40y%2Bz/renew')
  for (const name of ['', '.', '..']) expect(() => path`/v1/config/${name}`).toThrow('is no name')
})

test('createClient() refuses endpoints that are none', () => {
  for (const endpoints of [[], ['nonsense'], ['ftp://a'], ['http://a/?x=1']]) {
    expect(() => createClient({ endpoints })).toThrow(RollcallError)
  }
})

test('createClient() keeps the base path of an endpoint', async () => {
  const world = new World()
  world.script = () => json({})
  const client = clientIn(world, { endpoints: ['http://a/rollcall/'], namespace: 'team' })

  await client.request('GET', '/v1/services', { query: { tag: ['x', 'y'], limit: 5, zone: null } })

  expect(world.asked[0]?.url.href).toBe('http://a/rollcall/v1/services?tag=x&tag=y&limit=5')
  expect(world.asked[0]?.headers.get('rollcall-namespace')).toBe('team')
})
