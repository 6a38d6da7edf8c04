/**
 * How fast a node applies its log again when its database has lost everything: a million config
 * entries, at several sizes of the transaction (PERFORMANCE "replay").
 */
import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import type { Cluster, ClusterNode } from '../support/cluster.ts'
import { until } from '../support/until.ts'
import { figure, type Figure, type Scenario } from './figure.ts'
import { movedBytes } from './process.ts'
import { wrk, type Script } from './wrk.ts'

const ENTRIES = 1_000_000
const BATCHES = [100, 500, 1_000] as const
const LOAD_SECONDS = 20
const LOADS_MAX = 30
const MIB = 1024 * 1024
const PUT: Script = { method: 'PUT', path: '/v1/config/bench/k%d', body: 'x'.repeat(200) }

/** The log is kept whole, so all of it can be applied again. */
export const REPLAY: Scenario = {
  cluster: { size: 1, flags: () => ['--wal-tail', '64GiB', '--wal-max', '64GiB'] },
  run: replay,
}

async function replay(cluster: Cluster): Promise<Figure[]> {
  const node = cluster.node(0)
  const empty = join(cluster.folder, 'empty-state')
  node.process.signal('SIGTERM')
  await node.process.ended()
  keepState(node.dataDir, empty)

  node.start()
  await node.ready()
  const applied = await fill(node)
  if (applied === null) return [{ what: 'replay: wrk is missing', value: '-', unit: '' }]
  await node.process.kill()

  const plain = await recovery(node, 1_000)
  const figures = [figure('start after kill -9, nothing lost', plain.tookMs, 'ms')]
  for (const batch of BATCHES) {
    loseState(node.dataDir, empty)
    const { tookMs, read, written } = await recovery(node, batch)
    const what = `replay of ${applied.toLocaleString('en-US')} entries, ${batch} a transaction`
    figures.push(
      figure(what, applied / ((tookMs - plain.tookMs) / 1_000), 'entries/s'),
      figure(`${what}: time`, tookMs / 1_000, 's'),
      figure(`${what}: read, and written`, (read + written) / MIB, 'MiB'),
    )
  }
  return figures
}

/** Writes until the log is long enough; its length, or null without `wrk`. */
async function fill(node: ClusterNode): Promise<number | null> {
  for (let i = 0; i < LOADS_MAX; i++) {
    const load = { connections: 256, seconds: LOAD_SECONDS, script: PUT }
    if ((await wrk(node.url, load)) === null) return null
    const applied = Number((await node.status())['appliedIndex'])
    if (applied >= ENTRIES) return applied
  }
  return Number((await node.status())['appliedIndex'])
}

/** From the start of the process until it has applied all that it had committed. */
async function recovery(node: ClusterNode, batch: number) {
  const startMs = performance.now()
  node.start([...node.args, '--apply-batch', `${batch}`])
  await until(
    'it has applied its log',
    async () => {
      const status = await node.status().catch(() => null)
      return status?.['recovery'] === 'synced'
    },
    { ms: 300_000 },
  )
  const tookMs = performance.now() - startMs
  const moved = movedBytes(node)
  await node.process.kill()
  return { tookMs, ...moved }
}

const STATE = /^(state-\d+\.db(-wal|-shm)?|CURRENT)$/

function keepState(from: string, to: string): void {
  mkdirSync(to)
  for (const name of readdirSync(from))
    if (STATE.test(name)) cpSync(join(from, name), join(to, name))
}

/** The database is what it was before the first write; the log has everything. */
function loseState(dataDir: string, kept: string): void {
  for (const name of readdirSync(dataDir)) if (STATE.test(name)) rmSync(join(dataDir, name))
  for (const name of readdirSync(kept)) cpSync(join(kept, name), join(dataDir, name))
}
