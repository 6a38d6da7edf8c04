/**
 * Rolling upgrades, with a program of one step before: built from these sources, it lacks the
 * commands that came with the newest clusterVersion (`src/state/cluster-version.ts`). In a soak it
 * is one out of the history, `ROLLCALL_TEST_OLDER`, which was built as version `OLD_RELEASE`.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { CLUSTER_VERSION_MAX } from '../../src/state/mod.ts'
import { TEST_MS, withCluster, type ClusterNode, type Json } from '../support/cluster.ts'
import { Load } from '../support/load.ts'
import { binary, Program, ROOT } from '../support/program.ts'
import { until } from '../support/until.ts'
import { digests } from '../support/wal-file.ts'

const OLD = CLUSTER_VERSION_MAX - 1
const OLD_RELEASE = '0.0.9'

let folder = ''
let oldBinary = ''

beforeAll(() => {
  oldBinary = process.env['ROLLCALL_TEST_OLDER'] ?? ''
  if (oldBinary !== '') return
  folder = mkdtempSync(join(tmpdir(), 'rollcall-upgrade-'))
  oldBinary = join(folder, 'rollcall')
  const versions = { ROLLCALL_VERSION: OLD_RELEASE, ROLLCALL_CLUSTER_VERSION: String(OLD) }
  const built = Bun.spawnSync([process.execPath, 'build.ts', '--outfile', oldBinary], {
    cwd: ROOT,
    env: { ...process.env, ...versions },
  })
  expect(built.exitCode, built.stderr.toString()).toBe(0)
}, 120_000)

afterAll(() => {
  if (folder !== '') rmSync(folder, { recursive: true, force: true })
})

/** Stops it as an operator does, and starts that program on the same directory. */
async function replace(node: ClusterNode, program: string): Promise<void> {
  await node.stop()
  node.command = [program]
  node.start()
  await node.ready()
}

async function clusterOf(node: ClusterNode): Promise<Json> {
  return (await node.get('/v1/cluster')).json
}

/** What comes with the newest program is in use. */
async function risen(node: ClusterNode): Promise<void> {
  await until('the clusterVersion has risen', async () => {
    return (await clusterOf(node))['clusterVersion'] === CLUSTER_VERSION_MAX
  })
}

/** Starts the older program where it must not run; answers what it said. */
async function refused(node: ClusterNode): Promise<string> {
  const program = new Program(`${node.id} as it was`, [oldBinary, ...node.args])
  try {
    expect(await program.ended()).toBe(3)
    return program.err.join('\n')
  } finally {
    program.signal('SIGKILL')
  }
}

test(
  'cluster: rolling upgrade under load: one by one, a step back while it may be, none afterwards',
  withCluster({ command: () => [oldBinary] }, async (cluster) => {
    const [n1, n2, n3] = [cluster.node(0), cluster.node(1), cluster.node(2)]
    const load = new Load('upgrade', cluster.nodes, 3)
    await load.progress(5)
    expect(await clusterOf(n1)).toMatchObject({ clusterVersion: OLD, upgrade: null })

    // Two of three run the newer program; one of them goes back, and comes again.
    await replace(n1, binary())
    await load.progress(5)
    await replace(n2, binary())
    await load.progress(5)
    await replace(n2, oldBinary)
    await load.progress(5)
    await replace(n2, binary())
    await cluster.lead(n1)
    await load.progress(5) // Its first commit is behind it: before, that would be named as well.
    const why = `n3 runs rollcall ${OLD_RELEASE}, which knows no more than ${OLD}`
    expect(await clusterOf(n2)).toMatchObject({
      clusterVersion: OLD,
      upgrade: { to: CLUSTER_VERSION_MAX, blockedBy: [why] },
    })
    const { n3: third, n1: first } = await cluster.members(n2)
    expect(third).toMatchObject({ version: OLD_RELEASE, clusterVersionMax: OLD })
    expect(first).toMatchObject({ clusterVersionMax: CLUSTER_VERSION_MAX })

    // What the older one could not read is not put into the log: it would stop there.
    const keyed = { headers: { 'Idempotency-Key': 'k1' } }
    const early = await n2.put('/v1/config/keyed?timeout=300ms', 'x', keyed)
    expect(early.json).toMatchObject({ status: 409, code: 'conflict', outcome: 'not_applied' })
    expect(n3.isRunning).toBe(true)

    // A member that is down holds it up as well.
    await n3.stop()
    await load.progress(5)
    expect(await clusterOf(n1)).toMatchObject({ clusterVersion: OLD })
    n3.command = [binary()]
    n3.start()
    await n3.ready()
    await risen(n1)
    expect((await n2.put('/v1/config/keyed', 'x', keyed)).status).toBe(201)
    await load.progress(5)
    await cluster.leader()

    // What the older program cannot read it leaves alone, and says so.
    await load.stop()
    await cluster.settled()
    await n2.stop()
    const before = digests(join(n2.dataDir, 'log'))
    for (let attempt = 0; attempt < 2; attempt++) {
      const said = await refused(n2)
      expect(said).toContain(`clusterVersion ${CLUSTER_VERSION_MAX}`)
      expect(said).toContain('start the newer rollcall on this directory again')
      expect(said).not.toContain('    at ')
    }
    expect(digests(join(n2.dataDir, 'log'))).toEqual(before)
    n2.start()
    await cluster.ready()
    await cluster.settled()
    await load.verifyOn(cluster.nodes, 'linearizable')
    await load.verifyOn(cluster.nodes, 'stale')
  }),
  TEST_MS,
)

test(
  'cluster: an older program that meets a newer entry in its log stops before it',
  withCluster({ size: 1, flags: () => ['--sqlite', 'sql.js'] }, async (cluster) => {
    // In memory alone: the state is rebuilt from the log, entry by entry.
    const node = cluster.node(0)
    await node.put('/v1/config/k', 'v')
    await risen(node)
    await node.put('/v1/config/k', 'w')
    await node.process.kill()

    const said = await refused(node)
    expect(said).toContain(`clusterVersion ${CLUSTER_VERSION_MAX}`)
    const recover = ['recover', '--data', node.dataDir, '--force-new-cluster', '--yes']
    const recovering = new Program('recover as it was', [oldBinary, ...recover])
    expect(await recovering.ended()).toBe(3)
    expect(recovering.err.join('\n')).toContain(`clusterVersion ${CLUSTER_VERSION_MAX}`)

    node.start()
    await node.ready()
    expect((await node.get('/v1/config/k')).text).toBe('w')
  }),
  TEST_MS,
)

test(
  'cluster: an older program is no peer of a cluster that has left it behind',
  withCluster({}, async (cluster) => {
    const node = cluster.node(0)
    await risen(node)
    const stranger = await cluster.joiner('n4', node)
    stranger.command = [oldBinary]
    stranger.start()

    const line = await stranger.process.says('peer refused')
    expect(line).toContain(`which knows no more than ${OLD}`)
    expect(Object.keys(await cluster.members(node))).not.toContain('n4')
    await stranger.process.kill()
    cluster.nodes.pop()
  }),
  TEST_MS,
)
