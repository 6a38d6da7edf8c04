/** `/v1/leases`: grant, renew, revoke, read with what hangs on it. */
import { Hono } from 'hono'
import * as v from 'valibot'

import { json, noContent, tagged, ttlFields } from '../answer.ts'
import { readJson } from '../request/body.ts'
import type { Call, Edge, Env } from '../edge.ts'
import { ApiError } from '../error.ts'
import { namespaceOf } from '../request/namespace.ts'
import { pathName } from '../request/path.ts'
import { Query } from '../request/query.ts'
import { READ, read } from '../read.ts'
import { leasesOf, renew, renewalJson } from './renewal.ts'
import * as s from '../request/schema.ts'
import { bodyParser } from '../request/validate.ts'
import { propose, refuseConditions, refuseFences, resultOf, writeQuery } from '../write.ts'

const PATH = '/v1/leases/:id'
const OWNER_MAX = 256

export function leaseRoutes(edge: Edge): Hono<Env> {
  const { ttlMinMs, ttlMaxMs } = edge.limits
  const parseGrant = bodyParser({
    ttl: s.duration({ min: ttlMinMs, max: ttlMaxMs }),
    owner: v.nullish(s.text(OWNER_MAX)),
  })
  return new Hono<Env>()
    .post('/v1/leases', async (c) => {
      const query = writeQuery(c)
      refuseConditions(c)
      const ns = namespaceOf(c, query)
      const { ttl: ttlMs, owner } = parseGrant(await readJson(c, edge))
      const id = crypto.randomUUID()
      const command = { type: 'lease_grant', ns, id, ttlMs, owner: owner ?? null } as const
      const { lease } = resultOf(await propose(c, edge, query, command), 'lease')
      return json({ id: lease.id, ...ttlFields(lease.ttlMs) }, 201)
    })
    .get(PATH, (c) => getLease(c, edge))
    .post(`${PATH}/heartbeat`, async (c) => {
      const query = writeQuery(c)
      refuseConditions(c)
      refuseFences(c)
      const { ns, id } = leaseKey(c, query)
      const own = await leasesOf(c, edge, query, { ns, ids: [id] })
      const [renewal = null] = own.length === 0 ? [] : await renew(c, edge, query, own)
      if (renewal === null) throw noLease(id)
      return json(renewalJson(renewal))
    })
    .delete(PATH, async (c) => {
      const query = writeQuery(c)
      refuseConditions(c)
      await propose(c, edge, query, { type: 'lease_revoke', ...leaseKey(c, query) })
      return noContent()
    })
}

function leaseKey(c: Call, query: Query): { readonly ns: string; readonly id: string } {
  return { ns: namespaceOf(c, query), id: pathName(c, 2, 'id') }
}

async function getLease(c: Call, edge: Edge): Promise<Response> {
  const query = new Query(c.req.url)
  query.allow(READ)
  const { ns, id } = leaseKey(c, query)
  const found = await read(c, edge, query, (state) => {
    const lease = state.lease(id)
    return lease?.ns === ns ? { lease, holdings: state.leaseHoldings(id) } : null
  })
  if (found === null) throw noLease(id)
  const { lease, holdings } = found
  const expiresInMs = edge.registry.expiresInMs(id)
  const body = {
    id,
    ns,
    ...ttlFields(lease.ttlMs),
    owner: lease.owner,
    instances: holdings.instances.map(({ service, id }) => ({ service, id })),
    config: holdings.config,
    locks: holdings.locks,
    ...(expiresInMs === null ? {} : { expiresInMs }),
    revision: lease.leaseRevision,
  }
  // What hangs on a lease changes without it: its tag is of the lease and never answers 304.
  return tagged(body, lease.leaseRevision)
}

function noLease(id: string): ApiError {
  return new ApiError('not_found', `there is no lease "${id}"`)
}
