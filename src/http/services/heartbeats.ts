/** Heartbeats: of one instance, with or without news of its health, and of many things at once. */
import { Hono } from 'hono'
import * as v from 'valibot'

import type { InstanceKey } from '../../state/command.ts'
import { instanceLease } from '../../state/mod.ts'
import { json } from '../answer.ts'
import { hasNoBody, readJson } from '../request/body.ts'
import type { Asked, Call, Edge, Env } from '../edge.ts'
import { failed, invalid } from '../error.ts'
import { INSTANCE_PATH, instanceKey, noInstance } from './instances.ts'
import type { Limits } from '../limits.ts'
import { leaseRead, leasesOf, renew, renewNow, renewalJson } from '../locks/renewal.ts'
import { namespaceOf } from '../request/namespace.ts'
import type { Query } from '../request/query.ts'
import * as s from '../request/schema.ts'
import { bodyParser } from '../request/validate.ts'
import { HEALTH } from './words.ts'
import { proposeUnkeyed, refuseConditions, refuseFences, writeQuery } from '../write.ts'

/** As much as a check's output may hold (DESIGN §4). */
const NOTE_MAX = 4_096

const parseBeat = bodyParser({
  health: v.nullish(s.oneOf(HEALTH)),
  note: v.nullish(s.text(NOTE_MAX)),
})

export const HEARTBEAT_PATH = `${INSTANCE_PATH}/heartbeat` as const

type Beat = ReturnType<typeof parseBeat>

export function heartbeatRoutes(edge: Edge): Hono<Env> {
  const parseMany = manyParser(edge.limits)
  return new Hono<Env>()
    .post(HEARTBEAT_PATH, (c) => beatNow(c, edge) ?? heartbeat(c, edge))
    .post('/v1/heartbeats', async (c) => {
      const query = writeQuery(c)
      refuseConditions(c)
      refuseFences(c)
      const ns = namespaceOf(c, query)
      const { instances, leases } = parseMany(await readJson(c, edge))
      const keys = (instances ?? []).map(({ service, id }) => ({ ns, service, id }))
      return await renewMany(c, edge, query, { ns, keys, leases: leases ?? [] })
    })
}

/** A beat that brings no news, as most do, and can be answered in this turn; null: another. */
export function beatNow(c: Asked, edge: Edge): Response | null {
  if (!hasNoBody(c)) return null
  const { query, key } = beatOf(c)
  const renewal = renewNow(c, edge, query, instanceLease(key))
  return renewal === null ? null : json(renewalJson(renewal))
}

/** Whose it is. What no beat can have is refused. */
function beatOf(c: Asked): { readonly query: Query; readonly key: InstanceKey } {
  const query = writeQuery(c)
  refuseConditions(c)
  refuseFences(c)
  return { query, key: instanceKey(c, query) }
}

async function heartbeat(c: Call, edge: Edge): Promise<Response> {
  const { query, key } = beatOf(c)
  const body = await readJson(c, edge)
  const beat = body === undefined ? null : parseBeat(body)
  const [renewal = null] = await renew(c, edge, query, [instanceLease(key)])
  const answer = renewal === null ? await withoutLease(c, edge, query, key) : renewalJson(renewal)
  if (beat !== null) await reportHealth(c, edge, query, { key, beat })
  return json(answer)
}

/** Of an instance that has nothing to renew: it is persistent, or it is not there. */
async function withoutLease(c: Call, edge: Edge, query: Query, key: InstanceKey): Promise<object> {
  const [persistent] = await arePersistent(c, edge, query, [key])
  if (persistent !== true) throw noInstance(key)
  return { persistent: true }
}

async function arePersistent(
  c: Call,
  edge: Edge,
  query: Query,
  keys: readonly InstanceKey[],
): Promise<readonly boolean[]> {
  const answer = await edge.registry.read(leaseRead(c, edge, query), (state) =>
    keys.map((key) => state.instance(key)?.spec.ttlMs === null),
  )
  if (!answer.ok) throw failed(answer)
  return answer.value
}

/**
 * Logged only when it changes: a beat with the same news is a beat without news. What is known is
 * asked at the leader's index, since this node may be behind; what is not said stays as it is when
 * the report is applied.
 */
async function reportHealth(
  c: Call,
  edge: Edge,
  query: Query,
  { key, beat }: { readonly key: InstanceKey; readonly beat: Beat },
): Promise<void> {
  const health = beat.health ?? null
  const note = beat.note ?? null
  if (health === null && note === null) return
  const answer = await edge.registry.read(leaseRead(c, edge, query), (state) => state.instance(key))
  if (!answer.ok) throw failed(answer)
  const known = answer.value
  const isSame =
    (health === null || known?.health === health) && (note === null || known?.healthReason === note)
  if (!isSame) await proposeUnkeyed(c, edge, query, { type: 'instance_health', key, health, note })
}

interface Many {
  readonly ns: string
  readonly keys: readonly InstanceKey[]
  readonly leases: readonly string[]
}

async function renewMany(
  c: Call,
  edge: Edge,
  query: Query,
  { ns, keys, leases }: Many,
): Promise<Response> {
  const own = await leasesOf(c, edge, query, { ns, ids: leases })
  const ids = [...keys.map(instanceLease), ...own]
  const renewals = ids.length === 0 ? [] : await renew(c, edge, query, ids)
  const renewed = new Set(ids.filter((_, i) => renewals[i] != null))
  const lost = keys.filter((key) => !renewed.has(instanceLease(key)))
  const persistent = lost.length === 0 ? [] : await arePersistent(c, edge, query, lost)
  const missing = [
    ...lost.filter((_, i) => persistent[i] !== true).map(({ service, id }) => ({ service, id })),
    ...leases.filter((id) => !renewed.has(id)).map((lease) => ({ lease })),
  ]
  return json({ renewed: keys.length + leases.length - missing.length, missing })
}

function manyParser(limits: Limits) {
  const max = limits.heartbeatsMax
  const parse = bodyParser({
    instances: v.nullish(s.list(v.strictObject({ service: s.name, id: s.name }), max)),
    leases: v.nullish(s.list(s.name, max)),
  })
  return (body: unknown) => {
    const many = parse(body)
    const count = (many.instances?.length ?? 0) + (many.leases?.length ?? 0)
    if (count > max) throw invalid('', `instances and leases together are more than ${max}`)
    return many
  }
}
