/** Watches over real processes: they move, they resume, and nobody pays for a reader that stalls. */
import { expect, test } from 'bun:test'
import { residentMiB } from '../bench/process.ts'
import { type ClusterNode, TEST_MS, withCluster } from '../support/cluster.ts'
import { stalledReader } from '../support/stalled-reader.ts'
import { until } from '../support/until.ts'
import { type WatchMessage, WatchReader } from '../support/watch-reader.ts'

const WRITES = 400

/** One reader over many connections: at whichever node answers, from the last id on. */
class Follower {
  readonly events: WatchMessage[] = []
  readonly servedBy = new Set<string>()
  readonly cuts: unknown[] = []
  #id: string | null = null
  #stopped = false
  readonly #done: Promise<void>

  constructor(nodes: readonly ClusterNode[], query: string, eventsPerNode: number) {
    this.#done = this.#follow(nodes, query, eventsPerNode)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#done
  }

  async #follow(nodes: readonly ClusterNode[], query: string, perNode: number): Promise<void> {
    for (let place = 0; !this.#stopped; place++) {
      const node = nodes[place % nodes.length] as ClusterNode
      try {
        await this.#read(node, query, perNode)
      } catch {
        await Bun.sleep(20) // It is dead, or just died: another one goes on.
      }
    }
  }

  async #read(node: ClusterNode, query: string, perNode: number): Promise<void> {
    const since: Record<string, string> = this.#id === null ? {} : { 'Last-Event-ID': this.#id }
    const signal = AbortSignal.timeout(2_000)
    const answer = await fetch(`${node.url}/v1/watch?${query}`, { headers: since, signal })
    const watch = new WatchReader(answer)
    try {
      for (let told = 0; told < perNode && !this.#stopped;) {
        const message = await watch.nextOrEnd()
        if (message === null) return
        if (message.event === 'cut') this.cuts.push(message.data['code'])
        else if (message.data['key'] !== undefined) {
          this.events.push(message)
          this.servedBy.add(node.id)
          told += 1
        }
        this.#id = message.id ?? this.#id
      }
    } finally {
      await watch.cancel()
    }
  }
}

/** Each is written once, whoever dies: a repeat under its key gets the outcome of the first try. */
async function writeOnce(nodes: readonly ClusterNode[], key: string): Promise<void> {
  for (let place = key.length + Number(key.split('/')[1]); ; place++) {
    const node = nodes[place % nodes.length] as ClusterNode
    const headers = { 'Idempotency-Key': key.replace('/', '-') }
    const put = node.put(`/v1/config/${key}`, key, { headers, timeoutMs: 3_000 })
    const answer = await put.catch(() => null)
    if (answer?.status === 201) return
    expect(answer === null || answer.status >= 500).toBe(true) // Written twice, it were 200.
    await Bun.sleep(20)
  }
}

async function writeAll(nodes: readonly ClusterNode[], done: { count: number }): Promise<void> {
  let next = 0
  const writer = async (): Promise<void> => {
    while (next < WRITES) {
      await writeOnce(nodes, `moving/${next++}`)
      done.count += 1
    }
  }
  await Promise.all(Array.from({ length: 8 }, writer))
}

test(
  'cluster: watch: it moves between nodes through a kill -9 of the leader: each event once, in order',
  withCluster({}, async (cluster) => {
    const follower = new Follower(cluster.nodes, 'topic=config/moving/*&since=0', 25)
    const done = { count: 0 }
    const writing = writeAll(cluster.nodes, done)
    await until('a third is written', () => done.count > WRITES / 3)
    const leader = await cluster.leader()
    await leader.process.kill()
    await writing
    leader.start()
    await leader.ready()
    await until('all of it was told', () => follower.events.length >= WRITES)
    await Bun.sleep(200) // For what would come twice.
    await follower.stop()

    const told = follower.events.map(({ data }) => [data['key'], data['revision'], data['version']])
    const items: Record<string, unknown>[] = []
    for (let after = ''; ;) {
      const { json } = await leader.get(`/v1/config?prefix=moving/&limit=100${after}`)
      items.push(...(json['items'] as Record<string, unknown>[]))
      if (json['next'] === undefined) break
      after = `&cursor=${encodeURIComponent(String(json['next']))}`
    }
    const written = items
      .map(({ key, revision, version }) => [key, revision, version] as const)
      .sort(([, a], [, b]) => Number(a) - Number(b))
    expect(told.length).toBe(WRITES)
    expect(new Set(told.map(([, , version]) => version))).toEqual(new Set([1]))
    expect(told).toEqual(written.map((row) => [...row]))
    expect(follower.servedBy.size).toBeGreaterThan(1)
  }),
  TEST_MS,
)

async function watchAll({ url }: ClusterNode, since = ''): Promise<WatchReader> {
  return new WatchReader(await fetch(`${url}/v1/watch?topic=config/*&topic=members${since}`))
}

test(
  'cluster: watch: a node that stops says where to go on, and a learner goes on there',
  withCluster({}, async (cluster) => {
    const [first, second, third] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode]
    const learner = await cluster.joiner('n4', first, ['--role', 'learner'])
    learner.start()
    await learner.ready()
    const watch = await watchAll(third)
    await watch.next()
    await first.set('a', '1')
    const told = await watch.next()
    await third.stop()
    const cut = await watch.next()
    const isOver = await watch.ends()
    await second.set('b', '2')
    const resumed = await watchAll(learner, `&since=${cut.id}`)

    expect(told).toMatchObject({ event: 'config.put', data: { key: 'a' } })
    expect(cut).toMatchObject({ event: 'cut', data: { code: 'node_stopping' } })
    expect(Number(cut.id)).toBeGreaterThanOrEqual(Number(told.id))
    expect(isOver).toBe(true)
    // It may be up to date before it has heard of the write.
    const events = await resumed.take(2)
    expect(events).toContainEqual(expect.objectContaining({ event: 'config.put' }))
    expect(events.find(({ event }) => event !== 'sync')?.data).toMatchObject({ key: 'b' })
    await resumed.cancel()
  }),
  TEST_MS,
)

test(
  'cluster: watch: changes of the members are told, as GET /v1/cluster shows them',
  withCluster({ size: 1 }, async (cluster) => {
    const node = cluster.node(0)
    await until('the clusterVersion has risen', async () => {
      const { json } = await node.get('/v1/cluster')
      return Number(json['clusterVersion']) >= 3
    })
    const answer = await fetch(`${node.url}/v1/watch?topic=members`, {
      headers: { Accept: 'application/x-ndjson' },
    })
    const watch = new WatchReader(answer)
    await watch.next()
    const learner = await cluster.joiner('n2', node, ['--role', 'learner'])
    learner.start()
    const { event, data } = await watch.next()
    await learner.ready()
    await watch.cancel()

    expect(event).toBe('member.changed')
    expect(data['members']).toMatchObject([{ role: 'voter' }, { id: 'n2', role: 'learner' }])
  }),
  TEST_MS,
)

const STALLED = 60
const VALUE = 'x'.repeat(60_000)
/** For each reader 24 MB: far more than sockets hold. */
const VALUES = 400

test(
  'cluster: watch: readers that do not read are cut, cost a bounded memory, and hold up nobody',
  withCluster({ size: 1 }, async (cluster) => {
    const node = cluster.node(0)
    const query = 'topic=config/big/*&values=true'
    const sockets = Array.from({ length: STALLED }, () =>
      stalledReader(node.port, `/v1/watch?${query}`),
    )
    await until('all watch', async () => (await node.metric('rollcall_watchers')) === STALLED)
    const reader = new WatchReader(await fetch(`${node.url}/v1/watch?${query}`))
    await reader.next()
    const before = residentMiB(node)
    const reading = reader.take(VALUES)
    let most = 0
    for (let i = 0; i < VALUES; i++) {
      await node.set(`big/${i % 10}`, `${i}${VALUE}`)
      if (i % 20 === 0) most = Math.max(most, residentMiB(node))
    }
    const told = await reading
    await reader.cancel()
    await until('the others are cut', async () => (await node.metric('rollcall_watchers')) === 0)
    for (const socket of sockets) socket.destroy()

    expect(told.map(({ data }) => parseInt(String(data['value']), 10))).toEqual(
      Array.from({ length: VALUES }, (_, i) => i),
    )
    expect(await node.metric('rollcall_watch_cuts_total')).toBe(STALLED)
    // Unbounded it would be 1,400 MiB.
    expect(most - before).toBeLessThan(300)
  }),
  TEST_MS,
)
