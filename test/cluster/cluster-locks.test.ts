/** Locks on real processes: who waits is served in order, whoever dies meanwhile (DESIGN §8). */
import { expect, test } from 'bun:test'
import { TEST_MS, withCluster, type Answer, type ClusterNode } from '../support/cluster.ts'
import type { Cluster } from '../support/cluster.ts'
import { until } from '../support/until.ts'

const JOB = '/v1/locks/job'

/** Locks are there from this clusterVersion on; a young cluster takes a moment. */
async function knowsLocks(cluster: Cluster): Promise<void> {
  await until('all members know locks', async () => {
    const { json } = await cluster.node(0).get('/v1/cluster')
    return Number(json['clusterVersion']) >= 3
  })
}

function ask(node: ClusterNode, owner: string, more: object = {}): Promise<Answer> {
  const body = { owner, ttl: '30s', wait: '1m', ...more }
  return node.call('POST', JOB, { body, timeoutMs: 60_000 })
}

function tokenOf({ status, json, text }: Answer): number {
  expect([status, text]).toEqual([200, text])
  return Number(json['token'])
}

async function release(node: ClusterNode, token: number): Promise<void> {
  expect((await node.call('DELETE', `${JOB}?token=${token}`)).status).toBe(204)
}

/** Until so many wait, as the leader knows it. */
async function waiting(node: ClusterNode, count: number): Promise<void> {
  await until(`${count} wait for the lock`, async () => {
    return (await node.get(JOB)).json['waiting'] === count
  })
}

test(
  'cluster: waiters of all nodes are served in order, through a kill -9 of the leader',
  withCluster({}, async (cluster) => {
    await knowsLocks(cluster)
    const leader = await cluster.leader()
    const [b, c] = cluster.others(leader) as [ClusterNode, ClusterNode]
    let token = tokenOf(await ask(b, 'first'))
    const owners = ['second', 'third', 'fourth']
    const queue: Promise<Answer>[] = []
    for (const [i, owner] of owners.entries()) {
      queue.push(ask(i % 2 === 0 ? b : c, owner))
      await waiting(b, i + 1)
    }
    await leader.process.kill()
    await cluster.leader([b, c])

    for (const [i, one] of queue.entries()) {
      await release(i % 2 === 0 ? c : b, token)
      const answer = await one
      expect(answer.json['owner']).toBe(owners[i])
      expect(tokenOf(answer)).toBeGreaterThan(token)
      token = tokenOf(answer)
    }
    expect((await b.get(JOB)).json).toMatchObject({ held: 1, waiting: 0 })
  }),
  TEST_MS,
)

test(
  'cluster: asked node killed: its place in the queue lapses, and who comes after is served',
  withCluster({}, async (cluster) => {
    await knowsLocks(cluster)
    const leader = await cluster.leader()
    const [asked, other] = cluster.others(leader) as [ClusterNode, ClusterNode]
    const token = tokenOf(await ask(other, 'holder'))
    void ask(asked, 'dead').catch(() => {})
    await waiting(other, 1)
    const next = ask(other, 'next')
    await waiting(other, 2)

    await asked.process.kill()
    await waiting(other, 1)
    await release(other, token)

    expect((await next).json['owner']).toBe('next')
  }),
  TEST_MS,
)

test(
  'cluster: a holder that renews no more loses the lock, and its token counts nowhere',
  withCluster({}, async (cluster) => {
    await knowsLocks(cluster)
    const [a, b, c] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode]
    const old = tokenOf(await ask(a, 'silent', { ttl: '1500ms', value: 'a' }))
    const renewed = await b.call('POST', `${JOB}/renew`, { body: { token: old, value: 'b' } })
    expect([renewed.status, renewed.json['value']]).toEqual([200, 'b'])
    expect((await c.get(`${JOB}?token=${old}`)).status).toBe(200)

    const token = tokenOf(await ask(c, 'next'))

    expect(token).toBeGreaterThan(old)
    for (const node of cluster.nodes) {
      expect((await node.get(`${JOB}?token=${old}`)).status).toBe(412)
      expect((await node.get(`${JOB}?token=${token}`)).status).toBe(200)
      expect((await node.call('POST', `${JOB}/renew`, { body: { token: old } })).status).toBe(404)
      expect((await node.call('DELETE', `${JOB}?token=${old}`)).status).toBe(412)
    }
  }),
  TEST_MS,
)

test(
  'cluster: a client that hangs up leaves the queue at once, a node that stops lets its waiters go',
  withCluster({}, async (cluster) => {
    await knowsLocks(cluster)
    const leader = await cluster.leader()
    const [asked, other] = cluster.others(leader) as [ClusterNode, ClusterNode]
    const token = tokenOf(await ask(other, 'holder'))
    const client = new AbortController()
    const body = JSON.stringify({ owner: 'leaves', ttl: '10m', wait: '1m' })
    const init = { method: 'POST', body, signal: client.signal }
    const left = fetch(`${asked.url}${JOB}`, init).catch(() => null)
    await waiting(other, 1)
    client.abort()
    await left
    await waiting(other, 0)

    const stays = ask(asked, 'stays')
    await waiting(other, 1)
    await asked.stop()

    expect((await stays).status).toBe(409)
    expect((await other.get(JOB)).json['waiting']).toBe(0)
    await release(other, token)
    expect((await other.get(JOB)).status).toBe(404)
  }),
  TEST_MS,
)

test(
  'cluster: a semaphore whose holders end together has all its permits taken again',
  withCluster({}, async (cluster) => {
    await knowsLocks(cluster)
    const [a, b, c] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode]
    const made = await a.call('POST', '/v1/leases', { body: { ttl: '30s' } })
    const lease = String(made.json['id'])
    const shared = { limit: 3, lease, ttl: null }
    for (const owner of ['x', 'y', 'z']) tokenOf(await ask(b, owner, shared))
    const queue: Promise<Answer>[] = []
    for (const [i, owner] of ['p', 'q', 'r'].entries()) {
      queue.push(ask(c, owner, { limit: 3 }))
      await waiting(a, i + 1)
    }
    await a.call('DELETE', `/v1/leases/${lease}`) // One entry takes three permits back.

    const tokens = (await Promise.all(queue)).map(tokenOf)
    expect(tokens).toEqual(tokens.toSorted((x, y) => x - y))
    expect(new Set(tokens).size).toBe(3)
    expect((await a.get(JOB)).json).toMatchObject({ held: 3, waiting: 0 })
  }),
  TEST_MS,
)

test(
  'cluster: a place whose client gave up, and which is granted all the same, soon goes to the next',
  withCluster({}, async (cluster) => {
    await knowsLocks(cluster)
    const leader = await cluster.leader()
    const [asked] = cluster.others(leader) as [ClusterNode]
    const token = tokenOf(await ask(leader, 'holder'))
    const giveUp = new AbortController()
    const ghost = fetch(`${asked.url}${JOB}`, {
      method: 'POST',
      body: JSON.stringify({ owner: 'ghost', ttl: '1h', wait: '1m' }),
      headers: { 'Idempotency-Key': 'k-2' },
      signal: giveUp.signal,
    })
    ghost.catch(() => {})
    await waiting(leader, 1)
    const next = ask(leader, 'next')
    await waiting(leader, 2)

    giveUp.abort()
    await Bun.sleep(500)
    // The place is kept for a retry, so it is granted; nobody claims it.
    await release(leader, token)

    expect((await next).json['owner']).toBe('next')
  }),
  TEST_MS,
)

test(
  'cluster: asked node killed: a retry with the same key finds its place in the queue again',
  withCluster({}, async (cluster) => {
    await knowsLocks(cluster)
    const leader = await cluster.leader()
    const [asked, other] = cluster.others(leader) as [ClusterNode, ClusterNode]
    const token = tokenOf(await ask(other, 'holder'))
    const keyed = (node: ClusterNode) =>
      node.call('POST', JOB, {
        body: { owner: 'keyed', ttl: '30s', wait: '1m' },
        headers: { 'Idempotency-Key': 'k-1' },
        timeoutMs: 60_000,
      })
    void keyed(asked).catch(() => {})
    await waiting(other, 1)
    const later = ask(other, 'later')
    await waiting(other, 2)

    await asked.process.kill()
    const retry = keyed(other)
    // Longer than the place would last by itself: it is the retry that keeps it now.
    await Bun.sleep(7_000)
    expect((await other.get(JOB)).json['waiting']).toBe(2)
    await release(other, token)

    const answer = await retry
    expect(answer.json['owner']).toBe('keyed')
    expect(tokenOf(await keyed(leader))).toBe(tokenOf(answer))
    await release(leader, tokenOf(answer))
    expect((await later).json['owner']).toBe('later')
  }),
  TEST_MS,
)
