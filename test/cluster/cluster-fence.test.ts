/** States that are wrong on one node: found, named, never served, and replaced by a right one. */
import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { openBun } from '../../src/runtime/sqlite-bun.ts'
import { StateMachine } from '../../src/state/mod.ts'
import { TEST_MS, withCluster, type Cluster, type ClusterNode } from '../support/cluster.ts'
import { Load } from '../support/load.ts'
import { run } from '../support/program.ts'
import { until } from '../support/until.ts'
import { overwrite } from '../support/wal-file.ts'

const FENCED = 'the state of this node is wrong: it is fenced'
const TRUSTED = 'the state of this node was replaced: it is trusted again'

/** Changes what a key holds, behind the program's back. */
function falsify(node: ClusterNode, { withHash }: { readonly withHash: boolean }): void {
  const path = node.database
  const db = new Database(path)
  db.run(`UPDATE event SET value = CAST('wrong' AS BLOB) WHERE value = CAST('right' AS BLOB)`)
  expect(db.query('SELECT changes()').values()).toEqual([[1]])
  db.close()
  if (!withHash) return
  const sql = openBun(path)
  const hash = StateMachine.open(sql).recomputeHash()
  const lanes = [hash.slice(0, 8), hash.slice(8)].map((hex) => Number.parseInt(hex, 16) | 0)
  sql.exec(`UPDATE applied SET hash_a = ${lanes[0]}, hash_b = ${lanes[1]}`)
  sql.close()
}

/** It is as the others again, and so are its files. */
async function repaired(node: ClusterNode, cluster: Cluster): Promise<void> {
  await node.process.says(TRUSTED)
  await node.ready()
  await cluster.recovered()
  expect((await node.get('/v1/config/k?consistency=stale')).text).toBe('right')
  expect(await node.status()).not.toHaveProperty('fenced')
  expect(existsSync(join(node.dataDir, 'FENCED'))).toBe(false)
}

test(
  'cluster: rows that changed on disk: found at start, named, fenced and replaced; the others go on',
  withCluster({}, async (cluster) => {
    const load = new Load('fence', cluster.nodes, 3)
    await cluster.node(0).set('k', 'right')
    await load.progress(5)
    const [victim] = cluster.others(await cluster.leader()) as [ClusterNode]
    await victim.stop()
    falsify(victim, { withHash: false })
    const looked = await run(['recover', '--data', victim.dataDir])
    expect(looked.out).toContain('WRONG: its rows have the hash')

    victim.start()

    const line = await victim.process.says(FENCED)
    expect(line).toMatch(/its rows have the hash [0-9a-f]{16}, not [0-9a-f]{16}/)
    expect(line).toContain('move its data directory away')
    await load.progress(5)
    await load.stop()
    await repaired(victim, cluster)
    await load.verifyOn(cluster.nodes, 'linearizable')
  }),
  TEST_MS,
)

test(
  'cluster: a leader with another state than the majority: found by the log, it hands over and is repaired',
  withCluster({}, async (cluster) => {
    await cluster.node(0).set('k', 'right')
    await cluster.settled()
    const [victim] = cluster.others(await cluster.leader()) as [ClusterNode]
    await victim.stop()
    falsify(victim, { withHash: true })
    victim.start()
    await victim.ready()
    await cluster.lead(victim)
    const load = new Load('fence', cluster.nodes, 3)

    const line = await victim.process.says(FENCED)
    expect(line).toMatch(
      /at entry \d+ its hash was [0-9a-f]{16}, and that of a majority [0-9a-f]{16}/,
    )
    expect(victim.process.saying('a node has another state than the majority')).toHaveLength(1)
    const [other] = cluster.others(victim) as [ClusterNode]
    await until('somebody else leads', async () => {
      const { leader } = (await other.status()) as { leader: string | null }
      return leader !== null && leader !== victim.id
    })
    await load.progress(5)
    await load.stop()
    await repaired(victim, cluster)
    await load.verifyOn(cluster.nodes, 'linearizable')
    expect(await victim.metric('rollcall_state_repairs_total')).toBe(1)
    expect(await victim.metric('rollcall_state_fenced')).toBe(0)
  }),
  TEST_MS,
)

test(
  'cluster: a fenced node answers nothing from its state, after a restart neither, and is ready again once it is repaired',
  withCluster({}, async (cluster) => {
    await cluster.node(0).set('k', 'right')
    await cluster.settled()
    const victim = cluster.node(1)
    await Promise.all(cluster.nodes.map((node) => node.stop()))
    falsify(victim, { withHash: false })
    victim.start()
    await victim.process.says(FENCED)

    // Sound again for whoever looks at it now: what was found is remembered all the same.
    for (let start = 0; start < 2; start++) {
      const read = await victim.get('/v1/config/k?consistency=stale')
      expect([read.status, read.json['code']]).toEqual([503, 'fenced'])
      const wait = await victim.get('/v1/config/k?since=1&wait=5s&consistency=stale')
      expect([wait.status, wait.json['code']]).toEqual([503, 'fenced'])
      const copy = await victim.call('POST', '/v1/cluster/snapshot')
      expect([copy.status, copy.json['code']]).toEqual([503, 'fenced'])
      const ready = await victim.get('/readyz')
      expect([ready.status, ready.text]).toEqual([503, expect.stringContaining('[-] state: ')])
      expect(await victim.status()).toMatchObject({ fenced: expect.stringContaining('its rows') })
      await victim.process.kill()
      victim.start()
      await until('it answers', async () => (await victim.get('/livez')).status === 200)
    }

    for (const node of cluster.others(victim)) node.start()
    await repaired(victim, cluster)
    // A write through it works all along: the leader decides on it.
    await victim.set('k2', 'v')
  }),
  TEST_MS,
)

test(
  'cluster: a database that SQLite cannot read: exit 3 with its name, and a damaged page is repaired',
  withCluster({}, async (cluster) => {
    for (let i = 0; i < 200; i++) await cluster.node(i % 3).set(`fill/${i}`, 'x'.repeat(3_000))
    await cluster.node(0).set('k', 'right')
    await cluster.settled()
    const [victim] = cluster.others(await cluster.leader()) as [ClusterNode]
    await victim.stop()
    const path = victim.database
    const whole = readFileSync(path)

    // The header of the file.
    overwrite(path, { offset: 0, length: 100 }, new Uint8Array([0xff]))
    const { code, err } = await startedAndEnded(victim)
    expect(code).toBe(3)
    expect(err).toContain(path)
    expect(err).toContain('To rejoin: stop it, move its data directory away')
    expect(err).not.toContain('    at ')

    // A page somewhere in it, which nothing reads at start.
    await Bun.write(path, whole)
    overwrite(path, { offset: (whole.length >> 13) << 12, length: 4_096 }, new Uint8Array([0x5a]))
    victim.start()
    expect(await victim.process.says(FENCED)).toContain('the database is damaged')
    await repaired(victim, cluster)
  }),
  TEST_MS,
)

async function startedAndEnded(
  node: ClusterNode,
): Promise<{ readonly code: number | null; readonly err: string }> {
  const process = node.start()
  const code = await process.ended()
  return { code, err: process.err.join('\n') }
}

test(
  'cluster: a page that goes bad while the node runs: exit 3 with the name of the file',
  withCluster({ size: 1, flags: () => ['--checkpoint-size', '64KiB'] }, async (cluster) => {
    // Small enough to lie in the pages of the tree: those SQLite can tell from garbage.
    const node = cluster.node(0)
    const value = 'x'.repeat(500)
    const keys = Array.from({ length: 400 }, (_, i) => `fill/${i}`)
    for (const key of keys) await node.set(key, value)
    await node.stop()
    node.start()
    await node.ready()
    await until('the database was looked through', async () => {
      return (await node.metric('rollcall_state_examinations_total')) === 1
    })
    const path = node.database
    const { size } = statSync(path)
    overwrite(path, { offset: 40_960, length: size - 40_960 }, new Uint8Array([0x5a]))

    const reads = keys.map((key) =>
      node.get(`/v1/config/${key}?consistency=stale`).catch(() => null),
    )
    for (const read of await Promise.all(reads)) {
      if (read?.status === 200) expect(read.text).toBe(value)
    }

    expect(await node.process.ended()).toBe(3)
    expect(node.process.err.join('\n')).toContain(`the database ${path} is damaged`)
  }),
  TEST_MS,
)
