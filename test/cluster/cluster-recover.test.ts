/** A cluster that lost its quorum: `rollcall recover` makes a new one of what is left. */
import { expect, test } from 'bun:test'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { TEST_MS, withCluster, type Cluster, type ClusterNode } from '../support/cluster.ts'
import { Load } from '../support/load.ts'
import { binary, Program, run } from '../support/program.ts'
import { until } from '../support/until.ts'
import { batchesOf, digests, flip } from '../support/wal-file.ts'

const strace = Bun.which('strace')
/** Revisions of a new cluster lie at least so far ahead. */
const JUMP = 2 ** 32

interface Report {
  readonly survivor: {
    readonly dataDir: string
    readonly nodeId: string
    readonly clusterId: string
    readonly lastIndex: number
    readonly lastTerm: number
    readonly members: readonly { readonly id: string; readonly role: string }[]
  }
  readonly founded?: { readonly clusterId: string; readonly revision: number }
}

const FORCE = ['--force-new-cluster', '--yes', '--output', 'json']

async function recover(dataDir: string, ...flags: readonly string[]): Promise<Report> {
  const { code, out, err } = await run(['recover', '--data', dataDir, ...flags])
  expect([code, err]).toEqual([0, expect.any(String)])
  return JSON.parse(out) as Report
}

const look = (dataDir: string): Promise<Report> => recover(dataDir, '--output', 'json')

/** What a directory holds. The files by which processes find each other are none of it. */
function contentOf(dataDir: string): Record<string, string> {
  const files = Object.entries(digests(dataDir)).filter(([name]) => !/(-shm|LOCK.*)$/.test(name))
  return Object.fromEntries(files)
}

/** Two of three are gone for good; the third is stopped, and holds all that was acknowledged. */
async function disaster(cluster: Cluster): Promise<{ survivor: ClusterNode; gone: ClusterNode[] }> {
  const leader = await cluster.leader()
  const survivor = cluster.others(leader)[0] as ClusterNode
  const gone = cluster.others(survivor)
  await cluster.settled()
  await Promise.all(cluster.nodes.map((node) => node.process.kill()))
  return { survivor, gone }
}

test(
  'cluster: recover: the survivor goes on as a new cluster, which others join',
  withCluster({}, async (cluster) => {
    const load = new Load('before', cluster.nodes, 3)
    await load.progress(20)
    await load.stop()
    const { survivor, gone } = await disaster(cluster)
    const before = contentOf(survivor.dataDir)
    const { survivor: seen } = await look(survivor.dataDir)
    expect(contentOf(survivor.dataDir)).toEqual(before)
    expect(seen).toMatchObject({ nodeId: survivor.id, lastTerm: expect.any(Number) })
    expect(seen.members.map(({ id, role }) => `${id} ${role}`)).toEqual([
      'n1 voter',
      'n2 voter',
      'n3 voter',
    ])

    const { founded } = await recover(survivor.dataDir, ...FORCE)
    expect(founded?.clusterId).not.toBe(seen.clusterId)
    expect(founded?.revision).toBeGreaterThanOrEqual(seen.lastIndex + JUMP)
    survivor.start()
    await survivor.ready()
    await load.verifyValues(survivor)
    const cluster2 = (await survivor.get('/v1/cluster')).json
    expect(cluster2['clusterId']).toBe(founded?.clusterId)
    await cluster.voters([survivor.id], survivor)
    await oldRevisions(survivor, seen.lastIndex, founded!.revision)

    await refused(survivor, gone)
    await joins(cluster, survivor)
    // Whatever came back, the new cluster is whole, and writes.
    expect((await survivor.put('/v1/config/after', 'x')).status).toBe(201)
  }),
  TEST_MS,
)

/** Who waits for what it saw of the old cluster is answered at once, and can go on from there. */
async function oldRevisions(node: ClusterNode, old: number, revision: number): Promise<void> {
  const known = '/v1/config/before/counter/0'
  for (const [path, status] of [
    [known, 200],
    ['/v1/config/lost', 404],
    ['/v1/services/lost', 200],
  ] as const) {
    const answer = await node.get(`${path}?since=${old + 1_000}&wait=60s`, { timeoutMs: 30_000 })
    expect([path, answer.status]).toEqual([path, status])
    expect(Number(answer.headers.get('rollcall-revision'))).toBeGreaterThanOrEqual(revision)
  }
  // And the next wait is one.
  const wait = node.get(`${known}?since=${revision}&wait=60s`)
  const { json } = await node.put(known, 'changed')
  expect(json['revision']).toBeGreaterThan(revision)
  expect((await wait).text).toBe('changed')
}

async function joins(cluster: Cluster, survivor: ClusterNode): Promise<void> {
  for (const id of ['n8', 'n9']) {
    const joiner = await cluster.joiner(id, survivor)
    joiner.start()
    await joiner.ready()
  }
  await cluster.voters([survivor.id, 'n8', 'n9'], survivor)
  const joined = cluster.nodes.slice(-2)
  await cluster.settled([survivor, ...joined])
  for (const node of [...joined, survivor]) {
    const { text } = await node.get('/v1/config/before/counter/0?consistency=stale')
    expect(text).toBe('changed')
    await node.stop()
    node.start()
    await node.ready()
  }
}

/**
 * Those of the old cluster come back, and are enough to go on as what they were. The new one and
 * they refuse each other, also where the node starts again with its first `--cluster` list.
 */
async function refused(survivor: ClusterNode, gone: readonly ClusterNode[]): Promise<void> {
  for (const node of gone) node.start()
  for (const node of gone) await node.ready()
  await survivor.stop()
  survivor.start()
  for (const node of [survivor, ...gone]) {
    await until(`${node.id} says why`, () =>
      node.process.saying('peer refused').some((line) => /another cluster/.test(line)),
    )
  }
  await until('it has refused both', () =>
    gone.every(({ id }) => survivor.process.saying(`"peer":"${id}"`).length > 0),
  )
  await survivor.ready()
  for (const node of gone) await node.process.kill()
}

test.skipIf(strace === null)(
  'cluster: recover: killed at any step it is the old cluster or the new one, and can be repeated',
  withCluster({}, async (cluster) => {
    for (let i = 0; i < 20; i++) await cluster.nodes[0]!.put(`/v1/config/k${i}`, `value ${i}`)
    const { survivor } = await disaster(cluster)
    const { survivor: old } = await look(survivor.dataDir)
    const seen = { old: 0, new: 0 }
    for (const call of ['fsync', 'fdatasync', 'rename', 'unlink', 'pwrite64']) {
      // The database is written page by page: some of them are enough.
      const step = call === 'pwrite64' ? 9 : 1
      for (let nth = 1; ; nth += step) {
        const dir = join(cluster.folder, `killed-${call}-${nth}`)
        cpSync(survivor.dataDir, dir, { recursive: true })
        const code = await killedAt(call, nth, dir)
        const { survivor: left } = await look(dir)
        const isOld = left.clusterId === old.clusterId
        seen[isOld ? 'old' : 'new'] += 1
        expect([call, nth, left.nodeId]).toEqual([call, nth, survivor.id])
        if (isOld) expect([call, nth, left]).toEqual([call, nth, { ...old, dataDir: dir }])
        else expect(left.lastIndex).toBeGreaterThan(old.lastIndex + JUMP - 1)
        if (nth % 4 === 1) await goesOn(survivor, dir, left.clusterId)
        rmSync(dir, { recursive: true })
        if (code === 0) break
      }
    }
    expect(seen.old).toBeGreaterThan(10)
    expect(seen.new).toBeGreaterThan(5)
  }),
  TEST_MS,
)

/** Runs the tool and kills it at its nth such call. Answers its exit code, null where it was. */
async function killedAt(call: string, nth: number, dir: string): Promise<number | null> {
  const how = `inject=${call}:signal=SIGKILL:when=${nth}`
  const tool = [binary(), 'recover', '--data', dir, ...FORCE]
  const args = ['-f', '-q', '-o', '/dev/null', '-e', `trace=${call}`, '-e', how]
  return new Program('recover', [strace ?? 'strace', ...args, ...tool]).ended()
}

/** A new cluster serves what was there; an old one can be recovered after all. */
async function goesOn(node: ClusterNode, dir: string, clusterId: string): Promise<void> {
  let founded = clusterId
  const args = node.args.with(node.args.indexOf('--data') + 1, dir)
  const isOld = (await look(node.dataDir)).survivor.clusterId === clusterId
  if (isOld) founded = (await recover(dir, ...FORCE)).founded?.clusterId ?? ''
  node.start(args)
  await node.ready()
  expect((await node.get('/v1/cluster')).json['clusterId']).toBe(founded)
  expect((await node.get('/v1/config/k19')).text).toBe('value 19')
  await node.process.kill()
}

test(
  'cluster: recover: says what is wrong, and changes nothing',
  withCluster({ size: 1 }, async (cluster) => {
    const node = cluster.node(0)
    await node.put('/v1/config/k', 'v')
    const inUse = await run(['recover', '--data', node.dataDir, ...FORCE])
    expect([inUse.code, inUse.err]).toEqual([3, expect.stringContaining('in use')])
    await node.process.kill()

    const folder = mkdtempSync(join(tmpdir(), 'rollcall-recover-'))
    try {
      const before = contentOf(node.dataDir)
      mkdirSync(join(folder, 'empty'))
      writeFileSync(join(folder, 'file'), '')
      const wrong: readonly [readonly string[], number, string][] = [
        [[], 2, '--data DIR is missing'],
        [['--data', join(folder, 'none')], 2, 'is no directory'],
        [['--data', join(folder, 'file')], 2, 'is no directory'],
        [['--data', join(folder, 'empty')], 2, 'no data directory'],
        [['--data', node.dataDir, '--yes'], 2, 'belongs to --force-new-cluster'],
        [['--data', node.dataDir, '--force-new-cluster'], 2, 'confirm'],
        [['--data', node.dataDir, '--id', 'n1'], 2, '--id belongs to serve'],
      ]
      for (const [flags, code, text] of wrong) {
        const ran = await run(['recover', ...flags])
        expect([flags, ran.code, ran.err]).toEqual([flags, code, expect.stringContaining(text)])
      }
      expect(readdirSync(join(folder, 'empty'))).toEqual([])
      expect(contentOf(node.dataDir)).toEqual(before)
    } finally {
      rmSync(folder, { recursive: true })
    }
    await damaged(node)
  }),
  TEST_MS,
)

/** A byte of the first batch of the log: neither looked at nor recovered. */
async function damaged(node: ClusterNode): Promise<void> {
  const [first] = batchesOf(node.dataDir)
  flip(first!.file, first!.offset + 60)
  const before = contentOf(node.dataDir)
  for (const flags of [[], FORCE]) {
    const ran = await run(['recover', '--data', node.dataDir, ...flags])
    expect([ran.code, ran.err]).toEqual([3, expect.stringContaining(basename(first!.file))])
    expect(contentOf(node.dataDir)).toEqual(before)
  }
}
