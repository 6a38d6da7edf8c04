/**
 * What a write, and a heartbeat, costs as what is kept, watched or replicated grows (PERFORMANCE "cost
 * as it grows"). Each line is one load of 64 in flight on a cluster that grew since the line before; the
 * machine drifts between lines, so what must hold of a million keys is measured in turns with a thousand.
 */
import type { Cluster, ClusterNode } from '../support/cluster.ts'
import { withOurs } from './clusters.ts'
import type { Grid, Scenario, Series } from './figure.ts'
import { percentile } from './figure.ts'
import { fillInstances, fillKeys } from './filling.ts'
import type { Measured } from './load.ts'
import { rateOf, warm } from './load.ts'
import { wrkLoader } from './loaders.ts'
import { measure } from './measure.ts'
import { busyShare } from './process.ts'
import { withReaders } from './readers.ts'
import type { Script } from './wrk.ts'
import { PUT } from './writes.ts'

const IN_FLIGHT = 64
const KEYS = [1_000, 10_000, 100_000, 1_000_000] as const
const INSTANCES = [1, 1_000, 10_000, 100_000] as const
const WATCHERS = [1, 100, 1_000, 10_000] as const
const NODES = [1, 3, 5, 7] as const
const TOPICS = 1_000
const PER_SERVICE = 100
/** Turns of a million keys and a thousand. */
const TURNS = 3
const IDLE_SECONDS = 5

export const SCALING_KEYS: Scenario = { run: keys }
export const SCALING_INSTANCES: Scenario = { run: instances }
export const SCALING_WATCHERS: Scenario = { run: watchers }
export const SCALING_NODES: Series = { cluster: null, run: nodes }

const LOAD = ['a second', 'of the first', 'p50 ms', 'p99 ms', 'CPU s/1,000', 'RSS MiB'] as const

/** Any of the keys there are is written anew. */
async function keys(cluster: Cluster, seconds: number): Promise<Grid> {
  const leader = await cluster.leader()
  const loads: Measured[] = []
  for (const [i, to] of KEYS.entries()) {
    await fillKeys(leader, { from: KEYS[i - 1] ?? 0, to })
    loads.push(await loaded(cluster, { script: putTo(to), seconds }))
  }
  const { few, many } = await turns(cluster, seconds)
  const share = `${whole(many)}/s are ${percent(many / few)} of ${whole(few)}/s (goal ≥ 85 %)`
  return {
    title: `puts, as keys grow; in ${TURNS} turns with a cluster of ${whole(KEYS[0])} keys: ${share}`,
    head: ['keys', ...LOAD],
    rows: KEYS.map((size, i) => [whole(size), ...cells(loads, i)]),
  }
}

/** Medians of the rates with the fewest keys, and with the most, measured in turn. */
async function turns(large: Cluster, seconds: number): Promise<{ few: number; many: number }> {
  return withOurs({}, async (small) => {
    const [least, most] = [KEYS[0], KEYS[KEYS.length - 1] ?? 0]
    await fillKeys(await small.leader(), { to: least })
    const few: number[] = []
    const many: number[] = []
    for (let turn = 0; turn < TURNS; turn++) {
      few.push(rateOf(await loaded(small, { script: putTo(least), seconds })))
      many.push(rateOf(await loaded(large, { script: putTo(most), seconds })))
    }
    return { few: percentile(few, 50), many: percentile(many, 50) }
  })
}

/** Of any of the instances there are. */
async function instances(cluster: Cluster, seconds: number): Promise<Grid> {
  const leader = await cluster.leader()
  const puts: Measured[] = []
  const beats: Measured[] = []
  const idle: number[] = []
  for (const [i, to] of INSTANCES.entries()) {
    const range = { from: INSTANCES[i - 1] ?? 0, to, ttl: '1h' }
    await fillInstances(leader, { ...range, service: 'grown', perService: PER_SERVICE })
    idle.push(await busyAfterQuiet(leader))
    puts.push(await loaded(cluster, { script: PUT, seconds }))
    const path = '/v1/services/grown-%h/instances/i%d/heartbeat'
    const script: Script = { method: 'POST', path, body: '', names: to, order: 'random' }
    beats.push(await loaded(cluster, { script, seconds }))
  }
  const head = ['beats/s', 'of the first', 'idle leader']
  return {
    title: 'puts, and heartbeats, as instances grow',
    head: ['instances', ...LOAD, ...head],
    rows: INSTANCES.map((size, i) => {
      const [rate = '', share = ''] = cells(beats, i)
      return [whole(size), ...cells(puts, i), rate, share, `${(idle[i] ?? 0).toFixed(1)} %`]
    }),
  }
}

/** Of keys that nobody watches. */
async function watchers(cluster: Cluster, seconds: number): Promise<Grid> {
  const leader = await cluster.leader()
  const loads: Measured[] = []
  for (const count of WATCHERS) {
    const load = () => loaded(cluster, { script: PUT, seconds })
    loads.push(await withReaders(leader, { count, topics: TOPICS }, load))
  }
  return {
    title: `puts, as watchers of ${whole(TOPICS)} other keys grow`,
    head: ['watchers', ...LOAD],
    rows: WATCHERS.map((size, i) => [whole(size), ...cells(loads, i)]),
  }
}

async function nodes(seconds: number): Promise<Grid> {
  const loads: Measured[] = []
  for (const size of NODES) {
    const load = (cluster: Cluster) => loaded(cluster, { script: PUT, seconds })
    loads.push(await withOurs({ size }, load))
  }
  return {
    title: 'puts, as the cluster grows: all of its nodes share this machine',
    head: ['nodes', ...LOAD],
    rows: NODES.map((size, i) => [whole(size), ...cells(loads, i)]),
  }
}

interface Loaded {
  readonly script: Script
  readonly seconds: number
}

/** A load that was answered as it must be: else there is nothing to be said of its cost. */
async function loaded(cluster: Cluster, { script, seconds }: Loaded): Promise<Measured> {
  const { url } = await cluster.leader()
  const loader = wrkLoader({ url, inFlight: IN_FLIGHT, script })
  await warm(loader)
  const measured = await measure(cluster.nodes, { loader, seconds })
  if (measured.faults.length > 0) throw new Error(measured.faults.join('; '))
  return measured
}

/** Any of so many: requests are made anew each time, with few of them too. */
function putTo(names: number): Script {
  return { ...PUT, names, order: 'random' }
}

async function busyAfterQuiet(leader: ClusterNode): Promise<number> {
  await Bun.sleep(2_000) // What the filling left to be done is done.
  return busyShare(leader, IDLE_SECONDS)
}

/** In the order of `LOAD`. */
function cells(loads: readonly Measured[], place: number): string[] {
  const [first, load] = [loads[0], loads[place]]
  if (first === undefined || load === undefined) return LOAD.map(() => '–')
  return [
    `${whole(rateOf(load))}`,
    percent(rateOf(load) / rateOf(first)),
    load.p50Ms.toFixed(2),
    load.p99Ms.toFixed(2),
    ((load.cpuSeconds / load.count) * 1_000).toFixed(3),
    load.residentMiB.toFixed(0),
  ]
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}
