/** Three nodes, one of them with sql.js: a service and a config key through all of them. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { Cluster, stateOf, startCluster, TEST_MS, type Answer } from '../support/cluster.ts'
import { until } from '../support/until.ts'

const WEB = '/v1/services/web/instances/web-1'

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ flags: (place) => (place === 1 ? ['--sqlite', 'sql.js'] : []) })
}, TEST_MS)

afterAll(() => cluster.stop(), TEST_MS)

function followers() {
  return cluster.leader().then((leader) => cluster.others(leader))
}

function revisionOf(answer: Answer): number {
  return Number(answer.headers.get('rollcall-revision'))
}

test('cluster: the status names the SQLite driver of each node', async () => {
  const all = await Promise.all(cluster.nodes.map((node) => node.status()))

  expect(all.map(({ sqlite }) => sqlite)).toEqual(['bun', 'sql.js', 'bun'])
  expect(all.map(({ recovery }) => recovery)).toEqual(['synced', 'synced', 'synced'])
  expect(all.filter(({ role }) => role === 'leader')).toHaveLength(1)
})

test('cluster: all members are seen from each node', async () => {
  const leader = await cluster.leader()
  const views = await Promise.all(cluster.nodes.map((node) => node.get('/v1/cluster')))

  for (const { json } of views) {
    const members = json['members'] as { id: string; reachable: boolean; leader: boolean }[]
    expect(json['leader']).toBe(leader.id)
    expect(json['clusterId']).toBe(views[0]?.json['clusterId'])
    expect(members.map(({ id }) => id)).toEqual(['n1', 'n2', 'n3'])
    expect(members.map(({ reachable }) => reachable)).toEqual([true, true, true])
    expect(members.find((member) => member.leader)?.id).toBe(leader.id)
  }
})

test('cluster: an instance registered on a follower is read on all three in each consistency', async () => {
  const leader = await cluster.leader()
  const [follower] = await followers()
  const put = await follower!.put(WEB, { address: '10.0.0.5', port: 8080, ttl: '60s', tags: ['a'] })
  const revision = put.json['revision'] as number

  expect(put.status).toBe(201)
  expect(revisionOf(put)).toBe(revision)
  for (const node of cluster.nodes) {
    for (const consistency of ['lease', 'linearizable', 'stale']) {
      const read = `consistency=${consistency}&min-revision=${revision}`
      const one = await node.get(`${WEB}?${read}`)
      const all = await node.get(`/v1/services/web?${read}&available=true`)

      expect(one.status).toBe(200)
      expect(one.json).toMatchObject({
        id: 'web-1',
        address: '10.0.0.5',
        available: true,
        revision,
      })
      expect(all.json).toMatchObject({ revision, service: 'web', instances: [{ id: 'web-1' }] })
      expect(one.headers.get('rollcall-node')).toBe(node.id)
      expect(one.headers.get('rollcall-leader')).toBe(leader.url)
      expect(revisionOf(one)).toBeGreaterThanOrEqual(revision)
      // A lease read may be confirmed by a round where the lease is out for a moment.
      const served = one.headers.get('rollcall-consistency')
      expect(consistency === 'lease' ? [served, 'lease', 'linearizable'] : [consistency]).toContain(
        served,
      )
      const staleness = one.headers.get('rollcall-staleness-ms')
      if (consistency === 'stale') expect(Number(staleness)).toBeGreaterThanOrEqual(0)
      expect(staleness === null).toBe(consistency !== 'stale')
    }
  }
})

test('cluster: a patch, an override and a deregistration on one node are seen on the next', async () => {
  const [a, b, c] = cluster.nodes
  await a!.put(WEB, { address: '10.0.0.5', port: 8080 })

  const patched = await b!.call('PATCH', WEB, { body: { weight: 7 } })
  const afterPatch = await c!.get(WEB)
  const overridden = await c!.put(`${WEB}/override`, { status: 'draining', reason: 'host' })
  const afterOverride = await a!.get(WEB)
  const lifted = await a!.call('DELETE', `${WEB}/override`)
  const afterLift = await b!.get(WEB)
  const removed = await b!.call('DELETE', WEB)
  const again = await c!.call('DELETE', WEB)
  const afterRemoval = await a!.get(WEB)
  const service = await c!.get('/v1/services/web')

  expect(patched.status).toBe(200)
  expect(afterPatch.json).toMatchObject({ weight: 7, port: 8080 })
  expect([200, 201]).toContain(overridden.status)
  expect(afterOverride.json).toMatchObject({ available: false, override: { status: 'draining' } })
  expect([200, 204]).toContain(lifted.status)
  expect(afterLift.json).toMatchObject({ available: true, override: null })
  expect([removed.status, again.status]).toEqual([204, 204])
  expect(afterRemoval.status).toBe(404)
  expect(afterRemoval.json).toMatchObject({ code: 'not_found' })
  expect(service.json['instances']).toEqual([])
})

test('cluster: config put, get, list and delete go through any node', async () => {
  const [a, b, c] = cluster.nodes
  const bytes = new Uint8Array([0, 255, 10, 195, 40])
  const first = await a!.put('/v1/config/app/db.json', '{"pool":1}')
  const second = await b!.put('/v1/config/app/db.json', '{"pool":2}', {
    headers: { 'If-Match': '"1"' },
  })
  const late = await c!.put('/v1/config/app/db.json', '{"pool":3}', {
    headers: { 'If-Match': '"1"' },
  })
  await c!.put('/v1/config/app/raw', bytes)

  const got = await c!.get('/v1/config/app/db.json')
  const unchanged = await a!.get('/v1/config/app/db.json', { headers: { 'If-None-Match': '"2"' } })
  const listed = await b!.get('/v1/config?prefix=app/&values=true')
  const gone = await a!.call('DELETE', '/v1/config/app/db.json')
  const afterwards = await b!.get('/v1/config/app/db.json')
  const reborn = await c!.put('/v1/config/app/db.json', '{}', { headers: { 'If-None-Match': '*' } })

  expect([first.status, second.status]).toEqual([201, 200])
  expect([first.json['version'], second.json['version']]).toEqual([1, 2])
  expect(late.status).toBe(412)
  expect(late.json).toMatchObject({ code: 'version_mismatch', outcome: 'not_applied' })
  expect(got.text).toBe('{"pool":2}')
  expect(got.headers.get('content-type')).toStartWith('application/json')
  expect(got.headers.get('etag')).toBe('"2"')
  expect(unchanged.status).toBe(304)
  expect(listed.json['items']).toMatchObject([
    { key: 'app/db.json', version: 2, value: '{"pool":2}' },
    { key: 'app/raw', valueBase64: Buffer.from(bytes).toString('base64') },
  ])
  expect(gone.status).toBe(204)
  expect(afterwards.status).toBe(404)
  expect(reborn.status).toBe(201)
  expect(reborn.json['version']).toBeGreaterThan(2)
})

test('cluster: min-revision is never answered from before it, whoever is asked', async () => {
  for (let i = 0; i < 30; i++) {
    const writer = cluster.node(i % 3)
    const put = await writer.put('/v1/config/never-back', `${i}`)
    const revision = put.json['revision'] as number
    const reads = await Promise.all(
      cluster.nodes.map((node) =>
        node.get(`/v1/config/never-back?consistency=stale&min-revision=${revision}`),
      ),
    )

    expect(reads.map(({ text }) => text)).toEqual([`${i}`, `${i}`, `${i}`])
    for (const read of reads) expect(revisionOf(read)).toBeGreaterThanOrEqual(revision)
  }
})

test('cluster: a min-revision that does not come is refused, not answered with less', async () => {
  for (const node of cluster.nodes) {
    const path = '/v1/config/never-back?consistency=stale&timeout=100ms&min-revision=999999999'
    const answer = await node.get(path)

    expect(answer.status).toBe(503)
    expect(answer.json).toMatchObject({ code: 'too_stale' })
  }
})

test('cluster: a long poll on each node is woken by a write on another', async () => {
  const first = await cluster.node(0).put('/v1/config/poll/a', 'before')
  const since = first.json['revision'] as number
  for (const writer of cluster.nodes) {
    const wait = `since=${since}&wait=60s`
    const polls = cluster.nodes.flatMap((node) => [
      node.get(`/v1/config/poll/${writer.id}?${wait}`, { fresh: true }),
      node.get(`/v1/config?prefix=poll/${writer.id}&${wait}`, { fresh: true }),
      node.get(`/v1/services/poll-${writer.id}?${wait}`, { fresh: true }),
    ])
    await waiting(polls.length)
    const put = await writer.put(`/v1/config/poll/${writer.id}`, 'after')
    await writer.put(`/v1/services/poll-${writer.id}/instances/i`, { address: '10.0.0.1' })
    const woken = await Promise.all(polls)

    for (const [i, answer] of woken.entries()) {
      expect(answer.status).toBe(200)
      if (i % 3 === 0) expect(answer.text).toBe('after')
      if (i % 3 === 1) expect(answer.json['revision']).toBe(put.json['revision'] as number)
      if (i % 3 === 2) expect(answer.json['instances']).toMatchObject([{ id: 'i' }])
    }
  }
})

test('cluster: a long poll waits for what comes after a write that its node has yet to hear of', async () => {
  for (let i = 0; i < 20; i++) {
    const other = await cluster.node(i % 3).put('/v1/config/poll/elsewhere', `${i}`)
    const since = other.json['revision'] as number
    const polls = cluster.nodes.map((node) =>
      node.get(`/v1/config/poll/here?since=${since}&wait=60s`, { fresh: true }),
    )
    await waiting(polls.length)
    await cluster.node(i % 3).put('/v1/config/poll/here', `${i}`)

    expect((await Promise.all(polls)).map(({ text }) => text)).toEqual(Array(3).fill(`${i}`))
  }
})

test('cluster: a long poll for what comes after the future is answered at once', async () => {
  const future = 'since=999999999&wait=10m' // Longer than this test would wait.
  const answers = await Promise.all(
    cluster.nodes.map((node) => node.get(`/v1/config/poll/here?${future}`)),
  )

  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
})

test('cluster: a long poll ends with the state as it is when nothing changes', async () => {
  const put = await cluster.node(0).put('/v1/config/still', 'x')
  const answers = await Promise.all(
    cluster.nodes.map((node) =>
      node.get(`/v1/config/still?since=${put.json['revision'] as number}&wait=200ms`),
    ),
  )

  expect(answers.map(({ status, text }) => `${status} ${text}`)).toEqual(Array(3).fill('200 x'))
})

test('cluster: all three hold the same state, whichever SQLite they run on', async () => {
  await cluster.settled()
  const [bun, sqljs, third] = await Promise.all(cluster.nodes.map(stateOf))

  expect(bun).toContain('never-back')
  expect(sqljs).toBe(bun!)
  expect(third).toBe(bun!)
})

/** Waits until so many long polls are held, all nodes together. */
async function waiting(count: number): Promise<void> {
  await until(`${count} long polls are held`, async () => {
    const held = await Promise.all(cluster.nodes.map((node) => node.metric('rollcall_waiters')))
    return held.reduce((a, b) => a + b) >= count
  })
}
