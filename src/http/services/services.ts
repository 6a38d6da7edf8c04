/** `/v1/services`: the list, the look-up of one service, and its settings. */
import { isObject } from '../../lib/objects.ts'
import { Hono } from 'hono'
import * as v from 'valibot'

import type { StateReader } from '../../state/reader.ts'
import type { ServiceRow, ServiceSummary } from '../../state/rows.ts'
import { noContent, readAnswer, tagged } from '../answer.ts'
import { readJson } from '../request/body.ts'
import type { Asked, Call, Edge, Env } from '../edge.ts'
import { ApiError, invalid } from '../error.ts'
import { expectation } from '../request/etag.ts'
import { revisionJson } from './instance-json.ts'
import { namespaceOf } from '../request/namespace.ts'
import { nextOf, oneMore, PAGE, pageOf } from '../request/page.ts'
import { pathName } from '../request/path.ts'
import { Query } from '../request/query.ts'
import { READ, read, WAIT, waitAndRead } from '../read.ts'
import * as s from '../request/schema.ts'
import { bodyParser } from '../request/validate.ts'
import { propose, resultOf, writeQuery } from '../write.ts'

const SETTINGS = '/v1/services/:service/settings'

export function serviceRoutes(edge: Edge): Hono<Env> {
  const parse = settingsParser(edge)
  return new Hono<Env>()
    .get('/v1/services', (c) => listServices(c, edge))
    .get(SETTINGS, (c) => getSettings(c, edge))
    .put(SETTINGS, async (c) => {
      const query = writeQuery(c)
      const key = serviceKey(c, query)
      const expect = expectation(c)
      const settings = parse(await readJson(c, edge), key)
      const command = { type: 'service_put', ...key, settings, expect } as const
      const applied = await propose(c, edge, query, command)
      const { service } = resultOf(applied, 'service')
      return tagged(settingsJson(service), service.revision, applied.created ? 201 : 200)
    })
    .delete(SETTINGS, async (c) => {
      const query = writeQuery(c)
      const key = serviceKey(c, query)
      await propose(c, edge, query, { type: 'service_delete', ...key, expect: expectation(c) })
      return noContent()
    })
}

interface ServiceKey {
  readonly ns: string
  readonly service: string
}

/** Of a path that begins `/v1/services/{service}`. */
export function serviceKey(c: Asked, query: Query): ServiceKey {
  return { ns: namespaceOf(c, query), service: pathName(c, 2, 'service') }
}

async function listServices(c: Call, edge: Edge): Promise<Response> {
  const query = new Query(c.req.url)
  query.allow([...WAIT, ...PAGE])
  const ns = namespaceOf(c, query)
  const page = pageOf(query, edge)
  const current = (state: StateReader) => state.servicesRevision(ns)
  const waitable = { target: { ns, topic: 'services', prefix: false }, current }
  const { revision, rows } = await waitAndRead(c, edge, query, waitable, (state) => ({
    revision: current(state),
    rows: state.services(ns, oneMore(page)),
  }))
  return readAnswer(c, revision, () => ({
    revision,
    services: rows.slice(0, page.limit).map(summaryJson),
    ...nextOf(rows, page.limit, (row) => row.service),
  }))
}

function summaryJson({ service, instances, available, tags, revision }: ServiceSummary): object {
  return { name: service, instances, available, tags, revision }
}

async function getSettings(c: Call, edge: Edge): Promise<Response> {
  const query = new Query(c.req.url)
  query.allow(READ)
  const { ns, service } = serviceKey(c, query)
  const row = await read(c, edge, query, (state) => state.serviceSettings(ns, service))
  if (row === null) throw new ApiError('not_found', `service "${service}" has no settings`)
  return readAnswer(c, row.revision, () => settingsJson(row))
}

function settingsJson(row: ServiceRow): object {
  const { metadata, protectThreshold } = row.settings
  return { ns: row.ns, service: row.service, metadata, protectThreshold, ...revisionJson(row) }
}

function settingsParser({ limits }: Edge) {
  const parse = bodyParser(
    {
      metadata: v.nullish(s.map(s.text(limits.metadataValueMax), limits.metadataPairsMax)),
      protectThreshold: v.nullish(s.fraction({ min: 0, max: 1 })),
    },
    { readOnly: ['ns', 'service', 'revision', 'createdRevision', 'createdAt', 'updatedAt'] },
  )
  return (body: unknown, key: ServiceKey) => {
    for (const field of ['ns', 'service'] as const) {
      if (!isObject(body) || !Object.hasOwn(body, field) || body[field] === key[field]) continue
      throw invalid(field, `is not what the path says: "${key[field]}"`)
    }
    const { metadata, protectThreshold } = parse(body)
    return { metadata: metadata ?? {}, protectThreshold: protectThreshold ?? 0 }
  }
}
