/** Renewals of leases, whatever hangs on them. */
import { formatDuration } from '../../lib/duration.ts'
import type { Asked, Call, Edge } from '../edge.ts'
import { failed } from '../error.ts'
import type { Query } from '../request/query.ts'
import { timeoutMs } from '../read.ts'
import type { ReadOptions, Renewal } from '../registry.ts'

/** Renews a lease in this turn; null where `renew` has to be asked. */
export function renewNow(c: Asked, edge: Edge, query: Query, lease: string): Renewal | null {
  timeoutMs(c, query, edge) // A bad one is refused, needed or not.
  return edge.registry.renewNow(lease)
}

/** Renews what can be renewed: in the order asked, null where there is nothing to renew. */
export async function renew(
  c: Call,
  edge: Edge,
  query: Query,
  leases: readonly string[],
): Promise<readonly (Renewal | null)[]> {
  const answer = await edge.registry.heartbeat(leases, { timeoutMs: timeoutMs(c, query, edge) })
  if (!answer.ok) throw failed(answer)
  return answer.renewals
}

export function renewalJson({ ttlMs, expiresInMs }: Renewal): object {
  return { ttl: formatDuration(ttlMs), ttlMs, expiresInMs }
}

/** What a beat has to know is asked like any read of a client. */
export function leaseRead(c: Call, edge: Edge, query: Query): ReadOptions {
  return {
    consistency: 'lease',
    maxStalenessMs: null,
    minRevision: 0,
    timeoutMs: timeoutMs(c, query, edge),
  }
}

/**
 * The leases among `ids` that are not another namespace's: those are not this caller's to renew.
 * What is not known here yet is asked of the leader; what nobody knows stays in the list.
 */
export async function leasesOf(
  c: Call,
  edge: Edge,
  query: Query,
  { ns, ids }: { readonly ns: string; readonly ids: readonly string[] },
): Promise<readonly string[]> {
  const { local } = edge.registry
  const owners = new Map(ids.map((id) => [id, local.lease(id)?.ns ?? null]))
  const unknown = ids.filter((id) => owners.get(id) === null)
  if (unknown.length > 0) {
    const answer = await edge.registry.read(leaseRead(c, edge, query), (state) =>
      unknown.map((id) => state.lease(id)?.ns ?? null),
    )
    if (!answer.ok) throw failed(answer)
    for (const [i, id] of unknown.entries()) owners.set(id, answer.value[i] ?? null)
  }
  return ids.filter((id) => (owners.get(id) ?? ns) === ns)
}
