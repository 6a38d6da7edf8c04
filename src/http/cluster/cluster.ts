/** `GET /v1/status`, of this node, `GET /v1/cluster`, of all, and a snapshot by hand. */
import { Hono } from 'hono'

import { json } from '../answer.ts'
import type { Edge, Env } from '../edge.ts'
import { failed } from '../error.ts'
import { Query } from '../request/query.ts'
import { timeoutMs } from '../read.ts'
import { refuseConditions, refuseFences, writeQuery } from '../write.ts'

export function clusterRoutes(edge: Edge): Hono<Env> {
  return new Hono<Env>()
    .get('/v1/status', (c) => {
      new Query(c.req.url).allow([])
      const { leaseRemainingMs, recoveryProgress, waitingFor, fenced, alarm, ...status } =
        edge.registry.status()
      return json({
        ...status,
        ...(fenced === null ? {} : { fenced }),
        ...(alarm === null ? {} : { alarm }),
        ...(leaseRemainingMs === null ? {} : { leaseRemainingMs }),
        ...(recoveryProgress === null ? {} : { recoveryProgress }),
        ...(waitingFor === null ? {} : { waitingFor }),
      })
    })
    .post('/v1/cluster/snapshot', async (c) => {
      writeQuery(c)
      refuseFences(c)
      refuseConditions(c)
      c.env?.keepOpen?.() // It is as large as the state.
      const taken = await edge.registry.snapshot()
      if (!taken.ok) throw failed(taken)
      return json({ snapshotIndex: taken.index })
    })
    .get('/v1/cluster', async (c) => {
      const query = new Query(c.req.url)
      query.allow(['timeout'])
      const { degradedDetail, ...cluster } = await edge.registry.cluster({
        timeoutMs: timeoutMs(c, query, edge),
      })
      return json({ ...cluster, ...(degradedDetail === null ? {} : { degradedDetail }) })
    })
}
