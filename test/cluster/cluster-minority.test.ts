/** Without a majority: what is as it is may be read, all else is refused and nothing is promised. */
import { expect, test } from 'bun:test'
import { TEST_MS, withCluster, type ClusterNode } from '../support/cluster.ts'
import { until } from '../support/until.ts'

const KEY = '/v1/config/minority'
const INSTANCE = '/v1/services/minority/instances/i'

/** Waits until the node knows that it has no leader any more. */
async function leaderless(node: ClusterNode): Promise<void> {
  await until(`${node.id} knows no leader`, async () => (await node.status())['leader'] === null)
}

/** What a node without a majority owes to its clients. */
async function answersOnlyStale(node: ClusterNode): Promise<void> {
  const first = await node.get(`${KEY}?consistency=stale`)
  const second = await node.get(`${KEY}?consistency=stale`)
  expect([first.status, first.text]).toEqual([200, 'before'])
  expect(first.headers.get('rollcall-consistency')).toBe('stale')
  const ages = [first, second].map((answer) => Number(answer.headers.get('rollcall-staleness-ms')))
  expect(ages[0]).toBeGreaterThan(0)
  expect(ages[1]).toBeGreaterThanOrEqual(ages[0]!) // No quorum confirms anything new.

  const tooOld = await node.get(`${KEY}?consistency=stale&max-staleness=1ms`)
  expect([tooOld.status, tooOld.json['code']]).toEqual([503, 'too_stale'])
  const youngEnough = await node.get(`${KEY}?consistency=stale&max-staleness=1h`)
  expect(youngEnough.status).toBe(200)

  for (const path of [KEY, '/v1/services', INSTANCE, '/v1/config?prefix=']) {
    for (const consistency of ['lease', 'linearizable']) {
      const joint = path.includes('?') ? '&' : '?'
      const read = await node.get(`${path}${joint}consistency=${consistency}&timeout=100ms`)
      expect([path, read.status, read.json['code']]).toEqual([path, 503, 'no_leader'])
      expect(read.headers.get('retry-after')).not.toBeNull()
      expect(read.headers.get('content-type')).toStartWith('application/problem+json')
    }
  }
  const beat = `${INSTANCE}/heartbeat?timeout=100ms`
  const writes = [
    await node.put(`${KEY}?timeout=100ms`, 'not now'),
    await node.call('DELETE', `${KEY}?timeout=100ms`),
    await node.put(`${INSTANCE}?timeout=100ms`, { address: '10.0.0.2' }),
    await node.call('PATCH', `${INSTANCE}?timeout=100ms`, { body: { weight: 3 } }),
    await node.call('POST', '/v1/leases?timeout=100ms', { body: { ttl: '10s' } }),
    await node.call('POST', beat),
    await node.call('POST', '/v1/heartbeats?timeout=100ms', {
      body: { instances: [{ service: 'minority', id: 'i' }] },
    }),
  ]
  for (const { status, json, headers } of writes) {
    expect(status).toBe(503)
    expect(json).toMatchObject({ code: 'no_leader', outcome: 'not_applied' })
    expect(headers.get('retry-after')).not.toBeNull()
  }
  expect((await node.get('/readyz')).status).toBe(503)
  expect((await node.get('/livez')).status).toBe(200)
}

test(
  'cluster: minority: a leader left alone answers stale reads and refuses the rest',
  withCluster({}, async (cluster) => {
    const alone = await cluster.leader()
    const others = cluster.others(alone)
    await alone.put(KEY, 'before')
    await alone.put(INSTANCE, { address: '10.0.0.1', ttl: '1h' })
    await cluster.settled()

    await Promise.all(others.map((node) => node.process.pause()))
    await leaderless(alone)
    await answersOnlyStale(alone)

    // A write that comes in time for the others' return is served, not refused.
    const waits = alone.put(`${KEY}?timeout=30s`, 'after')
    for (const node of others) node.process.resume()
    const written = await waits
    const read = await others[0]!.get(KEY)
    const beat = await others[1]!.call('POST', `${INSTANCE}/heartbeat`)
    expect(written.status).toBe(200)
    expect(written.json['version']).toBe(2) // What was refused was not applied.
    expect(read.text).toBe('after')
    expect(beat.status).toBe(200)
  }),
  TEST_MS,
)

test(
  'cluster: minority: a follower left alone answers stale reads and refuses the rest',
  withCluster(
    { flags: (place) => (place === 1 ? ['--sqlite', 'sql.js'] : []) },
    async (cluster) => {
      const leader = await cluster.leader()
      const [alone, third] = cluster.others(leader)
      await alone!.put(KEY, 'before')
      await alone!.put(INSTANCE, { address: '10.0.0.1', ttl: '1h' })
      await cluster.settled()

      await Promise.all([leader.process.kill(), third!.process.kill()])
      await leaderless(alone!)
      await answersOnlyStale(alone!)

      third!.start()
      await cluster.ready([alone!, third!])
      const written = await third!.put(`${KEY}?timeout=30s`, 'after')
      expect([written.status, written.json['version']]).toEqual([200, 2])
      expect((await alone!.get(KEY)).text).toBe('after')
    },
  ),
  TEST_MS,
)

test(
  'cluster: minority: a restarted node without the others serves what it has, as stale only',
  withCluster({}, async (cluster) => {
    const [alone, ...others] = cluster.nodes
    await alone!.put(KEY, 'before')
    await alone!.put(INSTANCE, { address: '10.0.0.1', ttl: '1h' })
    await cluster.settled()

    await Promise.all(cluster.nodes.map((node) => node.process.kill()))
    alone!.start()
    await until('it answers', async () => (await alone!.get('/livez')).status === 200)
    const stale = await alone!.get(`${KEY}?consistency=stale`)
    const lease = await alone!.get(`${KEY}?timeout=300ms`)
    const write = await alone!.put(`${KEY}?timeout=300ms`, 'no')
    const bounded = await alone!.get(`${KEY}?consistency=stale&max-staleness=1h`)

    // What it had applied may be less than what it had heard: a state in memory starts empty.
    expect([200, 404]).toContain(stale.status)
    expect(lease.json).toMatchObject({ code: 'no_leader' })
    expect(write.json).toMatchObject({ code: 'no_leader', outcome: 'not_applied' })
    expect([bounded.status, bounded.json['code']]).toEqual([503, 'too_stale'])
    expect((await alone!.status())['recovery']).toBe('idle')

    for (const node of others) node.start()
    await cluster.ready()
    expect((await alone!.get(KEY)).text).toBe('before')
  }),
  TEST_MS,
)
