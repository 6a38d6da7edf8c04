/** SIGTERM: what is in flight is answered, long polls are let go, and the next start is clean. */
import { expect, test } from 'bun:test'
import { TEST_MS, withCluster, type Answer } from '../support/cluster.ts'
import { until } from '../support/until.ts'

const WRITES = 200

test(
  'cluster: SIGTERM: exit 0, and a write that waited for the others is answered',
  withCluster({}, async (cluster) => {
    const leader = await cluster.leader()
    const others = cluster.others(leader)
    await Promise.all(others.map((node) => node.process.pause()))
    const write = leader.put('/v1/config/in-flight', 'v')
    await until(
      'the write is under way',
      async () => (await leader.metric('rollcall_proposals_pending')) > 0,
    )
    leader.process.signal('SIGTERM')
    await leader.process.says('stopping')
    for (const node of others) node.process.resume()
    const answer = await write

    // Where the pause outlasted the leader's lease, the truth is that nobody knows.
    expect([201, 504]).toContain(answer.status)
    if (answer.status === 504) expect(answer.json).toMatchObject({ outcome: 'unknown' })
    expect(await leader.process.ended()).toBe(0)
    expect(leader.process.saying('stopped')).toHaveLength(1)

    await cluster.leader(others)
    if (answer.status === 201) {
      expect((await others[0]!.get('/v1/config/in-flight')).text).toBe('v')
    }
    leader.start()
    await leader.ready()
    await cluster.settled()
  }),
  TEST_MS,
)

test(
  'cluster: SIGTERM with everybody else frozen: what cannot end is answered all the same, exit 0',
  withCluster({}, async (cluster) => {
    const leader = await cluster.leader()
    const others = cluster.others(leader)
    await Promise.all(others.map((node) => node.process.pause()))
    const write = leader.put('/v1/config/stuck?timeout=60s', 'v', { timeoutMs: 60_000 })
    await until(
      'the write is under way',
      async () => (await leader.metric('rollcall_proposals_pending')) > 0,
    )

    leader.process.signal('SIGTERM')
    const answer = await write

    expect([503, 504]).toContain(answer.status)
    expect(answer.json['outcome']).toBe(answer.status === 504 ? 'unknown' : 'not_applied')
    expect(await leader.process.ended()).toBe(0)
    for (const node of others) node.process.resume()
  }),
  TEST_MS,
)

test(
  'cluster: SIGTERM in a storm of writes: no acknowledged one is lost, no refused one was applied',
  withCluster({ size: 1 }, async (cluster) => {
    const node = cluster.node(0)
    const writes = Array.from({ length: WRITES }, (_, i) =>
      node.put(`/v1/config/storm/${i}`, `${i}`).then(
        (answer) => ({ i, answer }),
        () => ({ i, answer: null }),
      ),
    )
    await Promise.any(writes)
    node.process.signal('SIGTERM')
    const answers = await Promise.all(writes)
    expect(await node.process.ended()).toBe(0)
    node.start()
    await node.ready()

    const acked = answers.filter(({ answer }) => answer?.status === 201)
    expect(acked.length).toBeGreaterThan(0)
    for (const { i } of acked) {
      expect((await node.get(`/v1/config/storm/${i}`)).text).toBe(`${i}`)
    }
    for (const { i, answer } of answers) {
      if (answer === null || answer.status === 201) continue
      expect([i, answer.status, answer.json['outcome']]).toEqual([i, 503, 'not_applied'])
      expect((await node.get(`/v1/config/storm/${i}`)).status).toBe(404)
    }
  }),
  TEST_MS,
)

test(
  'cluster: SIGTERM: long polls that are held are answered with the state as it is',
  withCluster({}, async (cluster) => {
    const leader = await cluster.leader()
    const [follower] = cluster.others(leader)
    const { json } = await leader.put('/v1/config/held', 'v')
    for (const node of [follower!, leader]) {
      const since = json['revision'] as number
      const polls: Promise<Answer>[] = Array.from({ length: 5 }, () =>
        node.get(`/v1/config/held?since=${since}&wait=10m`, { fresh: true }),
      )
      await until('the polls are held', async () => {
        return (await node.metric('rollcall_waiters')) === 5
      })
      node.process.signal('SIGTERM')
      const answers = await Promise.all(polls)

      expect(answers.map(({ status, text }) => `${status} ${text}`)).toEqual(Array(5).fill('200 v'))
      expect(await node.process.ended()).toBe(0)
      node.start()
      await node.ready()
    }
  }),
  TEST_MS,
)

test(
  'cluster: SIGTERM: a leader is gone only when another leads',
  withCluster({}, async (cluster) => {
    for (let round = 0; round < 3; round++) {
      const leader = await cluster.leader()
      await cluster.settled()
      leader.process.signal('SIGTERM')
      const code = await leader.process.ended()
      const left = await Promise.all(cluster.others(leader).map((node) => node.status()))

      expect(code).toBe(0)
      expect(left.map((status) => status['role'])).toContain('leader')
      leader.start()
      await leader.ready()
    }
  }),
  TEST_MS,
)

test(
  'cluster: SIGTERM of all, in turn and twice: each exits 0 and all comes back',
  withCluster({}, async (cluster) => {
    await cluster.node(0).put('/v1/config/k', 'v')
    for (const node of cluster.nodes) {
      node.process.signal('SIGTERM')
      node.process.signal('SIGTERM') // An impatient operator: one end all the same.
    }
    const codes = await Promise.all(cluster.nodes.map((node) => node.process.ended()))
    for (const node of cluster.nodes) node.start()
    await cluster.ready()

    expect(codes).toEqual([0, 0, 0])
    expect((await cluster.node(2).get('/v1/config/k')).text).toBe('v')
  }),
  TEST_MS,
)

test(
  'cluster: SIGTERM while a node still waits to be founded: exit 0, and it can start again',
  withCluster({ start: false }, async (cluster) => {
    const [a, b, c] = cluster.nodes
    a!.start()
    await a!.process.says('waiting to be founded')
    a!.process.signal('SIGTERM')
    expect(await a!.process.ended()).toBe(0)

    for (const node of [a!, b!, c!]) node.start()
    await cluster.ready()
  }),
  TEST_MS,
)
