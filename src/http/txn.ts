/** `POST /v1/txn`: conditions, and what is done where they hold or do not. */
import { Hono } from 'hono'

import { assert } from '../lib/assert.ts'
import type { TxnResult } from '../state/outcome.ts'
import { json, valueFields } from './answer.ts'
import { readJson } from './body.ts'
import type { Call, Edge, Env } from './edge.ts'
import { namespaceOf } from './namespace.ts'
import { txnParser } from './txn-body.ts'
import type { OpName, ParsedOp, ParsedTxn } from './txn-body.ts'
import { propose, refuseConditions, resultOf, writeQuery } from './write.ts'

export function txnRoutes(edge: Edge): Hono<Env> {
  const parse = txnParser(edge.limits)
  return new Hono<Env>().post('/v1/txn', (c) => transact(c, edge, parse))
}

async function transact(
  c: Call,
  edge: Edge,
  parse: (body: unknown, ns: string) => ParsedTxn,
): Promise<Response> {
  const query = writeQuery(c)
  refuseConditions(c)
  const ns = namespaceOf(c, query)
  const { conditions, whenTrue, whenFalse } = parse(await readJson(c, edge), ns)
  const applied = await propose(c, edge, query, {
    type: 'txn',
    ns,
    conditions,
    whenTrue: whenTrue.map(({ op }) => op),
    whenFalse: whenFalse.map(({ op }) => op),
  })
  const { succeeded, results } = resultOf(applied, 'txn')
  const ops = succeeded ? whenTrue : whenFalse
  assert(results.length === ops.length, 'every operation has its result')
  return json({
    succeeded,
    revision: applied.revision,
    results: results.map((result, i) => resultJson(ops[i] as ParsedOp, result)),
  })
}

/** The status that the same would have as a request of its own. */
const STATUS: Readonly<Record<OpName, (result: TxnResult) => number>> = {
  'config.put': createdOrNot,
  'config.delete': () => 204,
  'config.rollback': () => 200,
  'config.get': ({ content }) => (content === null ? 404 : 200),
  'instance.put': createdOrNot,
  'instance.patch': () => 200,
  'instance.delete': () => 204,
  'lock.release': () => 204,
}

function createdOrNot({ created }: TxnResult): number {
  return created ? 201 : 200
}

function resultJson({ name, op }: ParsedOp, result: TxnResult): object {
  const { version, revision, content } = result
  return {
    op: name,
    status: STATUS[name](result),
    ...(op.type === 'read' ? { key: op.key } : {}),
    ...(version === null ? {} : { version }),
    ...(revision === null ? {} : { revision }),
    ...(content === null
      ? {}
      : { contentType: content.contentType, ...valueFields(content.value) }),
  }
}
