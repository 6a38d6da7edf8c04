/** What a key was: its versions, one of them taken back, two of them compared. */
import { Hono } from 'hono'
import * as v from 'valibot'

import { rfc3339 } from '../../lib/rfc3339.ts'
import type { EventPlace, StateReader } from '../../state/reader.ts'
import type { ConfigVersion } from '../../state/rows.ts'
import { notModified, readAnswer, tagged } from '../answer.ts'
import { readJson } from '../request/body.ts'
import { proposeValues, rolledBack } from './checked-write.ts'
import { COMMENT_MAX, rawValue } from './value.ts'
import type { Asked, Call, Edge, Env } from '../edge.ts'
import { ApiError, invalid } from '../error.ts'
import { authorOf } from '../request/author.ts'
import { expectation, isKnown } from '../request/etag.ts'
import { namespaceOf } from '../request/namespace.ts'
import { pathKey } from '../request/path.ts'
import { Query } from '../request/query.ts'
import { read, READ, WAIT, waitAndRead } from '../read.ts'
import * as s from '../request/schema.ts'
import { bodyParser } from '../request/validate.ts'
import { resultOf, writeQuery } from '../write.ts'

const HISTORY = '/v1/config-history/'
const ROLLBACK = '/v1/config-rollback/'
export const VERSION_BOUNDS = { min: 1, max: Number.MAX_SAFE_INTEGER }

export function configHistoryRoutes(edge: Edge): Hono<Env> {
  return new Hono<Env>()
    .get(`${HISTORY}:key{.+}`, (c) => getHistory(c, edge))
    .post(`${ROLLBACK}:key{.+}`, (c) => postRollback(c, edge))
}

/** `GET /v1/config/{key}?version=2`: as it was written then, whatever became of the key. */
export async function getVersion(
  c: Asked,
  edge: Edge,
  query: Query,
  key: string,
): Promise<Response> {
  query.allow([...READ, 'version'])
  const ns = namespaceOf(c, query)
  const version = query.integer('version', VERSION_BOUNDS) ?? 0
  const found = await read(c, edge, query, (state) => ({
    value: state.configVersion(ns, key, version),
    newest: state.configNewestVersion(ns, key),
  }))
  const { value, newest } = found
  if (value === null) throw new ApiError('not_found', lackOf(key, version, newest))
  return isKnown(c, version) ? notModified(version) : rawValue(value)
}

/** Why there is no such version, in the words of a rollback to it. */
export function lackOf(key: string, version: number, newest: number): string {
  if (newest === 0) return `there never was a config key "${key}"`
  if (version > newest) return `there is no version ${version} of "${key}": the newest is ${newest}`
  return `version ${version} of "${key}" is no longer kept`
}

async function getHistory(c: Call, edge: Edge): Promise<Response> {
  const query = new Query(c.req.url)
  query.allow([...WAIT, 'limit', 'cursor'])
  const ns = namespaceOf(c, query)
  const key = pathKey(c, HISTORY)
  const { pageMax } = edge.limits
  const limit = query.integer('limit', { min: 1, max: pageMax }) ?? pageMax
  const before = placeOf(query.literal('cursor'))
  const current = (state: StateReader): number => state.configRevision(ns, key)
  const waitable = { target: { ns, topic: `config/${key}`, prefix: false }, current }
  const found = await waitAndRead(c, edge, query, waitable, (state) => ({
    isKnown: state.configNewestVersion(ns, key) > 0,
    revision: current(state),
    versions: state.configHistory(ns, key, { before, limit: limit + 1 }),
  }))
  if (!found.isKnown) throw new ApiError('not_found', `there never was a config key "${key}"`)
  return readAnswer(c, found.revision, () => ({
    key,
    versions: found.versions.slice(0, limit).map(versionJson),
    ...nextOf(found.versions, limit),
  }))
}

function versionJson(version: ConfigVersion): object {
  const { version: number, revision, atMs, by, comment, deleted, size, contentType } = version
  return { version: number, revision, at: rfc3339(atMs), by, comment, deleted, size, contentType }
}

/** A cursor is the place of the last event that was shown. */
function nextOf(versions: readonly ConfigVersion[], limit: number): { readonly next?: string } {
  const last = versions[limit - 1]
  return versions.length > limit && last !== undefined ? { next: `${last.revision}.${last.n}` } : {}
}

function placeOf(cursor: string | null): EventPlace | null {
  if (cursor === null) return null
  const [, revision = '', n = ''] = /^(\d{1,16})\.(\d{1,6})$/.exec(cursor) ?? []
  const place = { revision: Number(revision), n: Number(n) }
  if (revision !== '' && Number.isSafeInteger(place.revision)) return place
  throw invalid('?cursor', 'is not a cursor that this API gave out')
}

const parseRollback = bodyParser({
  to: s.integer(VERSION_BOUNDS),
  comment: v.nullish(s.text(COMMENT_MAX)),
})

async function postRollback(c: Call, edge: Edge): Promise<Response> {
  const query = writeQuery(c)
  const ns = namespaceOf(c, query)
  const key = pathKey(c, ROLLBACK)
  const expect = expectation(c)
  const by = authorOf(c)
  const { to, comment = null } = parseRollback(await readJson(c, edge))
  const command = { type: 'config_rollback', ns, key, to, comment, by, expect } as const
  const values = (state: StateReader) => rolledBack(state, command, '')
  const applied = await proposeValues(c, edge, query, { ns, command, values })
  const { version, revision } = resultOf(applied, 'config').config
  return tagged({ key, version, revision }, version)
}
