/** `createNode` from its sources, in this process: started, mounted, stopped, hurt. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { closeSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { Hono } from 'hono'
import { createClient } from '../../src/client/mod.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import { createNode, StartError, type CreateNodeOptions, type EmbeddedNode } from '../../src/mod.ts'
import { freePorts } from '../support/cluster.ts'
import { until } from '../support/until.ts'

let folder = ''
const nodes: EmbeddedNode[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rollcall-embed-'))
})

afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop()))
  rmSync(folder, { recursive: true, force: true })
})

function made(options: Partial<CreateNodeOptions> = {}): EmbeddedNode {
  const data = join(folder, options.id ?? 'data')
  const node = createNode({ data, logger: silentLogger, ...options })
  nodes.push(node)
  return node
}

async function put(host: Hono, path: string, body: string): Promise<number> {
  return (await host.request(path, { method: 'PUT', body })).status
}

/** What it was refused with; whoever is not refused fails the test. */
function refusal(options: object): string {
  try {
    createNode(options as CreateNodeOptions)
  } catch (error) {
    if (!(error instanceof StartError)) throw error
    return `${error.exitCode} ${error.message}`
  }
  return 'none'
}

test('embed: a node without a port serves the whole API where it is mounted', async () => {
  const node = made()
  await node.start()
  const root = new Hono().get('/own', (c) => c.text('own')).route('/', node.app)
  const below = new Hono().route('/registry', node.app).get('/own', (c) => c.text('own'))
  const deep = new Hono().basePath('/:tenant').route('/a b/registry', node.app)
  const rewritten = new Hono().mount('/registry', node.app.fetch)
  const places = [
    [root, ''],
    [below, '/registry'],
    [deep, '/some%2Fone/a%20b/registry'],
    [rewritten, '/registry'],
  ] as const

  for (const [i, [host, base]] of places.entries()) {
    expect(await put(host, `${base}/v1/config/app%2Fkey-${i}`, `${i}`)).toBe(201)
    const read = await host.request(`${base}/v1/config/app/key-${i}?consistency=linearizable`)
    expect([base, await read.text()]).toEqual([base, `${i}`])
    expect(read.headers.get('Rollcall-Node')).toBe(node.status().node?.id ?? '')
    const instances = `${base}/v1/services/web/instances`
    expect(await put(host, `${instances}/web-${i}`, '{"address":"10.0.0.5"}')).toBe(201)
    const lost = await host.request(`${base}/v1/servces`)
    expect([lost.status, await lost.json()]).toMatchObject([404, { nearest: 'GET /v1/services' }])
    const wrong = await host.request(`${base}/v1/config/a//b`)
    expect([wrong.status, await wrong.json()]).toMatchObject([400, { code: 'invalid_request' }])
    const method = await host.request(`${base}/v1/services`, { method: 'DELETE' })
    expect([method.status, method.headers.get('Allow')]).toEqual([405, 'GET, HEAD, OPTIONS'])
    expect((await host.request(`${base}/readyz`, { method: 'HEAD' })).status).toBe(200)
    expect((await host.request(base === '' ? '/' : base)).status).toBe(200)
  }
  for (const host of [root, below]) expect(await (await host.request('/own')).text()).toBe('own')
  const metrics = await (await below.request('/registry/metrics')).text()
  expect(metrics).toContain('route="/v1/config/{key}",status="201"} 4')
})

test('embed: a long poll and a watch outlive the idle limit of the host that they came through', async () => {
  const node = made()
  await node.start()
  const host = new Hono().route('/registry', node.app)
  // In seconds; Bun looks every few of them.
  const server = Bun.serve({ hostname: '127.0.0.1', port: 0, idleTimeout: 1, fetch: host.fetch })
  const base = `${server.url.origin}/registry/v1`
  try {
    const put = await fetch(`${base}/config/k`, { method: 'PUT', body: 'v' })
    const watch = await fetch(`${base}/watch?topic=config/*`)
    const poll = await fetch(
      `${base}/config/k?since=${put.headers.get('Rollcall-Revision')}&wait=6s`,
    )
    await fetch(`${base}/config/k`, { method: 'PUT', body: 'w' })
    let events = ''
    for await (const bytes of watch.body ?? []) {
      events += new TextDecoder().decode(bytes)
      if (events.includes('event: config.put')) break
    }

    expect([poll.status, await poll.text()]).toEqual([200, 'v'])
    expect(events).toContain('"key":"k"')
  } finally {
    await server.stop(true)
  }
}, 30_000)

test('embed: the client finds its way to a node that is mounted below a path', async () => {
  const node = made()
  await node.start()
  const host = new Hono().route('/registry', node.app)
  const server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: host.fetch })
  try {
    await using client = createClient({ endpoints: [`${server.url.origin}/registry`] })
    const put = await client.request('PUT', '/v1/config/app%2Fk', {
      body: 'v',
      idempotencyKey: null,
    })
    const read = await client.request('GET', '/v1/config/app/k')

    expect([put.status, read.text()]).toEqual([201, 'v'])
  } finally {
    await server.stop(true)
  }
})

test('embed: no dot segment leads out of where it is mounted', async () => {
  const node = made()
  await node.start()
  const host = new Hono().route('/registry', node.app)
  // As a server may hand it over, which a Request cannot hold.
  const url = 'http://localhost/registry/../../registry/v1/../livez'
  const request = new Proxy(new Request('http://localhost/'), {
    get: (target, name) => (name === 'url' ? url : Reflect.get(target, name, target)),
  })

  const answer = await host.fetch(request)

  expect([answer.status, await answer.json()]).toMatchObject([404, { code: 'no_such_route' }])
})

test('embed: it starts and stops as often as it is told to, and keeps its data', async () => {
  const node = made({ listen: '127.0.0.1:0' })
  const early = await node.app.request('/v1/services')

  expect([early.status, await early.json()]).toMatchObject([503, { code: 'no_leader' }])
  expect(node.status()).toEqual({ state: 'stopped', url: null, node: null })
  await node.stop()

  const [first, second] = [node.start(), node.start()]
  expect(node.status().state).toBe('starting')
  await Promise.all([first, second])
  const { state, url } = node.status()
  expect([state, url]).toEqual(['running', expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/)])
  expect((await fetch(`${url}/v1/config/k`, { method: 'PUT', body: 'v' })).status).toBe(201)
  expect(await (await node.app.request('/v1/config/k')).text()).toBe('v')

  const stops = [node.stop(), node.stop()]
  expect(node.status().state).toBe('stopping')
  const again = node.start()
  await Promise.all(stops)
  await again
  expect(await (await node.app.request('/v1/config/k')).text()).toBe('v')

  await node.stop()
  expect(node.status()).toEqual({ state: 'stopped', url: null, node: null })
  expect((await node.app.request('/v1/config/k')).status).toBe(503)
  expect(await fetch(`${url}/livez`).catch(() => 'refused')).toBe('refused')

  const starting = node.start()
  await node.stop() // In the middle of its start.
  await starting
  expect(node.status().state).toBe('stopped')
})

test('embed: nodes of one process form a cluster, mounted or with ports of their own', async () => {
  const [port = 0, meshPort = 0] = await freePorts(2)
  const url = `http://127.0.0.1:${port}`
  const cluster = { n1: url, n2: `http://127.0.0.1:${meshPort}` }
  const n1 = made({ id: 'n1', listen: `127.0.0.1:${port}`, cluster })
  const n2 = made({ id: 'n2', peerListen: `127.0.0.1:${meshPort}`, cluster })
  await Promise.all([n1.start(), n2.start()])
  const host = new Hono().route('/registry', n2.app)

  expect(await put(host, '/registry/v1/config/k?timeout=30s', 'v')).toBe(201)
  expect(await (await fetch(`${url}/v1/config/k`)).text()).toBe('v')
  const members = await (await host.request('/registry/v1/cluster')).json()
  expect(members).toMatchObject({
    members: [
      { id: 'n1', role: 'voter', url },
      { id: 'n2', role: 'voter' },
    ],
  })

  const n3 = made({ id: 'n3', join: url, advertise: 'none', role: 'learner' })
  await n3.start()
  await until('n3 holds the data', async () => {
    const read = await n3.app.request('/v1/config/k?consistency=stale')
    return (await read.text()) === 'v'
  })
  await n1.stop() // One of two voters is left: reads of what it has go on, and say so.
  const stale = await host.request('/registry/v1/config/k?consistency=stale')
  expect([await stale.text(), stale.headers.get('Rollcall-Consistency')]).toEqual(['v', 'stale'])
})

test.each([
  [{}, '2 createNode: data must name the directory of this node'],
  [{ data: 'd', lisen: 'x' }, '2 createNode: there is no option "lisen"; did you mean "listen"?'],
  [{ data: 'd', listen: '7400' }, '2 createNode: listen: "7400" is not HOST:PORT'],
  [{ data: 'd', listen: '0.0.0.0:0' }, 'name the one others use with advertise URL'],
  [{ data: 'd', heartbeat: 100 }, 'heartbeat: "100" is not a duration such as 100ms or 2s'],
  [{ data: 'd', heartbeat: '9s' }, 'heartbeat: 9s is more than half of the shortest election'],
  [{ data: 'd', walSegment: '1KiB' }, 'walSegment: "1KiB" is not between 4MiB and 1GiB'],
  [{ data: 'd', id: 'a', cluster: { b: 'http://127.0.0.1:1' } }, 'cluster lists b, but not this'],
  [{ data: 'd', join: 'http://127.0.0.1:1' }, 'give peerListen (or listen), or advertise "none"'],
  [{ data: 'd', join: 'http://10.0.0.1:1', advertise: 'none' }, '2 createNode: clusterSecret is'],
  [
    { data: 'd', clusterSecret: 'short' },
    '2 createNode: clusterSecret (given): shorter than 16 bytes',
  ],
  [{ data: 'd', id: {} }, '2 createNode: id must be text, a number or a boolean'],
])('embed: options %j are refused by name', (options, said) => {
  expect(refusal(options)).toContain(said)
})

test('embed: what stands in the way of a start is a StartError, and passes', async () => {
  const node = made({ listen: '127.0.0.1:0' })
  await node.start()
  const { url } = node.status()
  const samePort = made({ id: 'other', listen: new URL(url ?? '').host })
  const sameData = createNode({ data: join(folder, 'data'), logger: silentLogger })

  const atPort = await samePort.start().catch((error: unknown) => error)
  const atData = await sameData.start().catch((error: unknown) => error)
  expect(atPort).toMatchObject({ name: 'StartError', exitCode: 1 })
  expect(String(atPort)).toEndWith('the port is in use; choose another with listen')
  expect(atData).toMatchObject({ name: 'StartError', exitCode: 3 })
  expect(String(atData)).toContain('in use by another process; stop it, or choose another')
  expect(sameData.status().state).toBe('stopped')

  await node.stop()
  await sameData.start()
  expect(sameData.status().state).toBe('running')
  await sameData.stop()
})

test('embed: only names that nobody can rebind are answered, unless others are allowed', async () => {
  const clusterSecret = 'long enough for one'
  const hosts: readonly [Partial<CreateNodeOptions>, string, number][] = [
    [{}, 'rollcall.example', 403],
    [{}, '10.0.0.1:80', 200],
    [{ allowedHosts: ['Rollcall.Example'] }, 'rollcall.example:80', 200],
    [{ allowedHosts: ['rollcall.example'] }, 'evil.example', 403],
    [{ allowedHosts: 'any' }, 'evil.example', 200],
    [{ advertise: 'http://rollcall.example:80', clusterSecret }, 'rollcall.example', 200],
  ]
  for (const [i, [options, host, status]] of hosts.entries()) {
    const node = made({ ...options, id: `n${i}` })
    await node.start()
    const answer = await node.app.request('/livez', { headers: { Host: host } })
    expect([options, host, answer.status]).toEqual([options, host, status])
  }
})

test.if(process.platform === 'linux')(
  'embed: a node whose disk failed ends by itself, and not its process',
  async () => {
    const node = made()
    await node.start()
    const host = new Hono().get('/own', (c) => c.text('own')).route('/registry', node.app)
    expect(await put(host, '/registry/v1/config/k', 'v')).toBe(201)

    for (const fd of openBelow(join(folder, 'data', 'log'))) closeSync(fd)
    const lost = await put(host, '/registry/v1/config/k', 'w')
    const error = await node.failed

    expect([503, 504]).toContain(lost)
    expect(error).toBeInstanceOf(Error)
    expect(node.status()).toEqual({ state: 'failed', url: null, node: null })
    expect((await host.request('/registry/v1/config/k?consistency=stale')).status).toBe(503)
    expect(await (await host.request('/own')).text()).toBe('own')
    expect(await node.start().catch(String)).toContain('only a new process may start it again')
    const other = createNode({ data: join(folder, 'data'), logger: silentLogger })
    expect(await other.start().catch(String)).toContain('is in use')
    await node.stop() // Nothing is left to stop.
  },
)

/** Descriptors of this process on files in `folder`. */
function openBelow(folder: string): number[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`)
      return path.startsWith(folder) ? [Number(fd)] : []
    } catch {
      return [] // That of the listing itself.
    }
  })
}
