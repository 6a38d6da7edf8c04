import type { Cluster, ClusterOptions } from '../support/cluster.ts'
import { startCluster } from '../support/cluster.ts'
import { endingWith } from './ending.ts'

/** A cluster of ours for `body`, ready, and gone after it. */
export async function withOurs<T>(
  options: ClusterOptions,
  body: (cluster: Cluster) => Promise<T>,
): Promise<T> {
  const cluster = await startCluster({ ...options, start: false })
  return endingWith(
    () => cluster.stop(),
    async () => {
      for (const node of cluster.nodes) node.start()
      await cluster.ready()
      await cluster.settled()
      return body(cluster)
    },
  )
}
