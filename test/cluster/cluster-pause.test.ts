/** SIGSTOP of the leader beyond its lease: when it goes on, it must not believe the past. */
import { expect, test } from 'bun:test'
import { TEST_MS, withCluster, type Cluster, type ClusterNode } from '../support/cluster.ts'
import { until } from '../support/until.ts'

const ROUNDS = 3
const PROBES = 6

test(
  'cluster: leader paused beyond its lease: no stale lease read and no heartbeat answered on SIGCONT',
  withCluster({}, async (cluster) => {
    for (let round = 0; round < ROUNDS; round++) await pauseAndResume(cluster, round)
  }),
  TEST_MS,
)

async function pauseAndResume(cluster: Cluster, round: number): Promise<void> {
  const old = await cluster.leader()
  const others = cluster.others(old)
  const [other] = others
  const instance = `/v1/services/paused/instances/i-${round}`
  const key = `/v1/config/paused/${round}`
  await old.put(instance, { address: '10.0.0.1', ttl: '500ms' })
  await old.put(key, 'old')

  await old.process.pause()
  const next = await cluster.leader(others)
  const write = await other!.put(key, 'new', { timeoutMs: 30_000 })
  await until('the others let the instance expire', async () => {
    return (await other!.get(instance)).status === 404
  })
  // All of these begin after that write was acknowledged and after the instance was gone. They
  // wait in the old leader's sockets, some of which it had open before it stood still.
  const reads = probes((fresh) => old.get(key, { fresh }))
  const confirmed = probes((fresh) => old.get(`${key}?consistency=linearizable`, { fresh }))
  const found = probes((fresh) => old.get(instance, { fresh }))
  const beats = probes((fresh) => old.call('POST', `${instance}/heartbeat`, { fresh }))
  const many = { instances: [{ service: 'paused', id: `i-${round}` }] }
  const batches = probes((fresh) => old.call('POST', '/v1/heartbeats', { fresh, body: many }))
  await Bun.sleep(200) // Lets them reach the sockets: the more of them do, the harder the test.
  old.process.resume()

  expect(next.id).not.toBe(old.id)
  for (const read of [...(await reads), ...(await confirmed)]) {
    expect([200, 503]).toContain(read.status)
    if (read.status === 200) expect(read.text).toBe('new')
    const revision = Number(read.headers.get('rollcall-revision'))
    if (read.status === 200)
      expect(revision).toBeGreaterThanOrEqual(write.json['revision'] as number)
  }
  for (const answer of [...(await found), ...(await beats)]) {
    expect([404, 503]).toContain(answer.status)
  }
  for (const answer of await batches) {
    expect([200, 503]).toContain(answer.status)
    if (answer.status !== 200) continue
    expect(answer.json).toEqual({ renewed: 0, missing: [{ service: 'paused', id: `i-${round}` }] })
  }
  await rejoined(cluster, old)
}

/** Some over connections that are open, some over new ones. */
function probes<T>(ask: (fresh: boolean) => Promise<T>): Promise<T[]> {
  const answers = Promise.all(Array.from({ length: PROBES }, (_, i) => ask(i % 2 === 0)))
  answers.catch(() => {}) // Awaited later, unless the test has failed by then.
  return answers
}

async function rejoined(cluster: Cluster, node: ClusterNode): Promise<void> {
  await cluster.leader()
  await cluster.settled()
  const { status } = await node.put('/v1/config/rejoined', node.id)
  expect([200, 201]).toContain(status)
}

test(
  'cluster: follower paused: it catches up, and never answered a lease read from the past',
  withCluster({}, async (cluster) => {
    const leader = await cluster.leader()
    const [follower] = cluster.others(leader)
    await leader.put('/v1/config/k', '0')

    for (let round = 1; round <= ROUNDS; round++) {
      await follower!.process.pause()
      for (let i = 0; i < 50; i++) await leader.put(`/v1/config/fill/${round}-${i}`, `${i}`)
      await leader.put('/v1/config/k', `${round}`)
      const reads = probes((fresh) => follower!.get('/v1/config/k', { fresh }))
      const polls = probes((fresh) =>
        follower!.get('/v1/config/k?consistency=linearizable', { fresh }),
      )
      await Bun.sleep(100)
      follower!.process.resume()

      for (const read of [...(await reads), ...(await polls)]) {
        expect([200, 503]).toContain(read.status)
        if (read.status === 200) expect(read.text).toBe(`${round}`)
      }
    }
    await cluster.settled()
  }),
  TEST_MS,
)

test(
  'cluster: everybody paused and resumed: nobody expires, and they find together again',
  withCluster({}, async (cluster) => {
    const [a] = cluster.nodes
    const instance = '/v1/services/paused/instances/all'
    await a!.put(instance, { address: '10.0.0.1', ttl: '3s' })
    const beat = await a!.call('POST', `${instance}/heartbeat`)

    await Promise.all(cluster.nodes.map((node) => node.process.pause()))
    await Bun.sleep(4_000) // Beyond the TTL: time in which nobody could have beaten.
    for (const node of cluster.nodes) node.process.resume()

    // The first beat after it is in time: deadlines advance only while the leader's lease holds.
    const answers = await Promise.all(
      cluster.nodes.map((node) => node.call('POST', `${instance}/heartbeat`)),
    )
    expect(beat.status).toBe(200)
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    await cluster.leader()
    await cluster.settled()
  }),
  TEST_MS,
)
