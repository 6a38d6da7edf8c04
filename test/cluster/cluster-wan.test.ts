/** Wide networks: `--timing wan` over slow links that lose packets, and timings that differ. */
import { expect, test } from 'bun:test'
import { TEST_MS, withCluster, type ClusterNode } from '../support/cluster.ts'
import { Load } from '../support/load.ts'
import { Register } from '../support/register.ts'
import { until } from '../support/until.ts'

/** There and back in 300 ms, as between continents. */
const ONE_WAY_MS = 150
const LOSS_PERCENT = 2

function widen(nodes: readonly ClusterNode[]): void {
  for (const { proxy } of nodes) {
    proxy?.delay(ONE_WAY_MS)
    proxy?.lose(LOSS_PERCENT)
  }
}

test(
  'cluster: wan: founded, led by one leader, failed over and joined over 300 ms and loss',
  withCluster(
    { proxied: true, start: false, flags: () => ['--timing', 'wan'] },
    async (cluster) => {
      widen(cluster.nodes)
      for (const node of cluster.nodes) node.start()
      await cluster.ready()
      const leader = await cluster.leader()
      const { term } = await leader.status()

      // Many heartbeats long: none that is late or lost costs the leadership.
      const load = new Load('wan', cluster.nodes, 6)
      await load.progress(8)
      expect((await cluster.leader()).id).toBe(leader.id)
      expect((await leader.status())['term']).toBe(term as number)

      await leader.process.kill()
      const rest = cluster.others(leader)
      expect((await cluster.leader(rest)).id).not.toBe(leader.id)
      await load.progress(4)
      await load.stop()
      leader.start()
      const joiner = await cluster.joiner('n4', rest[0]!, ['--timing', 'wan'])
      widen([joiner])
      joiner.start()
      await cluster.ready()
      await cluster.voters(['n1', 'n2', 'n3', 'n4'], rest[0]!)
      await cluster.settled()
      await load.verifyOn(cluster.nodes, 'stale')
    },
  ),
  TEST_MS,
)

/** The quickest and the slowest differ by ten: what the leader asks for is what its voters go by. */
const MIXED = [
  [],
  ['--timing', 'wan'],
  ['--heartbeat', '50ms', '--election-timeout', '300ms..500ms'],
]

test(
  'cluster: wan: nodes of different timings: no read is stale, and none upsets the others',
  withCluster({ proxied: true, flags: (place) => MIXED[place] ?? [] }, async (cluster) => {
    const slow = cluster.node(1)
    const register = new Register('mixed', cluster.nodes)
    for (const node of cluster.nodes) {
      await cluster.lead(node)
      const { term } = await node.status()
      const { writes, reads } = register
      await until('it is written and read under it', () => {
        return register.writes >= writes + 40 && register.reads >= reads + 200
      })
      // The quick one hears this one less often than it would stand for election, and waits.
      if (node === slow) expect((await node.status())['term']).toBe(term as number)
      cluster.links.part([node])
      await cluster.leader(cluster.others(node))
      await until('it is written without it', () => register.writes >= writes + 60)
      cluster.links.heal()
      await cluster.leader()
    }
    await register.stop()
  }),
  TEST_MS,
)
