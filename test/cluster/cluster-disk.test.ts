/** What reaches the disk, and when: nothing while idle, and everything before it is acknowledged. */
import { expect, test } from 'bun:test'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { TEST_MS, withCluster, type ClusterNode } from '../support/cluster.ts'
import { Program } from '../support/program.ts'
import { until } from '../support/until.ts'
import { digests } from '../support/wal-file.ts'

const QUIET_MS = 5_000
const WRITES = 5

test(
  'cluster: an idle cluster writes nothing to disk',
  withCluster({}, async (cluster) => {
    // Leases that live are no reason to write either.
    for (let i = 0; i < 5; i++) {
      const path = `/v1/services/idle/instances/${i}`
      await cluster.node(i % 3).put(path, { address: '10.0.0.1', ttl: '1h' })
    }
    let before: unknown = null
    await until(
      'the disks fall silent',
      () => {
        const now = cluster.nodes.map(footprint)
        const isSilent = Bun.deepEquals(now, before)
        before = now
        return isSilent
      },
      { everyMs: 3_000 },
    )

    await Bun.sleep(QUIET_MS)

    expect(cluster.nodes.map(footprint)).toEqual(before as unknown[])
    expect((await cluster.node(0).get('/readyz')).status).toBe(200)
  }),
  TEST_MS,
)

/** All that a node has ever written: bytes that the kernel counted, and its files as they are. */
function footprint(node: ClusterNode): unknown {
  const names = readdirSync(node.dataDir, { recursive: true, encoding: 'utf8' }).sort()
  const files = names.map((name) => {
    const { size, mtimeMs, ctimeMs } = statSync(join(node.dataDir, name))
    return [name, size, mtimeMs, ctimeMs]
  })
  const linux = process.platform === 'linux'
  const io = linux ? readFileSync(`/proc/${node.process.pid}/io`, 'utf8') : ''
  return { files, written: /^write_bytes: \d+$/m.exec(io)?.[0], content: digests(node.dataDir) }
}

const strace = Bun.which('strace')

test.skipIf(strace === null)(
  'cluster: strace: between the arrival of a write and its answer, two nodes have synced it',
  withCluster({}, async (cluster) => {
    const tracers = await Promise.all(cluster.nodes.map((node) => trace(node, cluster.folder)))
    try {
      const leader = await cluster.leader()
      const [follower] = cluster.others(leader)
      const asked: { readonly sentMs: number; readonly answeredMs: number }[] = []
      for (let i = 0; i < WRITES; i++) {
        const sentMs = Date.now() // Rounded down, as it should be.
        const { status } = await (i % 2 === 0 ? leader : follower!).put(`/v1/config/s${i}`, 'v')
        asked.push({ sentMs, answeredMs: Date.now() + 1 })
        expect(status).toBe(201)
      }
      for (const node of cluster.nodes) {
        node.process.signal('SIGTERM')
        await node.process.ended()
      }
      for (const tracer of tracers) await tracer.ended()

      const syncs = cluster.nodes.map((node) => syncsOf(cluster.folder, node))
      for (const [i, { sentMs, answeredMs }] of asked.entries()) {
        const nodes = syncs.filter((own) =>
          own.some(({ startMs, endMs }) => startMs >= sentMs && endMs <= answeredMs),
        )
        expect([i, nodes.length >= 2]).toEqual([i, true])
      }
    } finally {
      for (const tracer of tracers) await tracer.kill()
    }
  }),
  TEST_MS,
)

/** Watches a node's syncs: one file for each thread, so that no call is cut in two. */
async function trace(node: ClusterNode, folder: string): Promise<Program> {
  const out = join(folder, `trace-${node.id}`)
  const what = ['-e', 'trace=fdatasync,fsync,sync_file_range']
  const args = ['-f', '-ff', '-ttt', '-T', '-y', ...what, '-o', out, '-p', `${node.process.pid}`]
  const tracer = new Program(`strace ${node.id}`, [strace ?? 'strace', ...args])
  await tracer.says('attached')
  return tracer
}

/** Completed fdatasyncs of a node's log. */
function syncsOf(folder: string, node: ClusterNode): { startMs: number; endMs: number }[] {
  const files = readdirSync(folder).filter((name) => name.startsWith(`trace-${node.id}.`))
  const lines = files.flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'))
  return lines.flatMap((line) => {
    const call = /^(\d+\.\d+) fdatasync\(\d+<([^>]*)>\) += 0 <(\d+\.\d+)>/.exec(line)
    if (call === null || !call[2]?.startsWith(join(node.dataDir, 'log'))) return []
    const startMs = Number(call[1]) * 1_000
    return [{ startMs, endMs: startMs + Number(call[3]) * 1_000 }]
  })
}
