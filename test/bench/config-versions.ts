/**
 * Reads of the current values of 1,000 keys, when each has one version and when each has 1,000: a
 * million versions must cost such a read nothing.
 */
import type { Cluster, ClusterNode } from '../support/cluster.ts'
import { figure, type Figure, type Scenario } from './figure.ts'
import { wrk, type Script } from './wrk.ts'

const KEYS = 1_000
const VERSIONS = 1_000
/** Writes of one transaction: the limit of the API. */
const OPS = 128
const IN_FLIGHT = 16
const CONNECTIONS = 64
const VALUE = 'x'.repeat(200)
const READ: Script = { method: 'GET', path: '/v1/config/bench/v%d', body: '' }

export const CONFIG_VERSIONS: Scenario = {
  async run(cluster: Cluster, seconds: number): Promise<Figure[]> {
    const leader = await cluster.leader()
    await write(leader, 1)
    const first = await rate(leader, seconds)
    await write(leader, VERSIONS - 1)
    const last = await rate(leader, seconds)
    return [
      figure(`lease read, 1 version on each of ${KEYS} keys`, first, '/s'),
      figure(`lease read, ${VERSIONS} versions on each of ${KEYS} keys`, last, '/s'),
    ]
  },
}

async function rate(leader: ClusterNode, seconds: number): Promise<number> {
  const result = await wrk(leader.url, { connections: CONNECTIONS, seconds, script: READ })
  return result?.rate ?? Number.NaN
}

/** So many versions of every key more, in transactions. */
async function write(leader: ClusterNode, versions: number): Promise<void> {
  let left = versions * KEYS
  let next = 0
  const work = async (): Promise<void> => {
    while (left > 0) {
      const count = Math.min(OPS, left)
      left -= count
      const then = Array.from({ length: count }, () => {
        return { op: 'config.put', key: `bench/v${next++ % KEYS}`, value: VALUE }
      })
      const answer = await fetch(`${leader.url}/v1/txn`, {
        method: 'POST',
        body: JSON.stringify({ then }),
      })
      if (!answer.ok) throw new Error(`a transaction was answered ${answer.status}`)
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, work))
}
