/** The operator's word about an instance, or about all instances of a host. */
import { Hono } from 'hono'
import * as v from 'valibot'

import type { OverrideSpec } from '../../state/command.ts'
import type { OverrideRow } from '../../state/rows.ts'
import { noContent, readAnswer, tagged } from '../answer.ts'
import { readJson } from '../request/body.ts'
import type { Call, Edge, Env } from '../edge.ts'
import { ApiError, invalid } from '../error.ts'
import { authorOf } from '../request/author.ts'
import { expectation } from '../request/etag.ts'
import { WEIGHT } from './instance-body.ts'
import { overrideJson } from './instance-json.ts'
import { instanceKey } from './instances.ts'
import { namespaceOf } from '../request/namespace.ts'
import { pathName } from '../request/path.ts'
import { Query } from '../request/query.ts'
import { READ, read } from '../read.ts'
import * as s from '../request/schema.ts'
import { bodyParser } from '../request/validate.ts'
import { INSTANCE_STATUS } from './words.ts'
import { propose, resultOf, writeQuery } from '../write.ts'

const INSTANCE = '/v1/services/:service/instances/:id/override'
const NODE = '/v1/nodes/:node/override'
const REASON_MAX = 1_024

/** Whose word it is, where nobody says who they are. */
const ANONYMOUS = 'anonymous'

const parse = bodyParser(
  {
    status: v.nullish(s.oneOf(INSTANCE_STATUS)),
    weight: v.nullish(s.fraction(WEIGHT)),
    reason: v.nullish(s.text(REASON_MAX)),
  },
  { readOnly: ['by', 'at', 'revision', 'createdRevision', 'createdAt', 'updatedAt'] },
)

export function overrideRoutes(edge: Edge): Hono<Env> {
  return new Hono<Env>()
    .get(INSTANCE, async (c) => {
      const query = readQuery(c)
      const key = instanceKey(c, query)
      return answer(c, await read(c, edge, query, (state) => state.override(key)))
    })
    .put(INSTANCE, async (c) => {
      const query = writeQuery(c)
      const key = instanceKey(c, query)
      const expect = expectation(c)
      const by = authorOf(c) ?? ANONYMOUS
      const override = overrideSpec(await readJson(c, edge))
      const command = { type: 'override_put', key, override, by, expect } as const
      const applied = await propose(c, edge, query, command)
      return written(resultOf(applied, 'override').override, applied.created)
    })
    .delete(INSTANCE, async (c) => {
      const query = writeQuery(c)
      const key = instanceKey(c, query)
      await propose(c, edge, query, { type: 'override_delete', key, expect: expectation(c) })
      return noContent()
    })
    .get(NODE, async (c) => {
      const query = readQuery(c)
      const { ns, node } = nodeKey(c, query)
      return answer(c, await read(c, edge, query, (state) => state.nodeOverride(ns, node)))
    })
    .put(NODE, async (c) => {
      const query = writeQuery(c)
      const key = nodeKey(c, query)
      const expect = expectation(c)
      const by = authorOf(c) ?? ANONYMOUS
      const override = overrideSpec(await readJson(c, edge))
      const command = { type: 'node_override_put', ...key, override, by, expect } as const
      const applied = await propose(c, edge, query, command)
      return written(resultOf(applied, 'override').override, applied.created)
    })
    .delete(NODE, async (c) => {
      const query = writeQuery(c)
      const key = nodeKey(c, query)
      await propose(c, edge, query, {
        type: 'node_override_delete',
        ...key,
        expect: expectation(c),
      })
      return noContent()
    })
}

function readQuery(c: Call): Query {
  const query = new Query(c.req.url)
  query.allow(READ)
  return query
}

function nodeKey(c: Call, query: Query): { readonly ns: string; readonly node: string } {
  return { ns: namespaceOf(c, query), node: pathName(c, 2, 'node') }
}

function overrideSpec(body: unknown): OverrideSpec {
  const { status = null, weight = null, reason } = parse(body)
  if (status === null && weight === null) {
    throw invalid('status', 'or weight is needed: an override overrides something')
  }
  return { status, weight, reason: reason ?? '' }
}

function written(row: OverrideRow, created: boolean): Response {
  return tagged(overrideJson(row), row.revision, created ? 201 : 200)
}

function answer(c: Call, row: OverrideRow | null): Response {
  if (row === null) throw new ApiError('not_found', 'there is no such override')
  return readAnswer(c, row.revision, () => overrideJson(row))
}
