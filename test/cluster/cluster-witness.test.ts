/** Two data nodes and a witness, scenario 59: any one of the three may go. */
import { expect, test } from 'bun:test'
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../support/program.ts'
import { TEST_MS, TINY, withCluster, type Cluster, type ClusterNode } from '../support/cluster.ts'
import { Load } from '../support/load.ts'
import { until } from '../support/until.ts'

const flags = (place: number): readonly string[] => (place === 2 ? ['--witness'] : TINY)
const VALUE = 'v'.repeat(20_000)

async function degraded(of: ClusterNode, wanted: boolean): Promise<void> {
  await until(`the cluster is ${wanted ? '' : 'not '}degraded`, async () => {
    const { json } = await of.get('/v1/cluster')
    if (json['degraded'] === wanted) return true
    throw new Error(JSON.stringify(json))
  })
}

async function fill(node: ClusterNode, megabytes: number): Promise<void> {
  const count = Math.ceil((megabytes * 1_000_000) / VALUE.length)
  let next = 0
  const write = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++) {
      await node.set(`fill/${i % 20}`, `${VALUE}${i}`)
    }
  }
  await Promise.all([write(), write(), write(), write()])
}

function bytesOf(dir: string): number {
  const entries = readdirSync(dir, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  return files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0)
}

async function kinds(cluster: Cluster, of: ClusterNode): Promise<string> {
  const members = await cluster.members(of)
  return Object.values(members)
    .map(({ id, role }) => `${id as string} ${role as string}`)
    .join()
}

test(
  'cluster: with a witness any one node may be killed, and writes go on',
  withCluster({ flags }, async (cluster) => {
    const [n1, n2, witness] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode]
    expect(await kinds(cluster, witness)).toBe('n1 voter,n2 voter,n3 witness')
    await degraded(witness, false)
    // The last one leaves and comes back too: what each wrote alone, the other must have got.
    for (const killed of [n1, witness, n2, n1]) {
      const left = cluster.others(killed)
      const load = new Load(`without-${killed.id}-${killed.processes.length}`, left, 4)
      await load.progress(10)
      await killed.process.kill()
      await load.progress(20)
      await degraded(left[0]!, killed !== witness)
      await fill(left[0]!, 3) // Further than the logs reach back.
      await load.stop()

      killed.start()
      await killed.ready()
      await degraded(killed, false)
      await cluster.settled()
      // It was given a place in the log, and nothing to fetch.
      const installs = await witness.metric('rollcall_snapshots_installed_total')
      if (killed === witness) expect(installs).toBeGreaterThan(0)
      await load.verifyOn([n1, n2], 'stale')
    }
    expect((await witness.status())['role']).toBe('witness')
    expect(bytesOf(witness.dataDir)).toBeLessThan(6_000_000)
  }),
  TEST_MS,
)

test(
  'cluster: what was written while degraded is not lost: its one copy is waited for',
  withCluster({ flags }, async (cluster) => {
    const [n1, n2, witness] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode]
    await n1.put('/v1/config/k', 'both')
    await n2.process.kill()
    expect((await n1.put('/v1/config/k?timeout=30s', 'one')).status).toBe(200)
    await n1.process.kill()
    n2.start()

    // The stale one is alive with the witness, a majority; it must not lead.
    await until('the stale one has heard the witness', async () => {
      const { json } = await n2.get('/v1/cluster?timeout=0s')
      const members = json['members'] as { id: string; reachable: boolean }[]
      return members.find(({ id }) => id === 'n3')?.reachable === true
    })
    const refused = await n2.put('/v1/config/k?timeout=4s', 'stale')
    expect([refused.status, refused.json['code']]).toEqual([503, 'no_leader'])
    expect((await witness.get('/v1/config/k?timeout=1s')).json['code']).toBe('no_leader')
    const ready = await witness.get('/readyz')
    expect([ready.status, ready.text]).toEqual([503, expect.stringContaining('no leader is known')])

    n1.start()
    await cluster.ready()
    for (const node of [n1, n2, witness]) expect((await node.get('/v1/config/k')).text).toBe('one')
    await degraded(n1, false)
  }),
  TEST_MS,
)

test(
  'cluster: a witness answers from the leader what is about the state, and nothing of its own',
  withCluster({ flags }, async ({ nodes: [n1, , witness] }) => {
    const path = '/v1/services/web/instances/i1'
    const put = await witness!.put(path, { address: '10.0.0.1', ttl: '30s' })
    expect([put.status, put.json['id']]).toEqual([201, 'i1'])
    expect((await witness!.call('POST', `${path}/heartbeat`)).status).toBe(200)
    const got = await witness!.get(path)
    expect([got.status, got.headers.get('rollcall-node')]).toEqual([
      200,
      expect.not.stringMatching('n3'),
    ])
    expect((await n1!.get(path)).json).toMatchObject({ address: '10.0.0.1' })
    expect((await witness!.get('/v1/nothing')).json['code']).toBe('no_such_route')

    for (const query of ['consistency=stale', 'since=1&wait=1s']) {
      const refused = await witness!.get(`/v1/config/k?${query}`)
      expect([refused.status, refused.json['code']]).toEqual([503, 'too_stale'])
      expect(refused.json['detail']).toContain('n3 is a witness')
      expect(refused.headers.get('rollcall-node')).toBe('n3')
    }
    const taken = await witness!.call('POST', '/v1/cluster/snapshot')
    expect([taken.status, taken.json['code']]).toEqual([503, 'too_stale'])
    const transfer = await n1!.call('POST', '/v1/cluster/transfer', { body: { to: 'n3' } })
    expect([transfer.status, transfer.json['detail']]).toEqual([
      409,
      expect.stringContaining('witness'),
    ])
  }),
  TEST_MS,
)

test(
  'cluster: a witness joins two nodes, stays what it is, and leaves',
  withCluster({ size: 2 }, async (cluster) => {
    const [n1, n2] = cluster.nodes as [ClusterNode, ClusterNode]
    // Listed by hand first: whoever comes must be what was listed.
    const n3 = await cluster.joiner('n3', n1)
    const listed = await n1.call('POST', '/v1/cluster/members', {
      body: { id: 'n3', url: n3.url, role: 'witness' },
    })
    expect([listed.status, listed.json['warnings']]).toEqual([202, []])
    n3.start()
    await n3.process.says('n3 is a member as a witness, and was started without --witness')
    await n3.process.kill()
    rmSync(n3.dataDir, { recursive: true })
    n3.start([...n3.args, '--witness'])
    await n3.ready()
    await until('the witness votes', async () => {
      return (await kinds(cluster, n3)) === 'n1 voter,n2 voter,n3 witness'
    })

    // Neither a role nor a flag makes something else of it.
    for (const role of ['voter', 'learner']) {
      const asked = await n2.call('POST', '/v1/cluster/members', { body: { id: 'n3', role } })
      expect([asked.status, asked.json['detail']]).toEqual([
        409,
        expect.stringContaining('is a witness'),
      ])
    }
    await n3.process.kill()
    expect(await n3.start().ended()).toBe(3)
    expect(n3.process.tail()).toContain('start it with --witness')
    await n2.process.kill()
    expect(await n2.start([...n2.args, '--witness']).ended()).toBe(3)
    expect(n2.process.tail()).toContain('start it without --witness')
    n2.start()
    n3.start([...n3.args, '--witness'])
    await cluster.ready()

    // Afterwards --join may go; without its disk it needs it.
    const at = n3.args.indexOf('--join')
    const bare = [...n3.args.toSpliced(at, 2), '--witness']
    await n3.process.kill()
    n3.start(bare)
    await n3.ready()
    await n3.process.kill()
    rmSync(n3.dataDir, { recursive: true })
    expect(await n3.start(bare).ended()).toBe(2)
    expect(n3.process.tail()).toContain('--witness needs --join URL')
    expect(existsSync(n3.dataDir)).toBe(false)

    // Then it is taken back, as a witness.
    n3.start([...n3.args, '--witness'])
    await n3.ready()
    await until('the witness votes again', async () => {
      return (await kinds(cluster, n1)) === 'n1 voter,n2 voter,n3 witness'
    })
    const removed = await run(['member', 'remove', 'n3', '--endpoint', n1.url])
    expect([removed.code, removed.out]).toEqual([0, 'n3 is leaving'])
    await n3.process.says('not a member of its cluster any more')
    expect(await kinds(cluster, n1)).toBe('n1 voter,n2 voter')
  }),
  TEST_MS,
)
