/**
 * Transactions (API.md): conditions are judged, then every operation of one branch is done in its
 * order, each on what the ones before it left. All of it is one entry and one revision; where one
 * operation is refused, nothing of the transaction has happened.
 *
 * The same key may be written more than once: each write is a version of its own, and their events
 * have the same revision and follow each other in it.
 */
import { sameBytes } from '../lib/bytes.ts'
import { unreachable } from '../lib/assert.ts'
import type { Command, CommandOf, Condition, TxnOp } from './command.ts'
import type { Context } from './context.ts'
import { isHolder } from './guarded.ts'
import type { Outcome, OutcomeResult, Refusal, TxnResult } from './outcome.ts'
import type { ConfigRecord } from './tables/schema.ts'

/** All values that one transaction reads: its answer must fit into a frame between nodes. */
const TXN_READ_BYTES_MAX = 4 * 1024 * 1024

/** `run` applies one plain write. */
export function txn(
  context: Context,
  command: CommandOf<'txn'>,
  run: (command: Command) => Outcome,
): Outcome {
  const { ns, conditions, whenTrue, whenFalse } = command
  const succeeded = conditions.every((condition) => holds(context, ns, condition))
  const work = { ns, ops: succeeded ? whenTrue : whenFalse, run }
  return context.attempt(() => {
    const results = perform(context, work)
    if (!Array.isArray(results)) return results
    return context.ok(false, context.wanted ? { type: 'txn', succeeded, results } : null)
  })
}

interface Work {
  readonly ns: string
  readonly ops: readonly TxnOp[]
  readonly run: (command: Command) => Outcome
}

function perform(context: Context, { ns, ops, run }: Work): TxnResult[] | Refusal {
  const results: TxnResult[] = []
  let bytesLeft = TXN_READ_BYTES_MAX
  for (const [failed, op] of ops.entries()) {
    if (op.type === 'write') {
      const outcome = run(op.command)
      if (!outcome.ok) return { ...outcome, failed }
      results.push(resultOf(outcome))
      continue
    }
    const record = live(context, ns, op.key)
    bytesLeft -= record?.size ?? 0
    if (bytesLeft < 0) return { ...tooLarge(context), failed }
    results.push(readResult(context, record))
  }
  return results
}

function live(context: Context, ns: string, key: string): ConfigRecord | null {
  const record = context.tables.config.find(ns, key)
  return record === null || record.deleted === 1 ? null : record
}

function holds(context: Context, ns: string, condition: Condition): boolean {
  switch (condition.type) {
    case 'config_version':
      return (live(context, ns, condition.key)?.version ?? 0) === condition.version
    case 'config_value': {
      const { key, value } = condition
      const record = live(context, ns, key)
      if (record?.size !== value.length) return false
      return sameBytes(context.tables.valueOf(record), value)
    }
    case 'lock':
      return isHolder(context, ns, condition)
    case 'instance': {
      const { service, id, exists } = condition
      return (context.tables.instance.find(ns, service, id) !== null) === exists
    }
    case 'lease': {
      const lease = context.tables.lease.find(condition.id)
      const isThere = lease !== null && lease.ns === ns && lease.lapsed === 0
      return isThere === condition.exists
    }
    default:
      return unreachable(condition)
  }
}

/** What the answer says of a write; where nobody wants to know, there is nothing to say. */
function resultOf({ created, result }: Extract<Outcome, { ok: true }>): TxnResult {
  return { created, ...placeOf(result), content: null }
}

function placeOf(result: OutcomeResult | null): {
  readonly version: number | null
  readonly revision: number | null
} {
  switch (result?.type) {
    case 'config':
      return { version: result.config.version, revision: result.config.revision }
    case 'instance':
      return { version: null, revision: result.instance.revision }
    case 'override':
      return { version: null, revision: result.override.revision }
    case 'service':
      return { version: null, revision: result.service.revision }
    case 'lease':
      return { version: null, revision: result.lease.leaseRevision }
    default:
      return { version: null, revision: null }
  }
}

function readResult(context: Context, record: ConfigRecord | null): TxnResult {
  if (record === null) return { created: false, version: null, revision: null, content: null }
  const { version, revision, contentType } = record
  const content = context.wanted ? { contentType, value: context.tables.valueOf(record) } : null
  return { created: false, version, revision, content }
}

function tooLarge(context: Context): Refusal {
  return {
    ok: false,
    revision: context.revision,
    code: 'too_large',
    detail: `the values that the transaction reads are more than ${TXN_READ_BYTES_MAX} bytes`,
  }
}
