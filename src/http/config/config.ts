/** `/v1/config`: raw values under keys, and their list. */
import { Hono } from 'hono'

import { whenKnown, type Later } from '../../lib/later.ts'
import { noContent, notModified, tagged } from '../answer.ts'
import { readBytes } from '../request/body.ts'
import { proposeValues } from './checked-write.ts'
import { getVersion } from './history.ts'
import { COMMENT_MAX, rawValue } from './value.ts'
import { contentTypeOf } from './content-type.ts'
import type { Asked, Edge, Env } from '../edge.ts'
import { effectiveValue, effectiveWaitable, stagedAnswer } from './effective.ts'
import { ApiError, invalid } from '../error.ts'
import { authorOf } from '../request/author.ts'
import { expectation, isKnown } from '../request/etag.ts'
import { labelsOf } from '../request/labels.ts'
import { listening } from './listening.ts'
import { namespaceOf } from '../request/namespace.ts'
import { pathKey } from '../request/path.ts'
import { Query } from '../request/query.ts'
import { WAIT, waitAndRead } from '../read.ts'
import { propose, resultOf, writeQuery } from '../write.ts'

const BASE = '/v1/config/'
export const CONFIG_PATH = `${BASE}:key{.+}`

export function configRoutes(edge: Edge): Hono<Env> {
  return new Hono<Env>()
    .get(CONFIG_PATH, (c) => getConfig(c, edge))
    .put(CONFIG_PATH, (c) => putConfig(c, edge))
    .delete(CONFIG_PATH, async (c) => {
      const query = writeQuery(c)
      const ns = namespaceOf(c, query)
      const key = pathKey(c, BASE)
      const expect = expectation(c)
      const by = authorOf(c)
      await propose(c, edge, query, { type: 'config_delete', ns, key, by, expect })
      return noContent()
    })
}

export async function putConfig(c: Asked, edge: Edge): Promise<Response> {
  const query = writeQuery(c, ['comment', 'lease'])
  const ns = namespaceOf(c, query)
  const key = pathKey(c, BASE)
  const expect = expectation(c)
  const comment = commentOf(query)
  const by = authorOf(c)
  const lease = query.name('lease')
  refuseRule(c)
  const value = await readBytes(c, edge)
  const contentType = contentTypeOf(c.req.header('Content-Type'), { key, bytes: value })
  const given = { ns, key, contentType, value }
  const command = { type: 'config_put', ...given, comment, by, lease, expect } as const
  const values = () => [{ ...given, at: '' }]
  const applied = await proposeValues(c, edge, query, { ns, command, values })
  const { version, revision } = resultOf(applied, 'config').config
  return tagged({ key, version, revision }, version, applied.created ? 201 : 200)
}

/** Whoever names a rule means some callers, and must not release to all by a slip in the path. */
function refuseRule(c: Asked): void {
  if (c.req.header('Rollcall-Stage-Rule') === undefined) return
  throw invalid('Rollcall-Stage-Rule', 'is for /v1/config-stages/{key}/{stage}: this is for all')
}

export function commentOf(query: Query): string | null {
  const comment = query.text('comment')
  if (comment === null) return null
  if (comment.length > COMMENT_MAX) throw invalid('?comment', `is longer than ${COMMENT_MAX}`)
  if (comment.includes('\0')) throw invalid('?comment', 'is not plain text')
  return comment
}

export function getConfig(c: Asked, edge: Edge): Later<Response> {
  const query = new Query(c.req.url)
  const key = pathKey(c, BASE)
  if (query.has('version')) return getVersion(c, edge, query, key)
  query.allow([...WAIT, 'labels'])
  const ns = namespaceOf(c, query)
  const asked = { ns, key, labels: labelsOf(c, query) }
  const waitable = effectiveWaitable(asked)
  const found = listening(c, edge, query, { ...asked, prefix: false }, () =>
    waitAndRead(c, edge, query, waitable, (state) => effectiveValue(state, asked)),
  )
  return whenKnown(found, ({ config, stage }) => {
    if (stage !== null) return stagedAnswer(c, stage, config?.version ?? 0)
    if (config === null) throw new ApiError('not_found', `there is no config key "${key}"`)
    if (isKnown(c, config.version)) return notModified(config.version)
    return rawValue(config)
  })
}
