/** `GET /v1/locks` and `/v1/locks/{name}`: who holds, who waits, and whether a token holds now. */
import { Hono } from 'hono'

import type { StateReader } from '../../state/reader.ts'
import { readAnswer } from '../answer.ts'
import type { Call, Edge, Env } from '../edge.ts'
import { ApiError } from '../error.ts'
import { LISTED_FEW, LISTED_MAX, lockJson } from './json.ts'
import { namespaceOf } from '../request/namespace.ts'
import { nextOf, oneMore, PAGE, pageOf } from '../request/page.ts'
import { pathName } from '../request/path.ts'
import { Query } from '../request/query.ts'
import { WAIT, waitAndRead } from '../read.ts'

export function lockListRoutes(edge: Edge): Hono<Env> {
  return new Hono<Env>()
    .get('/v1/locks', (c) => listLocks(c, edge))
    .get('/v1/locks/:name', (c) => getLock(c, edge))
}

async function listLocks(c: Call, edge: Edge): Promise<Response> {
  const query = new Query(c.req.url)
  query.allow([...WAIT, ...PAGE])
  const ns = namespaceOf(c, query)
  const page = pageOf(query, edge)
  const current = (state: StateReader) => state.locks.allRevision(ns)
  const waitable = { target: { ns, topic: 'locks', prefix: false }, current }
  const { revision, rows } = await waitAndRead(c, edge, query, waitable, (state) => ({
    revision: current(state),
    rows: state.locks.locks(ns, oneMore(page), LISTED_FEW),
  }))
  const shown = rows.slice(0, page.limit)
  return readAnswer(c, revision, () => ({
    revision,
    locks: shown.map(lockJson),
    ...nextOf(rows, shown.length, ({ name }) => name),
  }))
}

async function getLock(c: Call, edge: Edge): Promise<Response> {
  const query = new Query(c.req.url)
  query.allow([...WAIT, 'token'])
  const ns = namespaceOf(c, query)
  const name = pathName(c, 2, 'name')
  const token = tokenOf(query)
  const current = (state: StateReader) => state.locks.revision(ns, name)
  const waitable = { target: { ns, topic: `locks/${name}`, prefix: false }, current }
  const { lock, isHeld } = await waitAndRead(c, edge, query, waitable, (state) => ({
    lock: state.locks.lock(ns, name, LISTED_MAX),
    isHeld: token === null || state.locks.grant(ns, name, token) !== null,
  }))
  if (token !== null && !isHeld) throw staleToken(name, token)
  if (lock === null) throw new ApiError('not_found', `nobody holds or awaits the lock "${name}"`)
  return readAnswer(c, lock.revision, () => lockJson(lock))
}

/** Null where the query names none. */
export function tokenOf(query: Query): number | null {
  return query.integer('token', { min: 1, max: Number.MAX_SAFE_INTEGER })
}

export function staleToken(name: string, token: number): ApiError {
  return new ApiError('stale_token', `the token ${token} does not hold the lock "${name}" now`)
}
