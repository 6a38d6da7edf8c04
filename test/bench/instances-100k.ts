/**
 * A hundred thousand instances that beat every 5 s with 15 s to live: what they cost the leader, in
 * batches and one by one; then half of them fall silent at once, and others write meanwhile
 * (PERFORMANCE "100,000 instances").
 */
import type { Cluster, ClusterNode } from '../support/cluster.ts'
import { until } from '../support/until.ts'
import { BEATING, PER_SERVICE, withBeats, type Beating } from './beating.ts'
import { figure, percentile, type Figure, type Scenario } from './figure.ts'
import { fillInstances } from './filling.ts'
import { PacedWriters } from './paced-writers.ts'
import { busyShare, residentMiB } from './process.ts'

const COUNT = 100_000
const SILENT = COUNT / 2
const TTL = '15s'
const EVERY_MS = 5_000
const BATCH = 500
/** Registered before their beats begin: it takes less than their time to live. */
const STEP = 5_000
/** Three beats of each. */
const SECONDS_MIN = (3 * EVERY_MS) / 1_000
const EXPIRY_MS_MAX = 120_000

const IN_BATCHES = { count: COUNT, batch: BATCH, everyMs: EVERY_MS, connections: 4 }
const ONE_BY_ONE = { count: COUNT, batch: 1, everyMs: EVERY_MS, connections: 128 }

export const INSTANCES_100K: Scenario = { run: hundredThousand }

async function hundredThousand(cluster: Cluster, seconds: number): Promise<Figure[]> {
  const leader = await cluster.leader()
  const long = Math.max(seconds, SECONDS_MIN)
  return withBeats(leader, IN_BATCHES, async (batches) => {
    for (let from = 0; from < COUNT; from += STEP) {
      const range = { from, to: from + STEP, ttl: TTL }
      await fillInstances(leader, { ...range, service: BEATING, perService: PER_SERVICE })
      batches.only(range.to)
    }
    const inBatches = await beaten(leader, { beating: batches, seconds: long, most: 25 })
    const oneByOne = await withBeats(leader, ONE_BY_ONE, async (singles) => {
      singles.only(COUNT)
      await Bun.sleep(EVERY_MS) // Both beat, so nobody waits for the change.
      batches.only(0)
      const found = await beaten(leader, { beating: singles, seconds: long, most: 45 })
      batches.only(COUNT)
      await Bun.sleep(EVERY_MS)
      return found
    })
    return [...inBatches, ...oneByOne, ...(await massExpiry(cluster, batches))]
  })
}

interface Share {
  readonly beating: Beating
  readonly seconds: number
  /** The largest share of a core, in percent, that is a good one. */
  readonly most: number
}

async function beaten(leader: ClusterNode, given: Share): Promise<Figure[]> {
  const { beating, seconds, most } = given
  await Bun.sleep(EVERY_MS)
  beating.take()
  const busy = await busyShare(leader, seconds)
  const { renewed, refused, lateMs, medianMs } = beating.take()
  const gone = COUNT - (await registered(leader))
  const how = most === 25 ? `in batches of ${BATCH}` : 'one by one'
  const what = `${COUNT} instances, ${TTL} to live, a beat every 5 s, ${how}`
  return [
    figure(`${what}: leader`, busy, '% of a core', `≤ ${most}`),
    figure(`${what}: leader`, residentMiB(leader), 'MiB RSS', '≤ 250'),
    figure(`${what}: renewed`, renewed / seconds, '/s', `${(COUNT * 1_000) / EVERY_MS}`),
    figure(`${what}: not renewed when asked for`, refused, 'beats', '0'),
    figure(`${what}: expired, and should not`, gone, 'instances', '0'),
    figure(`${what}: the latest beat left after its time`, lateMs, 'ms'),
    figure(`${what}: an answer took, median`, medianMs, 'ms'),
  ]
}

/** Half of them beat no more. */
async function massExpiry(cluster: Cluster, batches: Beating): Promise<Figure[]> {
  const leader = await cluster.leader()
  const observer = cluster.others(leader)[0] ?? leader
  const writers = new PacedWriters(leader)
  try {
    await Bun.sleep(EVERY_MS)
    const before = writers.take()
    batches.take()
    batches.only(COUNT - SILENT)
    const gone = async () => (await registered(observer, 'stale')) <= COUNT - SILENT
    await until('they expire', gone, { ms: EXPIRY_MS_MAX, everyMs: 500 })
    const during = writers.take()
    const refusals = writers.takeRefusals()
    const { refused } = batches.take()
    await Bun.sleep(EVERY_MS)
    const lost = COUNT - SILENT - (await registered(leader))
    const what = `${SILENT} instances expire together`
    return [
      figure(`${what}: the slowest of ${before.length} writes before`, Math.max(...before), 'ms'),
      figure(`${what}: p99 of ${during.length} writes meanwhile`, percentile(during, 99), 'ms'),
      figure(`${what}: the slowest write meanwhile`, Math.max(...during), 'ms', '≤ 200'),
      figure(`${what}: writes refused meanwhile ${refusals[0] ?? ''}`, refusals.length, '', '0'),
      figure(`${what}: of the others not renewed when asked for`, refused, 'beats', '0'),
      figure(`${what}: expired with them, and should not`, lost, 'instances', '0'),
    ]
  } finally {
    await writers.stop()
  }
}

/** How many instances there are, of all services. */
async function registered(node: ClusterNode, consistency = 'lease'): Promise<number> {
  const { json } = await node.get(`/v1/services?limit=1000&consistency=${consistency}`)
  const services = json['services'] as { readonly instances: number }[]
  return services.reduce((sum, { instances }) => sum + instances, 0)
}
