import { performance } from 'node:perf_hooks'
import type { Cluster, ClusterNode } from '../support/cluster.ts'
import { Load } from '../support/load.ts'
import { figure, percentile, type Figure } from './figure.ts'

const ROUNDS = 20
const WRITERS = 16

/** kill -9 of the leader under load: how long until a write through another node succeeds. */
export async function failover(cluster: Cluster): Promise<Figure[]> {
  const load = new Load('failover', cluster.nodes, WRITERS)
  const tookMs: number[] = []
  for (let i = 0; i < ROUNDS; i++) {
    const leader = await cluster.leader()
    const other = cluster.others(leader)[0] as ClusterNode
    await load.progress(10)
    const killedMs = performance.now()
    await leader.process.kill()
    for (let status = 0; status !== 200 && status !== 201;) {
      const answer = await other.put('/v1/config/bench/failover', `${i}`).catch(() => null)
      status = answer?.status ?? 0
    }
    tookMs.push(performance.now() - killedMs)
    leader.start()
    await leader.ready()
  }
  await load.stop()
  await cluster.settled()
  await load.verifyOn(cluster.nodes, 'stale')
  const what = 'kill -9 of the leader under load to the next write'
  return [
    figure(`${what}, median of ${ROUNDS}`, percentile(tookMs, 50), 'ms'),
    figure(`${what}, worst of ${ROUNDS}`, Math.max(...tookMs), 'ms'),
  ]
}
