/**
 * The path of a write: its query and headers are judged, then it goes to the log, fenced by the locks
 * and repeatable by the key that its headers name.
 */
import type { Command } from '../state/command.ts'
import type { Outcome, OutcomeResult } from '../state/outcome.ts'
import { assert } from '../lib/assert.ts'
import type { Asked, Edge } from './edge.ts'
import { failed, invalid, refused } from './error.ts'
import { fenced, fences } from './locks/fences.ts'
import { idempotencyKey, keyed } from './idempotency.ts'
import { CALL, timeoutMs } from './read.ts'
import { Query } from './request/query.ts'

type Applied = Extract<Outcome, { ok: true }>

/** The parsed query of a write. `known`: parameters beside those of every call. */
export function writeQuery(c: Asked, known: readonly string[] = []): Query {
  idempotencyKey(c) // A bad one is refused before anything is read or done.
  fences(c)
  const query = new Query(c.req.url)
  query.allow(known.length === 0 ? CALL : [...CALL, ...known])
  return query
}

/**
 * For what changes no row of the state: a heartbeat, or a change of the members. It may be repeated
 * as it is, so its key needs no row; a fence could not be judged where it counts.
 */
export function refuseFences(c: Asked): void {
  if (fences(c).length === 0) return
  throw invalid('Rollcall-Lock', 'has no meaning for this call: no entry of the log judges it')
}

/** For writes that have no version to compare with. */
export function refuseConditions(c: Asked): void {
  for (const header of ['If-Match', 'If-None-Match']) {
    if (c.req.header(header) !== undefined) throw invalid(header, 'has no meaning for this call')
  }
}

/** Proposes and waits for the outcome; throws what the client is to see where it is none. */
export function propose(c: Asked, edge: Edge, query: Query, command: Command): Promise<Applied> {
  return decide(c, edge, query, command).then(applied)
}

/** As {@link propose}, whatever key the request has: for what repeats itself without harm. */
export function proposeUnkeyed(
  c: Asked,
  edge: Edge,
  query: Query,
  command: Command,
): Promise<Applied> {
  return settle(c, edge, query, command).then(applied)
}

function applied(outcome: Outcome): Applied {
  if (!outcome.ok) throw refused(outcome)
  return outcome
}

/** As {@link propose}, for who has something to do about a refusal. */
export function decide(c: Asked, edge: Edge, query: Query, command: Command): Promise<Outcome> {
  const whole = keyed(c, edge, query, fenced(c, query, command))
  if (!(whole instanceof Promise)) return settle(c, edge, query, whole)
  return whole.then((known) => settle(c, edge, query, known))
}

async function settle(c: Asked, edge: Edge, query: Query, command: Command): Promise<Outcome> {
  const outcome = await edge.registry.propose(command, { timeoutMs: timeoutMs(c, query, edge) })
  if ('failure' in outcome) throw failed(outcome)
  c.set('revision', outcome.revision)
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
