/** The path of a write: what is not supported is refused aloud, the rest goes to the log. */
import type { Command } from '../state/command.ts'
import type { Outcome, OutcomeResult } from '../state/outcome.ts'
import { assert } from '../lib/assert.ts'
import type { Call, Edge } from './edge.ts'
import { failed, invalid, refused } from './error.ts'
import { CALL, timeoutMs } from './read.ts'
import { Query } from './query.ts'

type Applied = Extract<Outcome, { ok: true }>

/** What would change the meaning of a write, were it ignored. */
const LATER_HEADERS = ['Idempotency-Key', 'Rollcall-Lock']

/** The parsed query of a write. `known`: parameters beside those of every call. */
export function writeQuery(c: Call, known: readonly string[] = []): Query {
  for (const header of LATER_HEADERS) {
    if (c.req.header(header) !== undefined) {
      throw invalid(header, 'is not supported yet: nothing was done; send the write without it')
    }
  }
  const query = new Query(c.req.url)
  query.allow(known.length === 0 ? CALL : [...CALL, ...known])
  return query
}

/** For writes that have no version to compare with. */
export function refuseConditions(c: Call): void {
  for (const header of ['If-Match', 'If-None-Match']) {
    if (c.req.header(header) !== undefined) throw invalid(header, 'has no meaning for this call')
  }
}

/** Proposes and waits for the outcome; throws what the client is to see where it is none. */
export async function propose(
  c: Call,
  edge: Edge,
  query: Query,
  command: Command,
): Promise<Applied> {
  const outcome = await edge.registry.propose(command, { timeoutMs: timeoutMs(c, query, edge) })
  if ('failure' in outcome) throw failed(outcome)
  c.set('revision', outcome.revision)
  if (!outcome.ok) throw refused(outcome)
  return outcome
}

type ResultOf<T extends OutcomeResult['type']> = Extract<OutcomeResult, { type: T }>

/** The thing that a write left behind, of the type that its command promises. */
export function resultOf<T extends OutcomeResult['type']>(
  { result }: Applied,
  type: T,
): ResultOf<T> {
  assert(isResult(result, type), `a write of this kind answers a result of type ${type}`)
  return result
}

function isResult<T extends OutcomeResult['type']>(
  result: OutcomeResult | null,
  type: T,
): result is ResultOf<T> {
  return result?.type === type
}
