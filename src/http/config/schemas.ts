/** `/v1/config-schemas`: JSON Schemas for the values under prefixes. */
import { Hono } from 'hono'

import { rfc3339 } from '../../lib/rfc3339.ts'
import type { StateReader } from '../../state/reader.ts'
import type { ConfigSchemaMeta } from '../../state/rows.ts'
import { noContent, notModified, readAnswer, tagged } from '../answer.ts'
import { readBytes } from '../request/body.ts'
import { runJob, violation } from './checked-write.ts'
import type { Call, Edge, Env } from '../edge.ts'
import { ApiError, invalid } from '../error.ts'
import { authorOf } from '../request/author.ts'
import { etag, expectation, isKnown } from '../request/etag.ts'
import { namespaceOf } from '../request/namespace.ts'
import { nextOf, oneMore, PAGE, pageOf } from '../request/page.ts'
import { pathPrefix } from '../request/path.ts'
import { Query } from '../request/query.ts'
import { read, READ } from '../read.ts'
import type { SchemaText } from './value-checks.ts'
import { formatOf } from './value-format.ts'
import { propose, resultOf, writeQuery } from '../write.ts'

const LIST = '/v1/config-schemas'
const BASE = `${LIST}/`
const PATH = `${BASE}:prefix{.+}`
/** Values under the prefix that are looked at after a schema was put, and their bytes. */
const SURVEYED_MAX = 1_000
const SURVEYED_BYTES_MAX = 1_048_576
/** Keys that the answer names. */
const NAMED_MAX = 16

export function configSchemaRoutes(edge: Edge): Hono<Env> {
  return new Hono<Env>()
    .get(LIST, (c) => listSchemas(c, edge))
    .get(PATH, (c) => getSchema(c, edge))
    .put(PATH, (c) => putSchema(c, edge))
    .delete(PATH, async (c) => {
      const query = writeQuery(c)
      const ns = namespaceOf(c, query)
      const prefix = pathPrefix(c, BASE)
      const expect = expectation(c)
      await propose(c, edge, query, { type: 'config_schema_delete', ns, prefix, expect })
      return noContent()
    })
}

async function putSchema(c: Call, edge: Edge): Promise<Response> {
  const query = writeQuery(c)
  const ns = namespaceOf(c, query)
  const prefix = pathPrefix(c, BASE)
  const expect = expectation(c)
  const by = authorOf(c)
  const schema = await readBytes(c, edge)
  await checkSchema(edge, schema)
  const command = { type: 'config_schema_put', ns, prefix, schema, by, expect } as const
  const applied = await propose(c, edge, query, command)
  const { revision } = resultOf(applied, 'config_schema').schema
  const survey = await surveyOf(edge, ns, { prefix, schema })
  return tagged({ prefix, revision, ...survey }, revision, applied.created ? 201 : 200)
}

async function checkSchema(edge: Edge, schema: Uint8Array): Promise<void> {
  const verdict = await runJob(edge, { type: 'schema', schema })
  if (verdict.type === 'malformed') throw invalid('', verdict.message)
  if (verdict.type === 'fine') return
  const message = 'takes too long to compile, and that was ended: simplify it'
  throw violation([{ path: '', message }])
}

/**
 * What is stored already stays as it is: the answer says how many of the current values here do not
 * fit, of those that were looked at.
 */
async function surveyOf(edge: Edge, ns: string, schema: SchemaText): Promise<object> {
  const values = currentValues(edge.registry.local, ns, schema.prefix)
  if (values.length === 0) return { existing: { checked: 0, failing: 0, keys: [] } }
  const verdict = await edge.checks?.run({ type: 'survey', schema, values })
  if (verdict?.type !== 'surveyed') return { existing: null } // No answer is worth a failed write.
  const { failing } = verdict
  const keys = failing.slice(0, NAMED_MAX)
  return { existing: { checked: values.length, failing: failing.length, keys } }
}

function currentValues(state: StateReader, ns: string, prefix: string) {
  const metas = state.configList(ns, { prefix, after: null, limit: SURVEYED_MAX })
  let bytes = 0
  return metas.flatMap(({ key, contentType, size }) => {
    bytes += size
    const row = bytes > SURVEYED_BYTES_MAX ? null : state.config(ns, key)
    return row === null ? [] : [{ key, format: formatOf(contentType), value: row.value }]
  })
}

async function getSchema(c: Call, edge: Edge): Promise<Response> {
  const query = new Query(c.req.url)
  query.allow(READ)
  const ns = namespaceOf(c, query)
  const prefix = pathPrefix(c, BASE)
  const row = await read(c, edge, query, (state) => state.configSchema(ns, prefix))
  if (row === null) throw new ApiError('not_found', `there is no schema on the prefix "${prefix}"`)
  if (isKnown(c, row.revision)) return notModified(row.revision)
  return new Response(row.schema as Uint8Array<ArrayBuffer>, {
    headers: { 'Content-Type': 'application/schema+json', ETag: etag(row.revision) },
  })
}

async function listSchemas(c: Call, edge: Edge): Promise<Response> {
  const query = new Query(c.req.url)
  query.allow([...READ, ...PAGE])
  const ns = namespaceOf(c, query)
  const page = pageOf(query, edge)
  const { revision, metas } = await read(c, edge, query, (state) => ({
    revision: state.configSchemasRevision(ns),
    metas: state.configSchemas(ns, oneMore(page)),
  }))
  const shown = metas.slice(0, page.limit)
  return readAnswer(c, revision, () => ({
    revision,
    schemas: shown.map(schemaJson),
    ...nextOf(metas, shown.length, ({ prefix }) => prefix),
  }))
}

function schemaJson({ prefix, revision, size, updatedAtMs, updatedBy }: ConfigSchemaMeta): object {
  return { prefix, revision, size, updatedAt: rfc3339(updatedAtMs), updatedBy }
}
