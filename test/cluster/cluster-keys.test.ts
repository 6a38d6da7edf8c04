/** Idempotency keys and transactions through the death of the leader (API.md "retries", S1). */
import { expect, test } from 'bun:test'
import {
  type Answer,
  type Cluster,
  type ClusterNode,
  TEST_MS,
  withCluster,
} from '../support/cluster.ts'

const WRITES = 400
const WRITERS = 8
/** A pause where nobody answers, so that a dead cluster is not stormed. */
const RETRY_MS = 20

interface Told {
  readonly status: number
  readonly text: string
}

/** Sends a request under a key to one node after the other until it is decided. */
async function untilDecided(
  nodes: readonly ClusterNode[],
  first: number,
  ask: (node: ClusterNode) => Promise<Answer>,
): Promise<{ readonly told: Told; readonly tries: number }> {
  for (let tries = 1; ; tries++) {
    const node = nodes[(first + tries) % nodes.length] as ClusterNode
    const answer = await ask(node).catch(() => null)
    if (answer !== null && answer.status < 500 && answer.status !== 429) {
      return { told: { status: answer.status, text: answer.text }, tries }
    }
    await Bun.sleep(RETRY_MS)
  }
}

/** Writer `w` of `WRITERS` sends every eighth of the writes. */
async function storm(
  cluster: Cluster,
  ask: (node: ClusterNode, i: number) => Promise<Answer>,
  onDecided: (decided: number) => void,
): Promise<{ readonly told: Told[]; readonly tries: number }> {
  const told: Told[] = []
  let [tries, decided] = [0, 0]
  const writer = async (w: number): Promise<void> => {
    for (let i = w; i < WRITES; i += WRITERS) {
      const one = await untilDecided(cluster.nodes, w + i, (node) => ask(node, i))
      told[i] = one.told
      tries += one.tries
      onDecided(++decided)
    }
  }
  await Promise.all(Array.from({ length: WRITERS }, (_, w) => writer(w)))
  return { told, tries }
}

function count(node: ClusterNode, i: number): Promise<Answer> {
  return node.put('/v1/config/counter', `${i}`, {
    headers: { 'Idempotency-Key': `write-${i}` },
    timeoutMs: 5_000,
  })
}

test(
  'cluster: keys: 400 writes that are repeated through a kill -9 of the leader happen once each',
  withCluster({}, async (cluster) => {
    const leader = await cluster.leader()
    let killed: Promise<unknown> | null = null

    const { told, tries } = await storm(cluster, count, (decided) => {
      if (decided >= WRITES / 4) killed ??= leader.process.kill()
    })
    await killed

    // Every version was made by exactly one of them, and told to whoever asked for it.
    const versions = told.map(({ text }) => (JSON.parse(text) as { version: number }).version)
    const all = Array.from({ length: WRITES }, (_, i) => i + 1)
    expect(versions.toSorted((a, b) => a - b)).toEqual(all)
    expect(told.filter(({ status }) => status === 201)).toHaveLength(1)
    expect(tries).toBeGreaterThan(WRITES) // Or nothing was repeated.

    // Whoever is asked again says the same again, the restarted one as well.
    leader.start()
    await leader.ready()
    for (const [i, first] of told.entries()) {
      const again = await count(cluster.node(i % cluster.nodes.length), i)
      expect({ status: again.status, text: again.text }).toEqual(first)
    }
    const { json } = await leader.get('/v1/config?prefix=counter')
    expect(json['items']).toMatchObject([{ key: 'counter', version: WRITES }])
    await cluster.recovered()
  }),
  TEST_MS,
)

test(
  'cluster: keys: transactions move between accounts, whoever dies, and nothing is lost or made',
  withCluster({}, async (cluster) => {
    const ACCOUNTS = 4
    const start = 100
    for (let a = 0; a < ACCOUNTS; a++) await cluster.node(0).set(`account/${a}`, `${start}`)
    const leader = await cluster.leader()
    let killed: Promise<unknown> | null = null
    let moved = 0

    await storm(
      cluster,
      async (node, i) => {
        const [from, to] = [`account/${i % ACCOUNTS}`, `account/${(i + 1 + (i % 3)) % ACCOUNTS}`]
        const answer = await move(node, { from, to, key: `move-${i}` })
        if (answer.json['succeeded'] === true) moved += 1
        return answer
      },
      (decided) => {
        if (decided >= WRITES / 4) killed ??= leader.process.kill()
      },
    )
    await killed

    const [next] = cluster.others(leader) as [ClusterNode]
    const { json } = await next.get('/v1/config?prefix=account/&values=true')
    const values = (json['items'] as { value: string }[]).map(({ value }) => Number(value))
    expect(values.reduce((sum, value) => sum + value, 0)).toBe(ACCOUNTS * start)
    expect(moved).toBeGreaterThan(WRITES / 10)
  }),
  TEST_MS,
)

function versionOf({ headers }: Answer): number {
  return Number(headers.get('ETag')?.slice(1, -1))
}

/** One from one account to another, where neither changed since it was read. */
async function move(
  node: ClusterNode,
  { from, to, key }: { readonly from: string; readonly to: string; readonly key: string },
): Promise<Answer> {
  const [a, b] = await Promise.all([node.get(`/v1/config/${from}`), node.get(`/v1/config/${to}`)])
  if (a.status !== 200 || b.status !== 200) return a.status === 200 ? b : a
  const body = {
    if: [
      { config: from, version: versionOf(a) },
      { config: to, version: versionOf(b) },
    ],
    then: [
      { op: 'config.put', key: from, value: `${Number(a.text) - 1}` },
      { op: 'config.put', key: to, value: `${Number(b.text) + 1}` },
    ],
  }
  return await node.call('POST', '/v1/txn', {
    body,
    headers: { 'Idempotency-Key': `${key}-${versionOf(a)}-${versionOf(b)}` },
    timeoutMs: 5_000,
  })
}
