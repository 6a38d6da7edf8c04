/**
 * Heartbeats: of one instance each, against etcd's keep-alive, and of 500 at once, which etcd has
 * nothing like. A keep-alive is a gRPC stream, which `h2load` cannot drive: so `wrk` sends both, to
 * etcd's gateway for JSON, which is not its fastest way.
 */
import type { ClusterNode } from '../support/cluster.ts'
import type { BenchRow } from './compare.ts'
import { gateway, type EtcdNode } from './etcd.ts'
import { fillInstances, serviceOf } from './filling.ts'
import { wrkLoader } from './loaders.ts'

const NAMES = 1_000
const TTL_SECONDS = 60
const BATCH = 500
const SINGLE_IN_FLIGHT = 64
const BATCHES_IN_FLIGHT = 16
const SERVICE = 'beating'
/** What `fillInstances` calls the one service that it needs for so many. */
const SERVICE_0 = serviceOf(SERVICE, 0)
const LEASE = '{"ID":"1%d"}'

export const HEARTBEAT_ROWS: readonly BenchRow[] = [
  {
    what: 'heartbeat, single',
    against: 'lease keep-alive, JSON gateway',
    inFlight: SINGLE_IN_FLIGHT,
    goal: { ratio: 8 },
    ours: async (cluster) => {
      const leader = await cluster.leader()
      await register(leader)
      const path = `/v1/services/${SERVICE_0}/instances/i%d/heartbeat`
      const script = { method: 'POST', path, body: '', names: NAMES }
      const check = () => checkBatch(leader)
      return wrkLoader({ url: leader.url, inFlight: SINGLE_IN_FLIGHT, script, check })
    },
    etcd: async ({ leader }) => {
      await grant(leader)
      const script = { method: 'POST', path: '/v3/lease/keepalive', body: LEASE, names: NAMES }
      const check = () => checkLease(leader)
      return wrkLoader({ url: leader.url, inFlight: SINGLE_IN_FLIGHT, script, check })
    },
  },
  {
    what: `heartbeats in batches of ${BATCH}: instances`,
    against: null,
    inFlight: BATCHES_IN_FLIGHT,
    each: BATCH,
    goal: null,
    floor: 500_000,
    ours: async (cluster) => {
      const leader = await cluster.leader()
      await register(leader)
      const body = [batch(0), batch(BATCH)]
      const script = { method: 'POST', path: '/v1/heartbeats', body }
      const check = () => checkBatch(leader)
      return wrkLoader({ url: leader.url, inFlight: BATCHES_IN_FLIGHT, script, check })
    },
    etcd: null,
  },
]

function register(leader: ClusterNode): Promise<void> {
  const range = { to: NAMES, ttl: `${TTL_SECONDS}s`, perService: NAMES }
  return fillInstances(leader, { ...range, service: SERVICE })
}

function batch(from: number): string {
  const ids = Array.from({ length: BATCH }, (_, i) => from + i)
  return JSON.stringify({ instances: ids.map((i) => ({ service: SERVICE_0, id: `i${i}` })) })
}

/** All are there still, and are renewed when asked for: so none of the beats was for nothing. */
async function checkBatch(leader: ClusterNode): Promise<string | null> {
  for (const from of [0, BATCH]) {
    const { text, json } = await leader.call('POST', '/v1/heartbeats', { body: batch(from) })
    if (json['renewed'] !== BATCH) return `${BATCH} instances beat: ${text.slice(0, 200)}`
  }
  return null
}

async function grant(leader: EtcdNode): Promise<void> {
  for (let i = 0; i < NAMES; i++) {
    const { ID } = JSON.parse(LEASE.replace('%d', `${i}`)) as { ID: string }
    await gateway(leader, '/v3/lease/grant', { TTL: TTL_SECONDS, ID })
  }
}

/** Etcd answers 200 for a lease that is gone as well, only without a TTL. */
async function checkLease(leader: EtcdNode): Promise<string | null> {
  for (const i of [0, NAMES - 1]) {
    const asked: unknown = JSON.parse(LEASE.replace('%d', `${i}`))
    const path = '/v3/lease/keepalive'
    const { result } = await gateway<{ result?: { TTL?: string } }>(leader, path, asked)
    if (Number(result?.TTL ?? 0) !== TTL_SECONDS) return `a lease of etcd's is gone: ${i}`
  }
  return null
}
