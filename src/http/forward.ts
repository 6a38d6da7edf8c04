/**
 * A witness has no state to answer from: it passes on to the leader what is about the state, whole,
 * and gives back the leader's answer. What is about the node or the members it answers itself.
 */
import { sleep } from '../lib/timer.ts'
import { ApiError } from './error.ts'
import type { Call, Edge } from './edge.ts'
import { TIMEOUT_DEFAULT_MS } from './limits.ts'
import { Query } from './request/query.ts'
import { timeoutMs } from './read.ts'

/** How another node is asked; rejects where no answer came. */
export type Fetch = (request: Request) => Promise<Response>

/** Of this node, or asked of the leader over the mesh. */
const OWN =
  /^\/(livez|readyz|health|metrics|v1\/status|v1\/cluster(\/members(\/.*)?|\/snapshot|\/transfer)?)?$/
/** Asking for one; what is below it, a renewal, does not wait. */
const LOCK = /^\/v1\/locks\/[^/]+$/
/** Marks what was passed on once: a leader's address that leads back here must not go round. */
const HOP = 'Rollcall-Forwarded-By'
/** Beyond what the leader itself waits: its own reason is better than our impatience. */
const GRACE_MS = 5_000
/** Between two looks for a leader. */
const LOOK_MS = 50
/** Of one connection alone, or judged here already (`guard.ts`). */
const NOT_PASSED_ON = ['host', 'connection', 'keep-alive', 'transfer-encoding', 'content-length']
const JUDGED_HERE = ['origin', 'sec-fetch-site']
const NOT_GIVEN_BACK = ['connection', 'keep-alive', 'transfer-encoding', 'content-length']
/** Codes of a fetch that never reached anybody, by runtime. */
const NEVER_SENT = new Set(['ConnectionRefused', 'ECONNREFUSED', 'FailedToOpenSocket'])

export function isForwarded(path: string): boolean {
  return !OWN.test(path)
}

/** Asks the leader, waiting for one within the request's time. */
export async function forward(c: Call, edge: Edge, ask: Fetch): Promise<Response> {
  const { id } = edge.registry.self()
  const query = new Query(c.req.url)
  refuseWhatNeedsState(c, query, id)
  if (c.req.header(HOP) !== undefined) {
    throw noLeader(`the leader's address leads back to ${id}, a witness: correct its --advertise`)
  }
  const waitMs = timeoutMs(c, query, edge)
  if (waitMs >= TIMEOUT_DEFAULT_MS) c.env?.keepOpen?.()
  // A lock may be waited for at the leader, which keeps the place in the queue.
  const heldMs = LOCK.test(c.req.path) && c.req.method === 'POST' ? edge.limits.waitMaxMs : 0
  if (heldMs > 0) c.env?.keepOpen?.()
  const endMs = performance.now() + waitMs
  const body = hasBody(c) ? await c.req.arrayBuffer() : null
  for (;;) {
    const leader = await leaderUrl(edge, endMs)
    try {
      const signal = AbortSignal.any([
        c.req.raw.signal,
        AbortSignal.timeout(Math.max(0, endMs - performance.now()) + heldMs + GRACE_MS),
      ])
      return givenBack(await ask(passedOn(c, { leader, id, body, signal })))
    } catch (error) {
      judgeFailure(c, error)
    }
    if (performance.now() >= endMs) throw noLeader('the leader could not be reached in time')
    await sleep(LOOK_MS)
  }
}

/** What would be this node's own word, and it has none. */
function refuseWhatNeedsState(c: Call, query: Query, id: string): void {
  const isStale = c.req.query('consistency') === 'stale'
  const isWait = query.has('since') || query.has('wait') || c.req.path === '/v1/watch'
  if (!isStale && !isWait) return
  const what = isStale ? 'a stale read' : 'a wait'
  throw new ApiError(
    'too_stale',
    `${id} is a witness and keeps no state for ${what}; ask a data node`,
  )
}

function hasBody(c: Call): boolean {
  return c.req.method !== 'GET' && c.req.method !== 'HEAD'
}

async function leaderUrl({ registry, closing }: Edge, endMs: number): Promise<string> {
  for (;;) {
    const { id, leader, leaderUrl: url } = registry.status()
    if (url !== null) return url
    if (leader !== null) {
      const why = `${leader} leads and only dials, so ${id}, a witness, cannot pass this on`
      throw new ApiError('no_leader', `${why}; nothing was applied, ask a data node`)
    }
    if (performance.now() >= endMs || closing?.aborted === true) {
      throw noLeader('no leader was known within the time of this request')
    }
    await sleep(LOOK_MS)
  }
}

function passedOn(
  c: Call,
  to: {
    readonly leader: string
    readonly id: string
    readonly body: ArrayBuffer | null
    readonly signal: AbortSignal
  },
): Request {
  const { method, raw, url, path } = c.req
  const headers = new Headers(raw.headers)
  for (const name of [...NOT_PASSED_ON, ...JUDGED_HERE]) headers.delete(name)
  headers.set(HOP, to.id)
  const { body, signal } = to
  // The path below where this API is mounted: the leader's may be mounted elsewhere.
  return new Request(`${to.leader}${path}${searchOf(url)}`, {
    method,
    headers,
    signal,
    redirect: 'manual',
    ...(body === null ? {} : { body }),
  })
}

function searchOf(url: string): string {
  const start = url.indexOf('?')
  return start < 0 ? '' : (url.slice(start).split('#', 1)[0] ?? '')
}

function givenBack(answer: Response): Response {
  const headers = new Headers(answer.headers)
  for (const name of NOT_GIVEN_BACK) headers.delete(name)
  return new Response(answer.body, { status: answer.status, headers })
}

/** Returns where it may be asked again: it was never sent, or it changes nothing. */
function judgeFailure(c: Call, error: unknown): void {
  const { code } = error as { readonly code?: unknown }
  if (!hasBody(c) && !c.req.raw.signal.aborted) return
  if (typeof code === 'string' && NEVER_SENT.has(code)) return
  throw new ApiError(
    'outcome_unknown',
    'the link to the leader was lost after the request was sent: it may have happened; ' +
      'ask again with the same Idempotency-Key',
  )
}

function noLeader(why: string): ApiError {
  return new ApiError('no_leader', `${why}; nothing was applied, try again`)
}
