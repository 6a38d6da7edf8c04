/** `GET /v1/status`, of this node, and `GET /v1/cluster`, of all. */
import { Hono } from 'hono'

import { json } from './answer.ts'
import type { Edge, Env } from './edge.ts'
import { Query } from './query.ts'
import { timeoutMs } from './read.ts'

export function clusterRoutes(edge: Edge): Hono<Env> {
  return new Hono<Env>()
    .get('/v1/status', (c) => {
      new Query(c.req.url).allow([])
      const { leaseRemainingMs, waitingFor, ...status } = edge.registry.status()
      return json({
        ...status,
        ...(leaseRemainingMs === null ? {} : { leaseRemainingMs }),
        ...(waitingFor === null ? {} : { waitingFor }),
      })
    })
    .get('/v1/cluster', async (c) => {
      const query = new Query(c.req.url)
      query.allow(['timeout'])
      return json(await edge.registry.cluster({ timeoutMs: timeoutMs(c, query, edge) }))
    })
}
