/**
 * Durable writes: of a configuration key, and of an instance, against etcd's put. Ours go over 1,000
 * names. `h2load` sends one body alone, so etcd writes one key again and again, which spares it the
 * growth of its tree: that favours etcd.
 */
import { putRequest } from './grpc.ts'
import { appliedIndex, VALUE } from './filling.ts'
import type { BenchRow } from './compare.ts'
import type { Goal } from './load.ts'
import { grpcLoader, wrkLoader } from './loaders.ts'
import type { Script } from './wrk.ts'

export const PUT: Script = { method: 'PUT', path: '/v1/config/bench/k%d', body: VALUE }
export const REGISTER: Script = {
  method: 'PUT',
  path: '/v1/services/bench/instances/i%d',
  body: '{"address":"10.0.0.1","port":8080,"ttl":"60s"}',
}

const GOALS: readonly (readonly [number, Goal])[] = [
  [1, { ratio: 1, syncs: 2 }],
  [64, { ratio: 4, least: 3 }],
  [256, { ratio: 4, least: 3 }],
]

export const PUT_ROWS = writeRows('durable config put', PUT)
export const REGISTER_ROWS = writeRows('durable register', REGISTER)

function writeRows(what: string, script: Script): BenchRow[] {
  return GOALS.map(([inFlight, goal]) => ({
    what,
    against: 'put',
    inFlight,
    goal,
    ours: async (cluster) => {
      const leader = await cluster.leader()
      const writes = () => appliedIndex(leader)
      return wrkLoader({ url: leader.url, inFlight, script, writes })
    },
    etcd: async (cluster) => {
      const body = putRequest({ key: 'bench/k', value: VALUE })
      return grpcLoader({ cluster, method: 'Put', body, inFlight })
    },
  }))
}
