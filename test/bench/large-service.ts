/** A service with ten thousand instances, of which a caller wants the hundred with its tag. */
import type { Cluster } from '../support/cluster.ts'
import { figure, type Figure, type Scenario } from './figure.ts'
import { fillInstances, serviceOf } from './filling.ts'
import { warm } from './load.ts'
import { wrkLoader } from './loaders.ts'

const COUNT = 10_000
const TAGS = 100
const SERVICE = 'large'

export const LARGE_SERVICE: Scenario = { run: largeService }

async function largeService(cluster: Cluster, seconds: number): Promise<Figure[]> {
  const leader = await cluster.leader()
  const range = { to: COUNT, ttl: '1h', perService: COUNT, tags: TAGS }
  await fillInstances(leader, { ...range, service: SERVICE })
  const path = `/v1/services/${serviceOf(SERVICE, 0)}?available=true&tag=t%d`
  const { json } = await leader.get(path.replace('%d', '7'))
  const found = (json['instances'] as unknown[]).length
  if (found !== COUNT / TAGS) throw new Error(`${found} instances have one of ${TAGS} tags`)

  const script = { method: 'GET', path, body: '', names: TAGS }
  const loader = wrkLoader({ url: leader.url, inFlight: 1, script })
  await warm(loader)
  const { p50Ms, p99Ms, count, faults } = await loader.run(seconds)
  if (faults.length > 0) throw new Error(faults.join('; '))
  const what = `lookup of ${found} among the ${COUNT} instances of a service, 1 in flight`
  return [
    figure(`${what}: median`, p50Ms, 'ms', '≤ 2'),
    figure(`${what}: p99`, p99Ms, 'ms'),
    figure(`${what}: answered`, count / seconds, '/s'),
  ]
}
