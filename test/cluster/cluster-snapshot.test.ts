/** Logs that are cut short, and nodes that come back too late for them: they are given the state. */
import { expect, test } from 'bun:test'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import {
  stateOf,
  TEST_MS,
  TINY,
  withCluster,
  type ClusterNode,
  type Json,
} from '../support/cluster.ts'
import { Load } from '../support/load.ts'
import { until } from '../support/until.ts'

const VALUE = 'v'.repeat(20_000)

/** Writes `megabytes` more, over a fixed set of keys. */
async function fill(nodes: readonly ClusterNode[], megabytes: number): Promise<void> {
  const count = Math.ceil((megabytes * 1_000_000) / VALUE.length)
  let next = 0
  await Promise.all(
    Array.from({ length: 8 }, async (_, writer) => {
      const node = nodes[writer % nodes.length] as ClusterNode
      for (let i = next++; i < count; i = next++) {
        await node.set(`fill/${i % 100}`, `${VALUE}${i}`)
      }
    }),
  )
}

function storage(status: Json): { walBytes: number; snapshotIndex: number } {
  return status['storage'] as { walBytes: number; snapshotIndex: number }
}

test(
  'cluster: the log stays small under writes, and a restart finds all that it let go',
  withCluster(
    { flags: (place) => [...TINY, ...(place === 2 ? ['--sqlite', 'sql.js'] : [])] },
    async (cluster) => {
      await fill(cluster.nodes, 24)
      await cluster.settled()
      for (const node of cluster.nodes) {
        expect(await node.metric('rollcall_log_compacted_index')).toBeGreaterThan(0)
        expect(storage(await node.status()).walBytes).toBeLessThan(13_000_000)
      }
      const before = await stateOf(cluster.node(0))

      await Promise.all(cluster.nodes.map((node) => node.process.kill()))
      for (const node of cluster.nodes) node.start()
      await cluster.ready()
      await cluster.recovered()

      expect((await stateOf(cluster.node(0))) === before).toBe(true)
      // It goes on from a file of its own, where the state lives in memory.
      expect(basename(cluster.node(2).database)).not.toBe('state-0.db')
    },
  ),
  TEST_MS,
)

for (const driver of ['bun', 'sql.js']) {
  test(
    `cluster: a node that was away while the log was cut catches up by snapshot, under load (${driver})`,
    withCluster(
      { flags: (place) => [...TINY, ...(place === 2 ? ['--sqlite', driver] : [])] },
      async (cluster) => {
        const late = cluster.node(2)
        const others = cluster.others(late)
        await fill(others, 1)
        await late.process.kill()
        await fill(others, 8)
        const load = new Load('meanwhile', others, 8)
        await load.progress(5)

        late.start()
        await late.ready()
        await until('it installed a snapshot', async () => {
          return (await late.metric('rollcall_snapshots_installed_total')) > 0
        })
        await load.progress(5)
        await load.stop()
        await cluster.recovered()

        await load.verify(late, 'stale')
        const files = readdirSync(late.dataDir).filter((name) => name.endsWith('.db'))
        expect(files).toEqual([basename(late.database)])
        expect(readdirSync(late.dataDir).filter((name) => name.includes('.part'))).toEqual([])
      },
    ),
    TEST_MS,
  )
}

/** Moments of a transfer and an install, as the directory shows them. */
const MOMENTS: readonly (readonly [string, (dir: string, before: string) => boolean])[] = [
  ['while it fetches', (dir) => readdirSync(dir).some((name) => name.endsWith('.part'))],
  [
    'when the file has its name',
    (dir, before) =>
      readdirSync(dir).some((name) => /^state-\d+\.db$/.test(name) && name !== before.trim()),
  ],
  ['when CURRENT names it', (dir, before) => readFileSync(join(dir, 'CURRENT'), 'utf8') !== before],
]

test(
  'cluster: kill -9 while a snapshot is fetched and installed: each start goes on from there',
  withCluster({ flags: () => TINY }, async (cluster) => {
    const late = cluster.node(2)
    const others = cluster.others(late)
    await fill(others, 3)
    await late.process.kill()
    for (const [, happened] of MOMENTS) {
      await fill(others, 6)
      const before = readFileSync(join(late.dataDir, 'CURRENT'), 'utf8')
      const victim = late.start()
      await until(
        'the moment comes',
        () => {
          if (!victim.isRunning) throw new Error(`it has ended:\n${victim.tail()}`)
          return happened(late.dataDir, before)
        },
        { everyMs: 1 },
      )
      await victim.kill()
    }
    // And with nothing in particular going on.
    for (let round = 0; round < 6; round++) {
      const victim = late.start()
      await Bun.sleep(60 + round * 70)
      expect(victim.isRunning, victim.tail()).toBe(true)
      await victim.kill()
    }

    late.start()
    await late.ready()
    await cluster.recovered()
  }),
  TEST_MS,
)

test(
  'cluster: a wiped voter is taken back where the log is cut: the snapshot says who the members are',
  withCluster({ flags: () => TINY }, async (cluster) => {
    const wiped = cluster.node(2)
    const others = cluster.others(wiped)
    await fill(others, 8)
    await wiped.process.kill()
    rmSync(wiped.dataDir, { recursive: true })

    wiped.start()
    await wiped.ready()
    await until('it votes again', async () => {
      const { json } = await cluster.node(0).get('/v1/cluster')
      const members = json['members'] as { id: string; role: string }[]
      return members.find(({ id }) => id === wiped.id)?.role === 'voter'
    })
    await cluster.recovered()

    expect(await wiped.metric('rollcall_snapshots_installed_total')).toBeGreaterThan(0)
    // It counts: with it alone the others' quorum goes on.
    await cluster.node(0).process.kill()
    await fill([wiped], 1)
  }),
  TEST_MS,
)

test(
  'cluster: a snapshot by hand is there when it is answered, and named in the status',
  withCluster({ size: 1, flags: () => TINY }, async (cluster) => {
    const node = cluster.node(0)
    await fill([node], 1)

    const { status, json } = await node.call('POST', '/v1/cluster/snapshot')

    expect(status).toBe(200)
    const after = await node.status()
    expect(json['snapshotIndex']).toBe(after['appliedIndex'])
    expect(storage(after).snapshotIndex).toBe(after['appliedIndex'] as number)
    await fill([node], 1) // Writes go on, and so do checkpoints.
    await until('what was written is moved into the database', async () => {
      return (
        (await node.metric('rollcall_durable_applied_index')) > (json['snapshotIndex'] as number)
      )
    })
    expect((await node.call('POST', '/v1/cluster/snapshot?now=1')).status).toBe(400)
  }),
  TEST_MS,
)
