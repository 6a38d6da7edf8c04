/**
 * A fourth node joins a cluster that holds a gibibyte: how fast the snapshot reaches it, and what
 * it costs those who write meanwhile (PERFORMANCE "a new node, 1 GiB state").
 */
import { performance } from 'node:perf_hooks'
import type { Cluster, ClusterNode } from '../support/cluster.ts'
import { until } from '../support/until.ts'
import { figure, percentile, type Figure, type Scenario } from './figure.ts'
import { PacedWriters } from './paced-writers.ts'

const MIB = 1024 * 1024
const VALUE = 'x'.repeat(1_000_000)
const VALUES = 1_074 // A gibibyte.
const FILLERS = 4
const FETCH_MS_MAX = 180_000

/** Its log is cut soon, so that whoever joins needs the snapshot. */
export const SNAPSHOT: Scenario = {
  cluster: { flags: () => ['--wal-tail', '1MiB', '--wal-max', '64MiB'] },
  run: snapshot,
}

async function snapshot(cluster: Cluster, seconds: number): Promise<Figure[]> {
  const leader = await cluster.leader()
  await fill(leader)
  await until('the log is cut', async () => {
    const { storage } = (await leader.status()) as { storage?: { walBytes: number } }
    return storage !== undefined && storage.walBytes < 300 * MIB
  })
  await Bun.sleep(3_000) // The last checkpoint ends.

  const writers = new PacedWriters(leader)
  await Bun.sleep(seconds * 1_000)
  const without = writers.take()
  const joiner = await cluster.joiner('n4', leader)
  joiner.start()
  const fetched = await watchFetch(joiner)
  const during = writers.take()
  await until('it has joined', async () => (await joiner.status())['recovery'] === 'synced', {
    ms: FETCH_MS_MAX,
  })
  await writers.stop()
  const before = percentile(without, 99)
  const meanwhile = percentile(during, 99)
  return [
    figure('snapshot: size', fetched.bytes / MIB, 'MiB'),
    figure('snapshot: made, fetched and installed in', fetched.tookMs / 1_000, 's'),
    figure('snapshot: streamed at', fetched.bytes / MIB / (fetched.streamedMs / 1_000), 'MiB/s'),
    figure(`p99 of ${without.length} writes before`, before, 'ms'),
    figure(`p99 of ${during.length} writes meanwhile`, meanwhile, 'ms'),
    figure('p99 meanwhile / before', meanwhile / before, '×'),
  ]
}

async function fill(leader: ClusterNode): Promise<void> {
  let next = 0
  const filler = async () => {
    while (next < VALUES) {
      const { status } = await leader.put(`/v1/config/big/${next++}`, VALUE)
      if (status >= 300) throw new Error(`a value of a megabyte was answered ${status}`)
    }
  }
  await Promise.all(Array.from({ length: FILLERS }, filler))
}

interface Fetch {
  readonly bytes: number
  /** From the first look to the end of the state. */
  readonly tookMs: number
  /** From the first piece to the last. */
  readonly streamedMs: number
}

async function watchFetch(joiner: ClusterNode): Promise<Fetch> {
  const startMs = performance.now()
  let bytes = 0
  let firstMs: number | null = null
  let lastMs = 0
  let doneBefore = 0
  await until(
    'the snapshot is fetched',
    async () => {
      const { recovery, recoveryProgress } = (await joiner.status()) as {
        recovery?: string
        recoveryProgress?: { done: number; total: number }
      }
      if (recovery === 'fetching_snapshot' && recoveryProgress !== undefined) {
        if (recoveryProgress.done > doneBefore) {
          lastMs = performance.now()
          firstMs ??= lastMs
          doneBefore = recoveryProgress.done
        }
        bytes = recoveryProgress.total
      }
      return bytes > 0 && (recovery === 'applying_log' || recovery === 'synced')
    },
    { ms: FETCH_MS_MAX, everyMs: 20 },
  )
  const tookMs = performance.now() - startMs
  return { bytes, tookMs, streamedMs: lastMs - (firstMs ?? lastMs) }
}
