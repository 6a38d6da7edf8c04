/** Liveness on real processes: nobody dies early, the dead do not stay, whoever leads. */
import { expect, test } from 'bun:test'
import { Beater } from '../support/beater.ts'
import { TEST_MS, withCluster, type Cluster, type ClusterNode } from '../support/cluster.ts'
import { until } from '../support/until.ts'

const BEATS = 10_000
const INSTANCES = 100

test(
  'cluster: leader killed: an instance that beats through a follower lives on, one that stopped is gone',
  withCluster({}, async (cluster) => {
    const leader = await cluster.leader()
    const [follower, third] = cluster.others(leader)
    const watchers = [follower!, third!]
    const lives = new Beater('/v1/services/beats/instances/lives', 10_000)
    const quits = new Beater('/v1/services/beats/instances/quits', 1_500)
    await lives.start(follower!, { watchers })
    await quits.start(follower!, { watchers })
    await until('beats are answered', () => lives.answered >= 10 && quits.answered >= 10)

    await leader.process.kill()
    const before = lives.answered
    await until('beats are answered again', () => lives.answered >= before + 10)
    leader.start()
    await leader.ready()
    await quits.stopBeating()
    await Promise.all(cluster.nodes.map((node) => gone(node, quits.path)))

    const beat = await third!.call('POST', `${quits.path}/heartbeat`)
    expect(beat.status).toBe(404)
    for (const node of cluster.nodes) {
      const { status, json } = await node.get(lives.path)
      expect([status, json['available']]).toEqual([200, true])
    }
    await Promise.all([lives.stop(), quits.stop()])
    expect(lives.looks + quits.looks).toBeGreaterThan(20)
  }),
  TEST_MS,
)

test(
  'cluster: an instance without a beat through two leaders is gone all the same',
  withCluster({}, async (cluster) => {
    const leader = await cluster.leader()
    const others = cluster.others(leader)
    const silent = new Beater('/v1/services/beats/instances/silent', 2_000)
    await silent.start(others[0]!, { watchers: others })
    await silent.stopBeating()

    await leader.process.kill()
    await cluster.leader(others)

    await Promise.all(others.map((node) => gone(node, silent.path)))
    await silent.stop()
  }),
  TEST_MS,
)

test(
  'cluster: removeAfter: first critical on all nodes, then gone from all; a beat in between revives',
  withCluster({}, async (cluster) => {
    const [a, b, c] = cluster.nodes
    const path = '/v1/services/beats/instances/slow'
    const spec = { address: '10.0.0.9', ttl: '400ms', removeAfter: '5s' }
    await a!.put(path, spec)

    await Promise.all(cluster.nodes.map((node) => critical(node, path)))
    const listed = await b!.get('/v1/services/beats?available=true')
    const revived = await c!.call('POST', `${path}/heartbeat`)
    const alive = await a!.get(path)
    // Watched from here on by one long poll after the other, so that no state is missed.
    const seen = await history(b!, path, alive.json['revision'] as number)
    await Promise.all(cluster.nodes.map((node) => gone(node, path)))

    expect(listed.json['instances']).toEqual([])
    expect(revived.status).toBe(200)
    expect(alive.json).toMatchObject({ health: 'passing', available: true })
    expect(seen).toEqual(['critical', 'gone'])
  }),
  TEST_MS,
)

test(
  `cluster: ${BEATS} heartbeats leave the commit index where it is`,
  withCluster({}, async (cluster) => {
    const ids = Array.from({ length: INSTANCES }, (_, i) => `i-${i}`)
    const instances = ids.map((id) => ({ service: 'many', id }))
    const [first] = cluster.nodes
    for (const id of ids) {
      await first!.put(`/v1/services/many/instances/${id}`, { address: '10.0.0.1', ttl: '10m' })
    }
    await stateAgreed(cluster)
    const before = await commitIndexes(cluster.nodes)

    let beats = 0
    for (let i = 0; beats < BEATS; i++) {
      const node = cluster.node(i % 3)
      if (i % 2 === 0) {
        const { json } = await node.call('POST', '/v1/heartbeats', { body: { instances } })
        expect(json).toEqual({ renewed: INSTANCES, missing: [] })
        beats += INSTANCES
        continue
      }
      const single = await Promise.all(
        ids.map((id) => node.call('POST', `/v1/services/many/instances/${id}/heartbeat`)),
      )
      for (const { status, json } of single) {
        expect([status, json['ttlMs']]).toEqual([200, 600_000])
      }
      beats += single.length
    }

    expect(await commitIndexes(cluster.nodes)).toEqual(before)
    expect(new Set(before).size).toBe(1)
  }),
  TEST_MS,
)

/** What was written has had its state check, the last entries that follow a write by themselves. */
async function stateAgreed(cluster: Cluster): Promise<void> {
  const leader = await cluster.leader()
  const written = Number((await leader.status())['commitIndex'])
  await until('the state is agreed upon', async () => {
    const { text } = await leader.get('/metrics')
    return Number(/^rollcall_state_agreed_index (\d+)/m.exec(text)?.[1]) >= written
  })
  await cluster.settled()
}

async function commitIndexes(nodes: readonly ClusterNode[]): Promise<unknown[]> {
  const all = await Promise.all(nodes.map((node) => node.status()))
  return all.map((status) => status['commitIndex'])
}

async function gone(node: ClusterNode, path: string): Promise<void> {
  await until(`${path} is gone from ${node.id}`, async () => {
    return (await node.get(`${path}?consistency=stale`)).status === 404
  })
}

async function critical(node: ClusterNode, path: string): Promise<void> {
  await until(`${path} is critical on ${node.id}`, async () => {
    const { status, json } = await node.get(`${path}?consistency=stale`)
    if (status === 404) throw new Error('it went without having been critical here')
    return json['health'] === 'critical'
  })
}

/** What becomes of an instance after `since`, until it is gone. */
async function history(node: ClusterNode, path: string, since: number): Promise<string[]> {
  const seen: string[] = []
  for (let revision = since; seen.at(-1) !== 'gone' && seen.length < 10;) {
    const { status, json, headers } = await node.get(`${path}?since=${revision}&wait=30s`)
    seen.push(status === 404 ? 'gone' : String(json['health']))
    revision =
      status === 404 ? Number(headers.get('rollcall-revision')) : (json['revision'] as number)
  }
  return seen
}
