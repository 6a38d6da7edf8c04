/** Who does not belong to the cluster is refused with a reason that both operators can read. */
import { expect, test } from 'bun:test'
import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TEST_MS, withCluster, type Cluster, type ClusterNode } from '../support/cluster.ts'
import { until } from '../support/until.ts'

const SECRET = 'a secret that is long enough for everybody'
const OTHER = 'another secret that is also long enough'

/** Writes a secret to a file that only its owner may read. */
function secretFile(cluster: Cluster, name: string, secret: string): string {
  const path = join(cluster.folder, name)
  writeFileSync(path, `${secret}\n`)
  chmodSync(path, 0o600)
  return path
}

/** `args` with another value after the flag `name`. */
function withFlag(args: readonly string[], name: string, value: string): string[] {
  const at = args.indexOf(name)
  if (at < 0) return [...args, name, value]
  return args.with(at + 1, value)
}

/** Waits until a node has logged a refusal that holds `reason`, and says with whom. */
function refusal(node: ClusterNode, reason: string): Promise<string> {
  return until(`${node.id} logs a refusal: ${reason}`, () => {
    return node.process.saying('peer refused').find((line) => line.includes(reason)) ?? null
  })
}

async function isMember(leader: ClusterNode, id: string): Promise<Record<string, unknown>> {
  const { json } = await leader.get('/v1/cluster')
  const members = json['members'] as Record<string, unknown>[]
  return members.find((member) => member['id'] === id) ?? {}
}

test(
  'cluster: a wiped node does not count as the voter it was: it is no second of three',
  withCluster({}, async (cluster) => {
    const [wiped, second, third] = cluster.nodes // The lowest id: the one that founded.
    await second!.put('/v1/config/k', 'kept')
    await Promise.all([wiped!.process.kill(), third!.process.kill()])
    rmSync(wiped!.dataDir, { recursive: true })
    wiped!.start()

    // Two of three are needed, and one is here. The stranger founds nothing beside it either.
    await wiped!.process.says('in a cluster already')
    const alone = await second!.put('/v1/config/k?timeout=3s', 'not by a stranger')
    expect([503, 504]).toContain(alone.status)
    const status = await wiped!.status()
    expect([status['leader'], status['recovery'], status['commitIndex']]).toEqual([null, 'idle', 0])
    expect((await wiped!.get('/readyz')).text).toContain('no leader')
    expect((await wiped!.get('/v1/config/k?consistency=stale')).status).toBe(404)

    // With the second of three back it is taken in by itself, as somebody new.
    third!.start()
    await cluster.ready()
    await cluster.voters(['n1', 'n2', 'n3'], third!)
    const later = await wiped!.get('/v1/config/k')
    // It was appended at most: where it was, the majority has decided on it by now.
    expect(alone.status === 503 ? ['kept'] : ['kept', 'not by a stranger']).toContain(later.text)
  }),
  TEST_MS,
)

test(
  'cluster: two nodes of one name: the second is refused while the first is there',
  withCluster({}, async (cluster) => {
    const [a, b, c] = cluster.nodes
    const twin = await cluster.joiner('n3', a!)
    twin.start()
    await twin.process.says('is there, with another data directory')
    expect((await twin.status())['commitIndex']).toBe(0)
    expect((await c!.put('/v1/config/k', 'the first')).status).toBe(201)
    await cluster.voters(['n1', 'n2', 'n3'], b!)
  }),
  TEST_MS,
)

test(
  'cluster: whoever is no member and did not ask to be one is refused with the reason',
  withCluster({}, async (cluster) => {
    const [a] = cluster.nodes
    const stranger = await cluster.joiner('n0', a!)
    const list = `n0=${stranger.url},n1=${a!.url}`
    const at = stranger.args.indexOf('--join')
    stranger.start([...stranger.args.slice(0, at), '--cluster', list])
    await refusal(stranger, 'it was started without --join')
    await refusal(a!, 'it was started without --join')
    await cluster.voters(['n1', 'n2', 'n3'], a!)
  }),
  TEST_MS,
)

test(
  'cluster: a wrong secret is refused with a reason on both sides, and founds nothing',
  withCluster({ start: false }, async (cluster) => {
    const [a, b, c] = cluster.nodes
    const right = secretFile(cluster, 'right', SECRET)
    const wrong = secretFile(cluster, 'wrong', OTHER)
    a!.start([...a!.args, '--cluster-secret-file', right])
    b!.start([...b!.args, '--cluster-secret-file', right])
    c!.start([...c!.args, '--cluster-secret-file', wrong])

    await Promise.all(cluster.nodes.map((node) => refusal(node, 'wrong secret')))
    const { text } = await a!.get('/readyz')
    expect(text).toContain('n3')
    for (const node of cluster.nodes) {
      expect((await node.get('/readyz')).status).toBe(503)
      expect((await node.status())['leader']).toBeNull()
    }

    // The same nodes with the right secret found their cluster: nothing was spoilt.
    await c!.process.kill()
    c!.start([...c!.args, '--cluster-secret-file', right])
    await cluster.ready()
    expect((await c!.put('/v1/config/k', 'v')).status).toBe(201)

    // And a member that comes back with another one is left out, while the two go on.
    await c!.process.kill()
    c!.start([...c!.args, '--cluster-secret-file', wrong])
    await refusal(c!, 'wrong secret')
    await Promise.any([a!, b!].map((node) => refusal(node, 'wrong secret')))
    expect((await c!.get('/readyz')).status).toBe(503)
    expect((await a!.put('/v1/config/k', 'on two')).status).toBe(200)
  }),
  TEST_MS,
)

test(
  'cluster: nodes with different --cluster lists say so, and found nothing',
  withCluster({ start: false }, async (cluster) => {
    const [a, b, c] = cluster.nodes
    const list = a!.args[a!.args.indexOf('--cluster') + 1] ?? ''
    a!.start()
    b!.start()
    c!.start(withFlag(c!.args, '--cluster', `${list},n4=http://127.0.0.1:1`))

    const reason = 'different --cluster lists'
    await refusal(c!, reason)
    await Promise.any([refusal(a!, reason), refusal(b!, reason)])
    const { text } = await a!.get('/readyz')
    expect(text).toContain('n3')
    expect((await a!.status())['leader']).toBeNull()
    expect((await c!.status())['leader']).toBeNull()

    await c!.process.kill()
    c!.start()
    await cluster.ready()
  }),
  TEST_MS,
)

test(
  'cluster: a data directory of another cluster: exit 3 with both clusters named',
  withCluster({}, async (cluster) => {
    const c = cluster.node(2)
    await c.process.kill()
    const elsewhere = join(cluster.folder, 'elsewhere')
    const listen = `127.0.0.1:${c.port}`
    c.start(['serve', '--id', 'n3', '--listen', listen, '--data', elsewhere])
    await c.ready()
    await c.process.kill()

    const program = c.start(c.args.with(c.args.indexOf('--data') + 1, elsewhere))

    expect(await program.ended()).toBe(3)
    expect(program.saying('the data directory belongs to cluster')).toHaveLength(1)
    c.start()
    await c.ready()
    await cluster.settled()
  }),
  TEST_MS,
)

test(
  "cluster: a node of another cluster at a member's address is refused on both sides",
  withCluster({}, async (cluster) => {
    const [a, b, c] = cluster.nodes
    await a!.put('/v1/config/k', 'ours')
    await c!.process.kill()
    // Another n3, which founded a cluster of its own, comes to the same address.
    const elsewhere = join(cluster.folder, 'elsewhere')
    const listen = `127.0.0.1:${c!.port}`
    const alone = ['serve', '--id', 'n3', '--listen', listen, '--data', elsewhere]
    c!.start(alone)
    await c!.ready()
    expect((await c!.put('/v1/config/k', 'theirs')).status).toBe(201)

    await refusal(c!, 'cluster')
    await Promise.all([refusal(a!, 'another cluster'), refusal(b!, 'another cluster')])
    expect((await a!.put('/v1/config/k', 'still ours')).status).toBe(200)
    expect((await b!.get('/v1/config/k')).text).toBe('still ours')
    expect((await c!.get('/v1/config/k')).text).toBe('theirs')
    expect(await isMember(await cluster.leader([a!, b!]), 'n3')).toMatchObject({ reachable: false })

    await c!.process.kill()
    c!.start()
    await c!.ready()
    expect((await c!.get('/v1/config/k')).text).toBe('still ours')
  }),
  TEST_MS,
)

test(
  'cluster: a differing --cluster list on a used directory is one warning, and the stored one wins',
  withCluster({}, async (cluster) => {
    const [a] = cluster.nodes
    await a!.put('/v1/config/k', 'v')
    await a!.process.kill()
    a!.start(withFlag(a!.args, '--cluster', `n1=${a!.url}`))
    await a!.ready()

    expect(a!.process.saying('--cluster differs from the stored membership')).toHaveLength(1)
    const { json } = await a!.get('/v1/cluster')
    expect((json['members'] as unknown[]).length).toBe(3)
    expect((await a!.get('/v1/config/k')).text).toBe('v')
  }),
  TEST_MS,
)

test(
  'cluster: nobody founds before all listed nodes are there',
  withCluster({ start: false }, async (cluster) => {
    const [a, b, c] = cluster.nodes
    a!.start()
    b!.start()
    await a!.process.says('waiting to be founded')
    await until('n1 waits for n3 alone', async () => {
      const { text } = await a!.get('/readyz')
      return text.includes('n3') && !text.includes('n2')
    })
    const write = await b!.put('/v1/config/k?timeout=300ms', 'too early')
    expect(write.json).toMatchObject({ code: 'no_leader', outcome: 'not_applied' })

    c!.start()
    await cluster.ready()
    const ids = await Promise.all(
      cluster.nodes.map(async (node) => (await node.get('/v1/cluster')).json['clusterId']),
    )
    expect(new Set(ids).size).toBe(1)
    expect((await b!.get('/v1/config/k')).status).toBe(404)
  }),
  TEST_MS,
)
