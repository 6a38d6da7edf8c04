/** `POST /v1/txn`: conditions, and what is done where they hold or do not. */
import { Hono } from 'hono'

import { assert } from '../../lib/assert.ts'
import { valueFields } from '../../lib/json-bytes.ts'
import type { TxnResult } from '../../state/outcome.ts'
import type { StateReader } from '../../state/reader.ts'
import { json } from '../answer.ts'
import { readJson } from '../request/body.ts'
import { type ConfigValue, proposeValues, rolledBack } from '../config/checked-write.ts'
import type { Call, Edge, Env } from '../edge.ts'
import { authorOf } from '../request/author.ts'
import { namespaceOf } from '../request/namespace.ts'
import { txnParser } from './body.ts'
import type { OpName, ParsedOp, ParsedTxn, TxnScope } from './body.ts'
import { refuseConditions, resultOf, writeQuery } from '../write.ts'

export function txnRoutes(edge: Edge): Hono<Env> {
  const parse = txnParser(edge.limits)
  return new Hono<Env>().post('/v1/txn', (c) => transact(c, edge, parse))
}

async function transact(
  c: Call,
  edge: Edge,
  parse: (body: unknown, scope: TxnScope) => ParsedTxn,
): Promise<Response> {
  const query = writeQuery(c)
  refuseConditions(c)
  const ns = namespaceOf(c, query)
  const by = authorOf(c)
  const { conditions, whenTrue, whenFalse } = parse(await readJson(c, edge), { ns, by })
  const command = {
    type: 'txn',
    ns,
    conditions,
    whenTrue: whenTrue.map(({ op }) => op),
    whenFalse: whenFalse.map(({ op }) => op),
  } as const
  const values = (state: StateReader) => [
    ...valuesOf(state, 'then', whenTrue),
    ...valuesOf(state, 'else', whenFalse),
  ]
  const applied = await proposeValues(c, edge, query, { ns, command, values })
  const { succeeded, results } = resultOf(applied, 'txn')
  const ops = succeeded ? whenTrue : whenFalse
  assert(results.length === ops.length, 'every operation has its result')
  return json({
    succeeded,
    revision: applied.revision,
    results: results.map((result, i) => resultJson(ops[i] as ParsedOp, result)),
  })
}

/** Both branches: which of them is done, is known only when it is applied. */
function valuesOf(
  state: StateReader,
  branch: string,
  ops: readonly ParsedOp[],
): readonly ConfigValue[] {
  return ops.flatMap(({ op }, i) => {
    const command = op.type === 'write' ? op.command : null
    const at = `${branch}.${i}`
    if (command?.type === 'config_rollback') return rolledBack(state, command, at)
    if (command?.type !== 'config_put') return []
    const { ns, key, contentType, value } = command
    return [{ ns, key, contentType, value, at }]
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
