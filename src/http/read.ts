/** The path of a read: wait if asked to, then read at the consistency asked for. */
import type { Later } from '../lib/later.ts'
import type { StateReader } from '../state/reader.ts'
import type { Asked, Edge } from './edge.ts'
import { failed, invalid } from './error.ts'
import { TIMEOUT_DEFAULT_MS } from './limits.ts'
import type { ReadAnswer, ReadOptions, WaitTarget } from './registry.ts'
import type { Query } from './request/query.ts'

/** Parameters of every call, of every read, and of reads that can wait. */
export const CALL = ['ns', 'timeout']
export const READ = [...CALL, 'consistency', 'max-staleness', 'min-revision']
export const WAIT = [...READ, 'since', 'wait']

/** Staleness has no promise to bound it: any age may be accepted. */
const STALENESS_MAX_MS = 31 * 86_400_000

/** How long the caller waits for a leader; longer than usual is longer than servers expect. */
export function timeoutMs(c: Asked, query: Query, { limits }: Edge): number {
  const asked = query.duration('timeout', { min: 0, max: limits.timeoutMaxMs })
  if (asked !== null && asked > TIMEOUT_DEFAULT_MS) c.env?.keepOpen?.()
  return asked ?? TIMEOUT_DEFAULT_MS
}

function readOptions(c: Asked, query: Query, edge: Edge): ReadOptions {
  const consistency = query.oneOf('consistency', ['lease', 'linearizable', 'stale']) ?? 'lease'
  const maxStalenessMs = query.duration('max-staleness', { min: 0, max: STALENESS_MAX_MS })
  if (maxStalenessMs !== null && consistency !== 'stale') {
    throw invalid('?max-staleness', 'is for consistency=stale: other reads are never stale')
  }
  const minRevision = revision(query, 'min-revision') ?? 0
  return { consistency, maxStalenessMs, minRevision, timeoutMs: timeoutMs(c, query, edge) }
}

/** A revision; null where the query names none. */
export function revision(query: Query, name: string): number | null {
  return query.integer(name, { min: 0, max: Number.MAX_SAFE_INTEGER })
}

/**
 * Asks `ask` at the consistency that the query names, and stamps the answer with it: in this turn
 * where nothing has to be waited for, as of most reads.
 */
export function read<T>(
  c: Asked,
  edge: Edge,
  query: Query,
  ask: (state: StateReader) => T,
): Later<T> {
  const options = readOptions(c, query, edge)
  const now = edge.registry.readNow(options, ask)
  if (now !== null) return stamped(c, now)
  return edge.registry.read(options, ask).then((answer) => stamped(c, answer))
}

function stamped<T>(c: Asked, answer: ReadAnswer<T>): T {
  if (!answer.ok) throw failed(answer)
  const { stamp, value } = answer
  c.set('consistency', stamp.consistency)
  c.set('revision', stamp.revision)
  if (stamp.stalenessMs !== null) c.set('stalenessMs', stamp.stalenessMs)
  return value
}

/** `?since=` of a call that waits; null of one that does not. */
export function sinceOf(query: Query): number | null {
  return query.has('wait') ? revision(query, 'since') : null
}

/** The newest committed state, whatever the request says of consistency: for what a write rests on. */
export async function readLatest<T>(
  c: Asked,
  edge: Edge,
  query: Query,
  ask: (state: StateReader) => T,
): Promise<T> {
  const latest = { consistency: 'lease', maxStalenessMs: null, minRevision: 0 } as const
  const options = { ...latest, timeoutMs: timeoutMs(c, query, edge) }
  const answer = await edge.registry.read(options, ask)
  if (!answer.ok) throw failed(answer)
  return answer.value
}

export interface Waitable {
  readonly target: WaitTarget
  readonly current: (state: StateReader) => number
}

/** Like {@link read}, after `?since=` and `?wait=`: removals count, filters narrow nothing. */
export function waitAndRead<T>(
  c: Asked,
  edge: Edge,
  query: Query,
  waitable: Waitable,
  ask: (state: StateReader) => T,
): Later<T> {
  if (!query.has('since') && !query.has('wait')) return read(c, edge, query, ask)
  return waitThenRead(c, edge, query, waitable, ask)
}

async function waitThenRead<T>(
  c: Asked,
  edge: Edge,
  query: Query,
  { target, current }: Waitable,
  ask: (state: StateReader) => T,
): Promise<T> {
  const since = revision(query, 'since')
  if (since === null) throw invalid('?wait', 'needs since: the revision after which to answer')
  const waitMs = query.duration('wait', { min: 0, max: edge.limits.waitMaxMs }) ?? 0
  readOptions(c, query, edge) // A bad parameter is not worth a wait of ten minutes.
  if (waitMs > 0) {
    c.env?.keepOpen?.()
    const signal = endOf(c, edge)
    const refused = await edge.registry.wait(target, { since, waitMs, signal, current })
    if (refused !== null) throw failed(refused)
  }
  return await read(c, edge, query, ask)
}

/** Aborted when the caller goes, or this node. */
export function endOf(c: Asked, { closing }: Edge): AbortSignal {
  const gone = c.req.raw.signal
  return closing === null ? gone : AbortSignal.any([gone, closing])
}
