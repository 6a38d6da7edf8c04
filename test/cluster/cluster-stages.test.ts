/** Staged release over three nodes, and who has what, gathered from wherever callers wait. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import {
  Cluster,
  startCluster,
  TEST_MS,
  withCluster,
  type ClusterNode,
} from '../support/cluster.ts'
import { until } from '../support/until.ts'

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({})
  await until('the clusterVersion has risen', async () => {
    const { json } = await cluster.nodes[0]!.get('/v1/cluster')
    return Number(json['clusterVersion']) >= 3
  })
}, TEST_MS)

afterAll(() => cluster.stop(), TEST_MS)

const labels = (text: string) => ({ headers: { 'Rollcall-Labels': text } })
const rule = (text: string) => ({ headers: { 'Rollcall-Stage-Rule': text } })

async function everywhere(path: string, text: string): Promise<string[]> {
  const { headers } = await cluster.nodes[0]!.get(path)
  const revision = String(headers.get('rollcall-revision'))
  const answers = await Promise.all(
    cluster.nodes.map((node) => node.get(`${path}?min-revision=${revision}`, labels(text))),
  )
  return answers.map((answer) => answer.text)
}

test(
  'cluster: stages: a staged value is seen on every node by those who match alone',
  async () => {
    const [one, two, three] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode]
    const path = '/v1/config/shop/prices'
    const stage = '/v1/config-stages/shop/prices/canary'
    await one.set('shop/prices', 'old')
    expect((await two.put(stage, 'new', rule('zone=eu'))).status).toBe(201)

    expect(await everywhere(path, 'zone=eu')).toEqual(['new', 'new', 'new'])
    expect(await everywhere(path, 'zone=us')).toEqual(['old', 'old', 'old'])

    const before = await three.get(path)
    const since = Number(before.headers.get('rollcall-revision'))
    const poll = three.get(`${path}?since=${since}&wait=30s`, labels('zone=us'))
    const abort = one.call('DELETE', stage)
    expect((await abort).status).toBe(204)
    expect(await everywhere(path, 'zone=eu')).toEqual(['old', 'old', 'old'])

    await one.put(stage, 'newer', rule('percent=100'))
    const promoted = await two.call('POST', `${stage}/promote`)
    expect([promoted.status, promoted.json['version']]).toEqual([200, 2])
    expect((await poll).text).toBe('newer')
    expect(await everywhere(path, '')).toEqual(['newer', 'newer', 'newer'])
  },
  TEST_MS,
)

/** A client as the SDK is one: it polls, takes what it is given, and comes back. */
function client(node: ClusterNode, path: string, instance: string): { stop(): Promise<void> } {
  const ending = new AbortController()
  const run = async (): Promise<void> => {
    let since = 0
    while (!ending.signal.aborted) {
      const answer = await node.get(
        `${path}?since=${since}&wait=300ms`,
        labels(`instance=${instance}`),
      )
      since = Number(answer.headers.get('rollcall-revision'))
    }
  }
  const running = run()
  return {
    stop() {
      ending.abort()
      return running
    },
  }
}

test(
  'cluster: stages: listeners on all nodes are gathered by any, until all hold a version',
  async () => {
    const path = '/v1/config/shop/theme'
    await cluster.nodes[0]!.set('shop/theme', 'dark')
    const clients = cluster.nodes.map((node, i) => client(node, path, `i-${i + 1}`))
    try {
      for (const node of cluster.nodes) {
        const held = await until('three clients are known', async () => {
          const { json } = await node.get('/v1/config-listeners/shop/theme?version=1&wait=10s')
          return (json['listeners'] as unknown[]).length === 3 && json['all'] === true ? json : null
        })
        expect(held).toMatchObject({
          complete: true,
          missing: [],
          holding: 3,
          listeners: [1, 2, 3].map((n) => ({ instance: `i-${n}`, node: `n${n}`, version: 1 })),
        })
      }

      const waiting = cluster.nodes[1]!.get('/v1/config-listeners/shop/theme?version=2&wait=30s')
      await cluster.nodes[2]!.set('shop/theme', 'light')
      expect((await waiting).json).toMatchObject({ version: 2, holding: 3, all: true })
    } finally {
      await Promise.all(clients.map((one) => one.stop()))
    }
  },
  TEST_MS,
)

test(
  'cluster: stages: a member that does not answer is named, and nothing is called complete',
  async () => {
    const leader = await cluster.leader()
    const [down, asked] = cluster.others(leader) as [ClusterNode, ClusterNode]
    await down.process.kill()
    const { json } = await until('its link is gone', async () => {
      const answer = await asked.get('/v1/config-listeners/shop/theme?version=1')
      return answer.json['complete'] === false ? answer : null
    })
    expect(json).toMatchObject({ missing: [{ node: down.id }], all: false })
    down.start()
    await down.ready()
    await until('it answers again', async () => {
      const answer = await asked.get('/v1/config-listeners/shop/theme')
      return answer.json['complete'] === true
    })
  },
  TEST_MS,
)

function line(key: string): string {
  return JSON.stringify({ key, value: `{"of":"${key}"}` })
}

test(
  'cluster: stages: an import goes through a follower as one revision, and an export brings it back',
  async () => {
    const leader = await cluster.leader()
    const [follower, other] = cluster.others(leader) as [ClusterNode, ClusterNode]
    const keys = Array.from({ length: 300 }, (_, i) => `bulk/${String(i).padStart(3, '0')}.json`)
    const body = keys.map(line).join('\n')

    const dry = await follower.call('POST', '/v1/config-import?dryRun=true', { body })
    expect(dry.json).toMatchObject({ dryRun: true, created: 300 })
    const done = await follower.call('POST', '/v1/config-import', { body })
    expect(done.json).toMatchObject({ created: 300, changed: 0 })

    const revision = Number(done.json['revision'])
    const list = await other.get(`/v1/config?prefix=bulk/&min-revision=${revision}`)
    const items = list.json['items'] as { key: string; revision: number }[]
    expect(items.map(({ key }) => key)).toEqual(keys)
    expect(new Set(items.map((item) => item.revision))).toEqual(new Set([revision]))

    const exported = await other.get('/v1/config-export?prefix=bulk/')
    expect(exported.text.trim().split('\n')).toHaveLength(300)
    const again = await leader.call('POST', '/v1/config-import', { body: exported.text })
    expect(again.json).toMatchObject({ created: 0, changed: 0, unchanged: 300 })
  },
  TEST_MS,
)

test(
  'cluster: stages: the largest import there is fits into the smallest segment of a follower',
  withCluster(
    { flags: (place) => ['--wal-segment', place === 0 ? '64MiB' : '4MiB'] },
    async (cluster) => {
      const values = [1_048_576, 1_048_576, 1_048_576 - 100].map((bytes) => 'v'.repeat(bytes))
      const items = values.map((value, n) => JSON.stringify({ key: `large/${n}`, value }))
      const body = items.join('\n')
      const leader = await cluster.leader()
      const large = await leader.call('POST', '/v1/config-import', { body })
      expect(large.json).toMatchObject({ created: 3 })
      await cluster.settled()
    },
  ),
  TEST_MS,
)
