/** A copy of a service that stays current, and never is empty because of an error. */
import { expect, test } from 'bun:test'

import { roundRobin } from '../../src/client/mod.ts'
import type { Instance } from '../../src/client/mod.ts'
import { instance } from './instances.ts'
import {
  clientIn,
  failure,
  held,
  json,
  never,
  problem,
  refused,
  settled,
  Stream,
  World,
} from './world.ts'
import type { Asked, Reply } from './world.ts'

/** Nodes of a cluster with one service; each part of it can be taken away. */
class Cluster {
  readonly world = new World()
  revision = 10
  instances: readonly Instance[] = [instance('a'), instance('b')]
  readonly streams: Stream[] = []
  /** False: no leader; a stale read alone is answered, as of `staleAt`. */
  hasQuorum = true
  staleAt: number | null = null
  /** What a watch is answered with, if not with a stream. */
  watch: ((asked: Asked) => Reply) | null = null

  constructor() {
    this.world.script = (asked) => this.#answer(asked)
  }

  #answer(asked: Asked): Reply {
    const { url } = asked
    if (url.pathname === '/v1/watch') return this.watch?.(asked) ?? this.#stream(asked)
    const isStale = url.searchParams.get('consistency') === 'stale'
    if (!this.hasQuorum && !(isStale && this.staleAt !== null)) return problem(503, 'no_leader')
    const revision = isStale ? (this.staleAt ?? this.revision) : this.revision
    const headers = { ETag: `"${revision}"` }
    if (asked.headers.get('if-none-match') === headers.ETag) {
      return new Response(null, { status: 304, headers: { 'Rollcall-Revision': String(revision) } })
    }
    const body = { revision, service: 'web', instances: this.instances }
    return json(body, 200, { revision, headers })
  }

  #stream(asked: Asked): Response {
    const stream = new Stream(asked)
    this.streams.push(stream)
    stream.mark('sync', this.revision)
    return stream.response
  }

  get stream(): Stream {
    const stream = this.streams.at(-1)
    if (stream === undefined) throw new Error('nobody watches')
    return stream
  }

  reads(): readonly Asked[] {
    return this.world.asked.filter(({ url }) => url.pathname === '/v1/services/web')
  }
}

const ids = (instances: readonly Instance[]) => instances.map(({ id }) => id).join(' ')

test('discover() follows registrations, changes and ends without another read', async () => {
  const cluster = new Cluster()
  const web = await clientIn(cluster.world).discover('web')
  const seen: string[] = []
  web.onChange((instances) => seen.push(ids(instances)))
  await settled()
  const { stream } = cluster

  stream.event('instance.registered', instance('c', { revision: 11 }), 11)
  stream.event('instance.updated', instance('a', { revision: 12, available: false }), 12)
  stream.event('instance.expired', instance('b', { revision: 13 }), null)
  stream.event('instance.deregistered', instance('c', { revision: 13 }), 13)
  await settled()

  expect(seen).toEqual(['a b c', 'b c', ''])
  expect(ids(web.all)).toBe('a')
  expect(web.revision).toBe(13)
  expect(web.freshness).toBe('live')
  expect(cluster.reads()).toHaveLength(1)
  expect(cluster.world.asked[1]?.url.search).toBe('?topic=services%2Fweb&since=10')
  await web.close()
  expect(cluster.world.timers).toBe(0)
})

test('discover() reads again where an event does not say what became of the instances', async () => {
  const cluster = new Cluster()
  const web = await clientIn(cluster.world).discover('web')
  await settled()
  cluster.instances = [instance('z')]
  cluster.revision = 11
  cluster.stream.event('service.updated', { service: 'web', revision: 11 }, 11)
  await settled()

  expect(ids(web.instances)).toBe('z')
  expect(cluster.reads().at(-1)?.url.searchParams.get('min-revision')).toBe('11')
})

test('discover() rejects where no node can say anything: that is no empty list', async () => {
  const cluster = new Cluster()
  const client = clientIn(cluster.world)
  cluster.hasQuorum = false
  const refusal = await failure(cluster.world.until(client.discover('web')))
  expect(refusal.code).toBe('no_leader')

  cluster.world.script = () => {
    throw refused()
  }
  expect((await failure(cluster.world.until(client.discover('web')))).code).toBe('unreachable')
  expect(cluster.world.timers).toBe(0)
})

test('discover() begins with what a stale node has where there is no quorum, and says so', async () => {
  const cluster = new Cluster()
  cluster.hasQuorum = false
  cluster.staleAt = 8
  const web = await cluster.world.until(clientIn(cluster.world).discover('web'))
  expect([ids(web.instances), web.freshness, web.revision]).toEqual(['a b', 'stale', 8])
  expect(web.verifiedAgoMs).toBe(Infinity)

  cluster.hasQuorum = true
  cluster.instances = [instance('a')]
  await cluster.world.pass(20_000)
  expect([ids(web.instances), web.freshness, web.revision]).toEqual(['a', 'live', 10])
})

test('discover() goes on from its copy when the quorum is lost; an older node changes nothing', async () => {
  const cluster = new Cluster()
  const web = await clientIn(cluster.world).discover('web')
  await settled()
  cluster.hasQuorum = false
  cluster.staleAt = 7
  cluster.instances = []
  cluster.stream.end()
  await cluster.world.pass(60_000)
  expect([ids(web.instances), web.freshness, web.revision]).toEqual(['a b', 'cached', 10])

  cluster.staleAt = 15 // A node that had heard of more before the quorum was gone.
  cluster.instances = [instance('b')]
  await cluster.world.pass(60_000)
  expect([ids(web.instances), web.freshness, web.revision]).toEqual(['b', 'stale', 15])
})

test('discover() goes on from its copy when every node is gone, and tells', async () => {
  const cluster = new Cluster()
  const troubles: unknown[] = []
  const web = await clientIn(cluster.world).discover('web', { onTrouble: (e) => troubles.push(e) })
  await settled()
  const { script } = cluster.world
  cluster.world.script = never
  cluster.stream.end()
  await cluster.world.pass(300_000)
  expect([ids(web.instances), web.freshness]).toEqual(['a b', 'cached'])
  expect(troubles.length).toBeGreaterThan(3)

  cluster.world.script = script
  await cluster.world.pass(60_000)
  expect(web.freshness).toBe('live')
})

test('discover() asks whether an idle copy is still right', async () => {
  const cluster = new Cluster()
  const web = await clientIn(cluster.world).discover('web')
  await settled()
  for (let i = 0; i < 8; i++) {
    await cluster.world.pass(15_000)
    cluster.stream.mark('progress', cluster.revision)
  }
  await settled()
  expect(cluster.reads().length).toBeGreaterThan(2)
  expect(cluster.reads().at(-1)?.headers.get('if-none-match')).toBe('"10"')
  expect(web.verifiedAgoMs).toBeLessThan(60_000)

  cluster.hasQuorum = false
  await cluster.world.pass(40_000)
  cluster.stream.mark('progress', cluster.revision)
  await cluster.world.pass(10_000)
  expect(web.freshness).toBe('cached')
  expect(ids(web.instances)).toBe('a b')
})

test.each([
  ['is not there', () => problem(404, 'no_such_route')],
  ['is held back on its way', (asked: Asked) => new Stream(asked).response],
  [
    'is cut again and again',
    () => new Response('', { headers: { 'Content-Type': 'text/event-stream' } }),
  ],
  [
    'is answered by a page',
    () => new Response('<html>', { headers: { 'Content-Type': 'text/html' } }),
  ],
])('discover() polls where the watch %s', async (_, watch) => {
  const cluster = new Cluster()
  cluster.watch = watch
  const web = await clientIn(cluster.world).discover('web')
  await cluster.world.pass(60_000)
  const { reply, answer } = held()
  const { script } = cluster.world
  cluster.world.script = (asked) => (asked.url.searchParams.has('wait') ? reply : script(asked))
  await cluster.world.pass(1_000)
  const poll = cluster.world.asked.at(-1)?.url.searchParams
  expect([poll?.get('since'), poll?.get('wait')]).toEqual(['10', '30000ms'])

  answer(json({ revision: 12, instances: [instance('c')] }, 200, { revision: 12 }))
  await settled()
  expect([ids(web.instances), web.freshness]).toEqual(['c', 'live'])
  await web.close()
})

test('discover() tries the watch again after some minutes of polling', async () => {
  const cluster = new Cluster()
  cluster.watch = () => problem(404, 'no_such_route')
  await clientIn(cluster.world).discover('web')
  await cluster.world.pass(10_000)
  cluster.watch = null
  await cluster.world.pass(400_000)

  expect(cluster.stream.isLeft).toBe(false)
})

test('discover() reads anew where its place in the changes is no longer kept', async () => {
  const cluster = new Cluster()
  cluster.watch = () => problem(410, 'revision_compacted', { oldest: 40 })
  const web = await clientIn(cluster.world).discover('web')
  await settled()
  cluster.watch = null
  cluster.revision = 50
  cluster.instances = [instance('n')]
  await cluster.world.pass(5_000)

  expect([ids(web.instances), web.revision]).toEqual(['n', 50])
  const watched = cluster.world.asked.filter(({ url }) => url.pathname === '/v1/watch')
  expect(watched.map(({ url }) => url.searchParams.get('since'))).toEqual(['10', '50'])
})

test('a late answer from before the copy changes nothing', async () => {
  const cluster = new Cluster()
  const web = await clientIn(cluster.world).discover('web')
  await settled()
  const { reply, answer } = held()
  cluster.world.script = () => reply
  const refreshed = web.refresh()
  await settled()
  cluster.stream.event('instance.deregistered', instance('a', { revision: 12 }), 12)
  await settled()
  answer(json({ revision: 9, instances: [instance('a'), instance('b')] }, 200, { revision: 11 }))
  await refreshed

  expect([ids(web.instances), web.revision]).toEqual(['b', 12])
})

test('pick() and picking() choose among those that are available now', async () => {
  const cluster = new Cluster()
  cluster.instances = [
    instance('a', { zone: 'eu' }),
    instance('b'),
    instance('c', { available: false }),
  ]
  const web = await clientIn(cluster.world).discover('web', { picker: roundRobin() })
  const inEu = web.picking((all) => () => all.find(({ zone }) => zone === 'eu') ?? null)
  await settled()
  expect([web.pick(), web.pick(), web.pick(), inEu()].map((one) => one?.id)).toEqual([
    'a',
    'b',
    'a',
    'a',
  ])

  cluster.stream.event('instance.expired', instance('a'), 11)
  await settled()
  expect([web.pick(), web.pick(), inEu()].map((one) => one?.id)).toEqual(['b', 'b', undefined])
})

test('discover() can be narrowed', async () => {
  const cluster = new Cluster()
  cluster.instances = [instance('a', { tags: ['http'] }), instance('b')]
  const web = await clientIn(cluster.world).discover('web', {
    where: ({ tags }) => tags.includes('http'),
  })

  expect([ids(web.instances), ids(web.all)]).toEqual(['a', 'a b'])
})

test('a listener that fails ends nothing', async () => {
  const cluster = new Cluster()
  const troubles: unknown[] = []
  const web = await clientIn(cluster.world).discover('web', { onTrouble: (e) => troubles.push(e) })
  web.onChange(() => {
    throw new Error('in the listener')
  })
  await settled()
  cluster.stream.event('instance.expired', instance('a'), 11)
  cluster.stream.event('instance.expired', instance('b'), 12)
  await settled()

  expect(ids(web.instances)).toBe('')
  expect(troubles.map(String)).toEqual(['Error: in the listener', 'Error: in the listener'])
})
