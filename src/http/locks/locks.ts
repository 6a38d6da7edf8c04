/** `/v1/locks/{name}`: ask and wait for a lock, renew it, give it back. */
import { Hono } from 'hono'
import * as v from 'valibot'

import type { LockGrantRow } from '../../state/locks/rows.ts'
import { leaseOfGrant, LOCK_LIMIT_MAX } from '../../state/mod.ts'
import type { CommandOf } from '../../state/command.ts'
import { json, noContent } from '../answer.ts'
import { readJson } from '../request/body.ts'
import type { Call, Edge, Env } from '../edge.ts'
import { ApiError, failed, invalid, refused } from '../error.ts'
import type { Limits } from '../limits.ts'
import { fenced } from './fences.ts'
import { idempotencyKey, keyed } from '../idempotency.ts'
import { grantJson, LISTED_FEW, standingJson } from './json.ts'
import { tokenOf } from './list.ts'
import { namespaceOf } from '../request/namespace.ts'
import { pathName } from '../request/path.ts'
import type { Query } from '../request/query.ts'
import { timeoutMs } from '../read.ts'
import { leaseRead, renew, renewalJson } from './renewal.ts'
import type { LockAnswer } from '../registry.ts'
import * as s from '../request/schema.ts'
import { bodyParser } from '../request/validate.ts'
import { propose, proposeUnkeyed, refuseConditions } from '../write.ts'
import { refuseFences, resultOf, writeQuery } from '../write.ts'

const PATH = '/v1/locks/:name'
const OWNER_MAX = 256
const VALUE_MAX = 4_096
/**
 * How long a place in the queue outlives the node that keeps it, and a client with an idempotency
 * key that asks again: longer than a failover takes, and what a dead node's place costs others.
 */
const WAITER_TTL_MS = 5_000

interface LockCall {
  readonly query: Query
  readonly ns: string
  readonly name: string
}

export function lockRoutes(edge: Edge): Hono<Env> {
  const parseAcquire = acquireParser(edge.limits)
  return new Hono<Env>()
    .post(PATH, async (c) => {
      const call = lockCall(c)
      return await acquire(c, edge, call, parseAcquire(await readJson(c, edge)))
    })
    .post(`${PATH}/renew`, async (c) => {
      const call = lockCall(c)
      refuseFences(c)
      return await renewLock(c, edge, call, parseRenew(await readJson(c, edge)))
    })
    .delete(PATH, async (c) => {
      const { query, ns, name } = lockCall(c, ['token'])
      const token = tokenOf(query)
      if (token === null) throw invalid('?token', 'is needed: the token of the grant to release')
      await propose(c, edge, query, { type: 'lock_release', ns, name, token })
      return noContent()
    })
}

function lockCall(c: Call, known: readonly string[] = []): LockCall {
  const query = writeQuery(c, known)
  refuseConditions(c)
  return { query, ns: namespaceOf(c, query), name: pathName(c, 2, 'name') }
}

function acquireParser({ ttlMinMs, ttlMaxMs, waitMaxMs }: Limits) {
  return bodyParser(
    {
      owner: s.label(OWNER_MAX),
      ttl: v.nullish(s.duration({ min: ttlMinMs, max: ttlMaxMs })),
      wait: v.nullish(s.duration({ min: 0, max: waitMaxMs })),
      limit: v.nullish(s.integer({ min: 1, max: LOCK_LIMIT_MAX })),
      value: v.nullish(s.text(VALUE_MAX)),
      lease: v.nullish(s.name),
    },
    { readOnly: ['name', 'token', 'ttlMs'] },
  )
}

const parseRenew = bodyParser({
  token: s.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  value: v.nullish(s.text(VALUE_MAX)),
})

type Asked = ReturnType<ReturnType<typeof acquireParser>>

async function acquire(c: Call, edge: Edge, call: LockCall, asked: Asked): Promise<Response> {
  const { ns, name, query } = call
  const { owner, ttl = null, lease = null, value = null } = asked
  if (ttl === null && lease === null) throw invalid('ttl', 'is needed: how long it holds unrenewed')
  const waitMs = asked.wait ?? 0
  if (waitMs > 0) c.env?.keepOpen?.()
  const plain: CommandOf<'lock_acquire'> = {
    type: 'lock_acquire',
    ns,
    name,
    owner,
    ttlMs: ttl,
    lease,
    limit: asked.limit ?? 1,
    value,
    waiterTtlMs: waitMs > 0 ? WAITER_TTL_MS : null,
  }
  const answer = await edge.registry.acquireLock({
    ns,
    name,
    command: await keyed(c, edge, query, fenced(c, query, plain)),
    isKeyed: idempotencyKey(c) !== null,
    waiterTtlMs: WAITER_TTL_MS,
    waitMs,
    timeoutMs: timeoutMs(c, query, edge),
    gone: c.req.raw.signal,
    closing: edge.closing,
  })
  return await acquired(c, edge, call, answer)
}

async function acquired(
  c: Call,
  edge: Edge,
  call: LockCall,
  answer: LockAnswer,
): Promise<Response> {
  if (!answer.ok) {
    if ('failure' in answer) throw failed(answer)
    if (answer.code !== 'conflict') throw refused(answer)
    throw await notGranted(edge, call, answer)
  }
  if (answer.type === 'granted') {
    c.set('revision', answer.grant.token)
    return json(grantJson(answer.grant))
  }
  const { name } = call
  if (answer.type === 'left') throw new ApiError('outcome_unknown', 'the client is gone')
  const detail =
    answer.why === 'waited'
      ? `the lock "${name}" was not granted within the wait, and is not waited for any more`
      : `what was asked for "${name}" has been lost since: its place or grant lapsed, or was given up; ask anew, under a new Idempotency-Key`
  throw await notGranted(edge, call, { revision: answer.revision, detail })
}

/** 409, with what stands in the way as of then, or a little later. */
async function notGranted(
  { registry }: Edge,
  { ns, name }: LockCall,
  { revision, detail }: { readonly revision: number; readonly detail: string },
): Promise<ApiError> {
  const options = { consistency: 'stale', maxStalenessMs: null, minRevision: revision } as const
  const look = () => registry.local.locks.lock(ns, name, LISTED_FEW)
  const found = await registry.read({ ...options, timeoutMs: LOOK_MS }, look)
  return new ApiError('conflict', detail, standingJson(found.ok ? found.value : look()))
}

/** The entry that decided is applied elsewhere; here it takes one message more. */
const LOOK_MS = 1_000

async function renewLock(
  c: Call,
  edge: Edge,
  call: LockCall,
  { token, value }: ReturnType<typeof parseRenew>,
): Promise<Response> {
  const { ns, name, query } = call
  const grant = await grantOf(c, edge, call, { token, byLeader: value !== undefined })
  const [renewal = null] = await renew(c, edge, query, [leaseOfGrant(grant)])
  if (renewal === null) throw lost(name, token)
  const news = value ?? null
  const isNews = value !== undefined && news !== grant.value
  if (!isNews) return json({ ...grantJson(grant), ...renewalJson(renewal) })
  const command = { type: 'lock_value', ns, name, token, value: news } as const
  const set = await proposeUnkeyed(c, edge, query, command).catch((error: unknown) => {
    const isStale = error instanceof ApiError && error.code === 'stale_token'
    throw isStale ? lost(name, token) : error
  })
  return json({ ...grantJson(resultOf(set, 'lock').grant), ...renewalJson(renewal) })
}

/**
 * What is renewed. A grant with a lease of its own goes with it, so its beat tells whether it still
 * holds; of one on a client's lease, and of a value to compare with, the leader's index is asked.
 */
async function grantOf(
  c: Call,
  edge: Edge,
  { ns, name, query }: LockCall,
  { token, byLeader }: { readonly token: number; readonly byLeader: boolean },
): Promise<LockGrantRow> {
  const { registry } = edge
  const known = registry.local.locks.grant(ns, name, token)
  if (known !== null && known.lease === null && !byLeader) return known
  const asked = await registry.read(leaseRead(c, edge, query), (state) =>
    state.locks.grant(ns, name, token),
  )
  if (!asked.ok) throw failed(asked)
  if (asked.value === null) throw lost(name, token)
  return asked.value
}

function lost(name: string, token: number): ApiError {
  return new ApiError('not_found', `the token ${token} does not hold the lock "${name}" any more`)
}
