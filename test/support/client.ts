/** Clients of real clusters. */
import { createClient } from '../../src/client/mod.ts'
import type { Client, ClientOptions } from '../../src/client/mod.ts'
import { CLUSTER_VERSION_MAX } from '../../src/state/mod.ts'
import { withCluster } from './cluster.ts'
import type { Cluster, ClusterOptions } from './cluster.ts'
import { until } from './until.ts'

export function clientOf(cluster: Cluster, options: Partial<ClientOptions> = {}): Client {
  return createClient({ endpoints: cluster.nodes.map(({ url }) => url), ...options })
}

/** Waits until the cluster takes all that this release can do. */
export async function raised(cluster: Cluster): Promise<void> {
  await until('the cluster has risen to its newest version', async () => {
    const { json } = await cluster.node(0).get('/v1/cluster')
    return json['clusterVersion'] === CLUSTER_VERSION_MAX
  })
}

export function withRaisedCluster(
  options: ClusterOptions,
  body: (cluster: Cluster) => Promise<void>,
): () => Promise<void> {
  return withCluster(options, async (cluster) => {
    await raised(cluster)
    await body(cluster)
  })
}
