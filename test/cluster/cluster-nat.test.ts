/** `--advertise none`: a node that dials everybody, and that nobody can dial. */
import { expect, test } from 'bun:test'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import {
  Cluster,
  ClusterNode,
  freePorts,
  TEST_MS,
  TINY,
  urlOf,
  withCluster,
} from '../support/cluster.ts'
import { binary } from '../support/program.ts'
import { until } from '../support/until.ts'

/** `list` with the entry of `id` replaced. */
function listed(node: ClusterNode, id: string, url: string): string[] {
  const at = node.args.indexOf('--cluster') + 1
  const list = (node.args[at] ?? '').replace(new RegExp(`${id}=[^,]*`), `${id}=${url}`)
  return node.args.with(at, list)
}

test(
  'cluster: nat: one that only dials is founded with the others, may lead, and has no address',
  withCluster({ start: false }, async (cluster) => {
    const [first, second, third] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode]
    for (const node of cluster.nodes) node.start(listed(node, 'n3', 'none'))
    await cluster.ready()
    const members = await cluster.members(first)
    expect(members['n3']).toMatchObject({ url: null, role: 'voter', reachable: true })

    await cluster.lead(third)
    const answer = await second.put('/v1/config/k', 'through a leader that nobody can dial')
    expect([answer.status, answer.headers.get('rollcall-leader')]).toEqual([201, null])
    expect((await first.get('/v1/config/k?consistency=linearizable')).status).toBe(200)
    expect((await third.status())['url']).toBeNull()

    const other = await cluster.joiner('n4', first, ['--advertise', 'none'])
    other.start()
    await other.process.says('could never reach each other')
    expect(Object.keys(await cluster.members(first))).toEqual(['n1', 'n2', 'n3'])
    await other.process.kill() // It would come in as soon as the other one has an address.

    // It gets an address, and loses it again: the others follow.
    for (const [url, shown] of [
      [third.url, third.url],
      ['none', null],
    ] as const) {
      await third.process.kill()
      third.start(listed(third, 'n3', url))
      await cluster.ready([first, second, third])
      await until(`n3 is at ${url}`, async () => {
        return (await cluster.members(first))['n3']?.['url'] === shown
      })
    }
  }),
  TEST_MS,
)

test(
  'cluster: nat: a follower gets its snapshot from a leader that only dials: it dials back',
  withCluster({ start: false, flags: () => TINY }, async (cluster) => {
    const [first, second, third] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode]
    for (const node of cluster.nodes) node.start(listed(node, 'n3', 'none'))
    await cluster.ready()
    await snapshotFrom(cluster, { leader: third, follower: second, ask: first })
    expect(second.process.saying('"from":"n3"').length).toBeGreaterThan(0)
  }),
  TEST_MS,
)

/** `follower` is away for longer than the log is kept, while `leader` leads. */
async function snapshotFrom(
  cluster: Cluster,
  nodes: {
    readonly leader: ClusterNode
    readonly follower: ClusterNode
    readonly ask: ClusterNode
  },
): Promise<void> {
  const { leader, follower, ask } = nodes
  const value = 'v'.repeat(20_000)
  await follower.process.kill()
  await cluster.lead(leader, [ask]) // Nobody may be able to ask the others.
  for (let i = 0; i < 250; i++) await ask.put(`/v1/config/fill/${i % 50}`, `${value}${i}`)
  await until('the log has lost what the follower lacks', async () => {
    await ask.put('/v1/config/more', value)
    return (await ask.metric('rollcall_log_compacted_index')) > 0
  })
  follower.start()
  await follower.ready()
  await follower.process.says('fetching a snapshot')
  await until('it has all', async () => {
    const { text } = await follower.get('/v1/config/fill/49?consistency=stale')
    return text.startsWith('vvv')
  })
}

const isRoot = process.getuid?.() === 0 && Bun.which('ip') !== null

/** Of this run alone, so that two can be made at once. */
const SPACE = `rollcall-${process.pid}`
const NET = 1 + (process.pid % 250)
const OUTSIDE = `10.203.${NET}.1`

function ip(...args: readonly string[]): boolean {
  return Bun.spawnSync(['ip', ...args], { stderr: 'ignore' }).exitCode === 0
}

/** Two worlds with a cable between them; false where the machine refuses that. */
function makeSpace(): boolean {
  const cable = `rc${process.pid % 100_000}`
  const inside = ['netns', 'exec', SPACE, 'ip']
  return (
    ip('netns', 'add', SPACE) &&
    ip('link', 'add', cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', SPACE) &&
    ip('addr', 'add', `${OUTSIDE}/24`, 'dev', cable) &&
    ip('link', 'set', cable, 'up') &&
    ip(...inside, 'link', 'set', 'lo', 'up') &&
    ip(...inside, 'addr', 'add', `10.203.${NET}.2/24`, 'dev', 'eth0') &&
    ip(...inside, 'link', 'set', 'eth0', 'up')
  )
}

const hasSpaces = isRoot && makeSpace() && ip('netns', 'del', SPACE)

test.skipIf(!hasSpaces)(
  'cluster: nat: in a network namespace of its own it joins, leads, and sends a snapshot',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rollcall-nat-'))
    expect(makeSpace()).toBe(true)
    const cluster = await spacedCluster(folder)
    try {
      const [first, second, third] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode]
      for (const node of [first, second]) node.start()
      await cluster.ready([first, second])
      third.start()
      await cluster.voters(['n1', 'n2', 'n3'], first)
      expect((await cluster.members(first))['n3']).toMatchObject({ url: null, reachable: true })
      await snapshotFrom(cluster, { leader: third, follower: second, ask: first })
    } catch (error) {
      console.error(cluster.logs())
      throw error
    } finally {
      await cluster.stop()
      ip('netns', 'del', SPACE)
    }
  },
  TEST_MS,
)

/** Two nodes outside, and one inside that listens where nobody outside can ever arrive. */
async function spacedCluster(folder: string): Promise<Cluster> {
  const secret = join(folder, 'secret')
  writeFileSync(secret, 'a secret that is long enough\n', { mode: 0o600 })
  const ports = await freePorts(3)
  const [one = 0, two = 0] = ports
  const list = `n1=${urlOf(one, OUTSIDE)},n2=${urlOf(two, OUTSIDE)}`
  const nodes = ports.map((port, i) => {
    const id = `n${i + 1}`
    const isInside = i === 2
    const host = isInside ? '127.0.0.1' : OUTSIDE
    const dataDir = join(folder, id)
    const own = ['--id', id, '--listen', `${host}:${port}`, '--data', dataDir]
    const joins = ['--join', urlOf(one, OUTSIDE), '--advertise', 'none']
    const rest = isInside ? joins : ['--cluster', list, '--insecure']
    const args = ['serve', ...own, '--cluster-secret-file', secret, ...rest, ...TINY]
    const command = isInside ? ['ip', 'netns', 'exec', SPACE, binary()] : [binary()]
    return new ClusterNode({ id, port, host, dataDir, command, args })
  })
  return new Cluster(nodes, folder)
}
