/**
 * What a request of each kind costs a node, and from it how many nodes bear the load of a large
 * registry: 320,000 requests a second at a mean below 87 ms. The mix is run here too, at the rate that
 * this machine has room for.
 *
 * The model: a node is one process and uses one core, of which no more than `BUSY`, since waiting grows
 * without bound towards 1. Beats and writes are for a cluster's leader; reads are spread over the
 * followers, which answer from their own state. What one leader cannot bear is divided among
 * clusters of three, by namespace; where followers are short of room there are learners.
 */
import type { Cluster, ClusterNode } from '../support/cluster.ts'
import type { Grid, Scenario } from './figure.ts'
import { fillInstances, fillKeys, serviceOf } from './filling.ts'
import { warm } from './load.ts'
import { wrkLoader } from './loaders.ts'
import { cpuMs } from './process.ts'
import { MissingTool } from './tool.ts'
import { wrk, type Mix, type Script } from './wrk.ts'
import { REGISTER } from './writes.ts'

export const LOAD_MODEL: Scenario = { run: loadModel }

const RATE = 320_000
const MEAN_MS = 87
const BUSY = 0.7
const FOLLOWERS = 2
const IN_FLIGHT = 64
/** Of the mix: so many that waiting shows. */
const MANY_IN_FLIGHT = 1_000
/** Instances that an agent beats for at once. */
const BATCH = 50
const NAMES = 1_000
const LOOKED_UP = 10

/** Callers of a registry mostly beat. */
const SHARES = { beat: 0.8, lookUp: 0.15, read: 0.04, registration: 0.01 } as const

const BEAT: Script = {
  method: 'POST',
  path: '/v1/services/beating-%h/instances/i%d/heartbeat',
  body: '',
}
const LOOK_UP: Script = {
  method: 'GET',
  path: '/v1/services/looked-%d?consistency=stale',
  body: '',
  names: NAMES / LOOKED_UP,
}
const READ: Script = { method: 'GET', path: '/v1/config/bench/k%d?consistency=stale', body: '' }

/** Microseconds of CPU a request. */
interface Cost {
  readonly asked: number
  /** Of the others, on average. */
  readonly others: number
}

async function loadModel(cluster: Cluster, seconds: number): Promise<Grid> {
  const leader = await cluster.leader()
  await fillInstances(leader, { to: NAMES, ttl: '1h', service: 'beating', perService: 100 })
  await fillInstances(leader, { to: NAMES, ttl: '1h', service: 'looked', perService: LOOKED_UP })
  await fillKeys(leader, { to: NAMES })
  const [follower] = cluster.others(leader) as [ClusterNode]
  const costOf = (asked: ClusterNode, script: Script) => cost(cluster, { asked, script, seconds })

  const beat = await costOf(leader, BEAT)
  const batch = await costOf(leader, batchOf(BATCH))
  const registration = await costOf(leader, REGISTER)
  const lookUp = await costOf(follower, LOOK_UP)
  const read = await costOf(follower, READ)
  const mixed = await mix(leader, seconds)

  const spread = { lookUp, read, registration }
  const singly = nodesFor({ ...spread, beat })
  const inBatches = nodesFor({ ...spread, beat: { asked: batch.asked / BATCH, others: 0 } })
  return {
    title:
      `a registry of ${whole(RATE)} requests/s: what one costs, in µs of CPU\n` +
      `the mix here, all at one leader, ${whole(MANY_IN_FLIGHT)} in flight: ${whole(mixed.rate)}/s, ` +
      `mean ${mixed.meanMs.toFixed(1)} ms (bound ${MEAN_MS})\n` +
      `by the model, each node busy for ${BUSY * 100} % of a core at most:\n` +
      `  beats one by one: ${text(singly)}\n  in batches of ${BATCH}: ${text(inBatches)}`,
    head: ['request', 'share', 'the node asked', 'each other'],
    rows: [
      line('heartbeat', percent(SHARES.beat), beat),
      line(`${BATCH} heartbeats at once`, '', batch),
      line(`look-up of a service with ${LOOKED_UP}, at a follower`, percent(SHARES.lookUp), lookUp),
      line('read of a config key, at a follower', percent(SHARES.read), read),
      line('registration', percent(SHARES.registration), registration),
    ],
  }
}

function line(what: string, share: string, { asked, others }: Cost): string[] {
  return [what, share, asked.toFixed(1), others.toFixed(1)]
}

function text({ clusters, learners }: Plan): string {
  const nodes = (FOLLOWERS + 1) * clusters + learners
  return `${nodes} nodes (${clusters} clusters of three, ${learners} learners)`
}

interface Asked {
  readonly asked: ClusterNode
  readonly script: Script
  readonly seconds: number
}

/** Of one kind alone. */
async function cost(cluster: Cluster, { asked, script, seconds }: Asked): Promise<Cost> {
  const loader = wrkLoader({ url: asked.url, inFlight: IN_FLIGHT, script })
  await warm(loader)
  const others = cluster.others(asked)
  const before = { asked: cpuMs(asked), others: sum(others.map(cpuMs)) }
  const { count, faults } = await loader.run(seconds)
  if (faults.length > 0) throw new Error(faults.join('; '))
  return {
    asked: ((cpuMs(asked) - before.asked) * 1_000) / count,
    others: ((sum(others.map(cpuMs)) - before.others) * 1_000) / count / others.length,
  }
}

/** All kinds by their shares, sent to one node. */
async function mix(
  leader: ClusterNode,
  seconds: number,
): Promise<{ readonly rate: number; readonly meanMs: number }> {
  const kinds = [BEAT, LOOK_UP, READ, REGISTER]
  const script: Mix = Object.values(SHARES).map((share, i) => {
    return { share: Math.round(share * 100), script: kinds[i] as Script }
  })
  const found = await wrk(leader.url, { connections: MANY_IN_FLIGHT, seconds, script })
  if (found === null) throw new MissingTool('wrk')
  if (found.faults.length > 0) throw new Error(found.faults.join('; '))
  return found
}

function batchOf(size: number): Script {
  const instances = Array.from({ length: size }, (_, i) => {
    return { service: serviceOf('beating', 0), id: `i${i}` }
  })
  return { method: 'POST', path: '/v1/heartbeats', body: JSON.stringify({ instances }) }
}

interface Plan {
  readonly clusters: number
  /** Beside their voters. */
  readonly learners: number
}

/** How many clusters of three have leaders with room, and how many learners their reads want. */
export function nodesFor(costs: Readonly<Record<keyof typeof SHARES, Cost>>): Plan {
  /** Cores that all requests of a kind take, on those asked or on each of the others. */
  const cores = (kind: keyof typeof SHARES, of: keyof Cost) =>
    (RATE * SHARES[kind] * costs[kind][of]) / 1e6
  const leaders = cores('beat', 'asked') + cores('registration', 'asked')
  const clusters = Math.ceil(leaders / BUSY)
  const reads = cores('lookUp', 'asked') + cores('read', 'asked')
  // Who follows a leader, learners too, applies what that is told.
  const followed = (cores('beat', 'others') + cores('registration', 'others')) / clusters
  const room = BUSY - followed
  const learners = Math.ceil(reads / room) - FOLLOWERS * clusters
  return { clusters, learners: Math.max(0, learners) }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}
