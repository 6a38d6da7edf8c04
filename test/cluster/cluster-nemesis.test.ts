/** A cluster that is hurt again and again while clients write and read: what they see is one store. */
import { test } from 'bun:test'
import { TEST_MS, withCluster, type Cluster, type ClusterNode } from '../support/cluster.ts'
import { Load } from '../support/load.ts'
import { Register } from '../support/register.ts'
import { until } from '../support/until.ts'

const ROUNDS = 8

/** What is done to a node, and how it is undone. */
const HARMS: readonly ((node: ClusterNode) => Promise<() => void>)[] = [
  async (node) => {
    await node.process.kill()
    return () => void node.start()
  },
  async (node) => {
    await node.process.pause()
    return () => node.process.resume()
  },
  async (node) => {
    await node.stop()
    return () => void node.start()
  },
]

test(
  'cluster: nemesis: kills, pauses and restarts: no stale read, and no acknowledged write is lost',
  withCluster(
    { flags: (place) => (place === 1 ? ['--sqlite', 'sql.js'] : []) },
    async (cluster) => {
      const register = new Register('one', cluster.nodes)
      const load = new Load('nemesis', cluster.nodes, 4)
      for (let round = 0; round < ROUNDS; round++) {
        const writes = register.writes
        const reads = register.reads
        const victim = await victimOf(cluster, round)
        const heal = await HARMS[round % HARMS.length]!(victim)
        await until('the register is written and read while one is away', () => {
          return register.writes >= writes + 20 && register.reads >= reads + 20
        })
        heal()
        if (round % 2 === 0) await victim.ready() // Else the next one is hurt while it comes back.
      }
      await Promise.all([register.stop(), load.stop()])

      await cluster.ready()
      await cluster.leader()
      await cluster.recovered()
      await load.verifyOn(cluster.nodes, 'stale')
    },
  ),
  TEST_MS,
)

/** Mostly the leader: its death is the one that hurts. */
async function victimOf(cluster: Cluster, round: number): Promise<ClusterNode> {
  return until('a victim is found', async () => {
    const all = await Promise.all(cluster.nodes.map((node) => node.status()))
    const leader = cluster.nodes.find((_, i) => all[i]?.['role'] === 'leader')
    if (all.some((status) => status['leader'] === null) || leader === undefined) return null
    return round % 3 === 2 ? (cluster.others(leader)[0] ?? null) : leader
  })
}
