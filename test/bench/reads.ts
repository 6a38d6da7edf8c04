/**
 * Reads: a lease read of ours against a linearizable range of etcd's, of one key and of ten. Both
 * hold 1,000 keys or instances; etcd is asked for the same ones each time, which favours it. A value
 * of etcd's is 200 bytes; an instance of ours is answered in some 400, as JSON.
 */
import type { Cluster } from '../support/cluster.ts'
import type { BenchRow } from './compare.ts'
import { fillEtcd, type EtcdCluster } from './etcd.ts'
import { fillInstances, fillKeys, serviceOf, VALUE } from './filling.ts'
import { rangeRequest } from './grpc.ts'
import type { Loader } from './load.ts'
import { grpcLoader, wrkLoader } from './loaders.ts'

const IN_FLIGHT = 64
const NAMES = 1_000
const TTL = '10m'
const SERVICES = 100
/** Of each service, and of the keys in one range. */
const TEN = NAMES / SERVICES
/** Less than the shortest JSON of an instance. */
const INSTANCE_BYTES = 200

interface Read {
  readonly path: string
  readonly names: number
  /** The least that an answer may weigh. */
  readonly bytesMin: number
}

const GETS = { against: 'linearizable get', inFlight: IN_FLIGHT, goal: { ratio: 6 } }

export const READ_ROWS: readonly BenchRow[] = [
  {
    ...GETS,
    what: 'lease read of a config key',
    ours: async (cluster) => {
      await fillKeys(await cluster.leader(), { to: NAMES })
      return ours(cluster, { path: '/v1/config/bench/k%d', names: NAMES, bytesMin: VALUE.length })
    },
    etcd: (cluster) => etcd(cluster, rangeRequest({ key: keyOf(500) })),
  },
  {
    ...GETS,
    what: 'lease read of an instance',
    ours: async (cluster) => {
      const range = { to: NAMES, ttl: TTL, perService: NAMES }
      await fillInstances(await cluster.leader(), { ...range, service: 'read' })
      const path = `/v1/services/${serviceOf('read', 0)}/instances/i%d`
      return ours(cluster, { path, names: NAMES, bytesMin: INSTANCE_BYTES })
    },
    etcd: (cluster) => etcd(cluster, rangeRequest({ key: keyOf(500) })),
  },
]

export const LOOKUP_ROWS: readonly BenchRow[] = [
  {
    what: `lookup of a service with ${TEN} instances`,
    against: `linearizable range over ${TEN} keys`,
    inFlight: IN_FLIGHT,
    goal: { ratio: 5 },
    ours: async (cluster) => {
      const range = { to: NAMES, ttl: TTL, perService: TEN }
      await fillInstances(await cluster.leader(), { ...range, service: 'ten' })
      const bytesMin = TEN * INSTANCE_BYTES
      return ours(cluster, { path: '/v1/services/ten-%d', names: SERVICES, bytesMin })
    },
    etcd: (cluster) => etcd(cluster, rangeRequest({ key: keyOf(500), end: keyOf(500 + TEN) })),
  },
]

async function ours(cluster: Cluster, { path, names, bytesMin }: Read): Promise<Loader> {
  const { url } = await cluster.leader()
  const script = { method: 'GET', path, body: '', names }
  return wrkLoader({ url, inFlight: IN_FLIGHT, script, bytesMin })
}

async function etcd(cluster: EtcdCluster, body: Uint8Array): Promise<Loader> {
  const keys = Array.from({ length: NAMES }, (_, i) => keyOf(i))
  await fillEtcd(cluster.leader, { keys, value: VALUE })
  return grpcLoader({ cluster, method: 'Range', body, inFlight: IN_FLIGHT })
}

/** In the order of its numbers, so that ten that follow each other are one range. */
function keyOf(i: number): string {
  return `bench/k${String(i).padStart(4, '0')}`
}
