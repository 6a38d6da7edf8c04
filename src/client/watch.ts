/**
 * Changes as they happen (API.md "Watching"): in the order of their revisions, none missing and none
 * twice, over any number of connections and nodes.
 *
 * Only the last event of a revision has an id. So events are held back until it comes, and a
 * connection that ends in between loses nothing: the next one begins after the last whole revision.
 */
import { isCode, lacking, parsed, RollcallError } from './error.ts'
import { backoff, either, linked, pause } from './ports.ts'
import type { Session } from './session.ts'
import { framesOf } from './sse.ts'

export interface WatchOptions {
  /** Changes after this revision; from now on, where it is left out. */
  readonly since?: number
  /** Events of configuration carry the value, up to 64 KiB. */
  readonly values?: boolean
  /** Of staged configuration: who asks. */
  readonly labels?: Readonly<Record<string, string>>
  /** Yields `sync` and `progress` too: `revision` is then where all before has been seen. */
  readonly marks?: boolean
  /** Ends the loop, without an error. */
  readonly signal?: AbortSignal
  /** Told of each connection that failed; the next one is under way. */
  readonly onTrouble?: (error: unknown) => void
}

/** One change. A program ignores the types that it does not know. */
export interface WatchEvent<T = unknown> {
  /** Such as `config.put`, `instance.expired`, `lock.acquired`; `sync` and `progress` if asked for. */
  readonly type: string
  /** Of the store; several events may share one. */
  readonly revision: number
  /** The thing as it was right after the change. */
  readonly data: T
  /** The last of its revision: from here a later watch may go on with `since`. */
  readonly isLast: boolean
}

/** All events of one revision, or a mark: then `events` is empty. */
export interface Batch {
  readonly revision: number
  readonly mark: 'sync' | 'progress' | null
  readonly events: readonly WatchEvent[]
}

/** Three of the server's signs of life. */
export const SILENCE_MS = 45_000
const PAUSE_MIN_MS = 50
const PAUSE_MAX_MS = 5_000
/** Of one revision. */
const EVENTS_MAX = 200_000

/**
 * Resumes by itself on any node, until `signal` fires, the client is closed or the loop is left.
 * Throws only what another attempt cannot mend: `revision_compacted` (read the state again and go on
 * from there), a request that is refused.
 */
export async function* watch(
  session: Session,
  topics: readonly string[],
  options: WatchOptions = {},
): AsyncGenerator<WatchEvent, void, undefined> {
  session.assertOpen()
  const signal = either(session.closing, options.signal)
  let since = options.since ?? null
  let nextPause = backoff(session.ports, PAUSE_MIN_MS, PAUSE_MAX_MS)
  while (!signal.aborted) {
    try {
      for await (const batch of connection(session, topics, { ...options, since, signal })) {
        since = batch.revision
        nextPause = backoff(session.ports, PAUSE_MIN_MS, PAUSE_MAX_MS)
        if (batch.mark === null) yield* batch.events
        else if (options.marks === true) yield markOf(batch.mark, batch.revision)
      }
    } catch (error) {
      if (signal.aborted) return
      if (isFinal(error)) throw error
      options.onTrouble?.(error)
    }
    await pause(session.ports, nextPause(), signal)
  }
}

/** Refused for a reason that stays. */
export function isFinal(error: unknown): boolean {
  if (!isCode(error)) return true // A bug of a listener, say: never to be retried in silence.
  return error.status >= 400 && error.status < 500 && error.status !== 429
}

function markOf(type: string, revision: number): WatchEvent {
  return { type, revision, data: null, isLast: true }
}

/**
 * One connection: whole revisions above `since`, until its end. Throws where it could not be made,
 * was silent for too long, or broke off.
 */
export async function* connection(
  session: Session,
  topics: readonly string[],
  options: Omit<WatchOptions, 'since'> & { readonly since: number | null },
): AsyncGenerator<Batch, void, undefined> {
  const { ports } = session
  const cut = linked(options.signal)
  const silence: { cancel?: () => void } = {}
  const stillAlive = () => {
    silence.cancel?.()
    silence.cancel = ports.timer(() => cut.abort(silent()), SILENCE_MS)
  }
  try {
    const stream = await open(session, topics, options, cut.signal)
    stillAlive()
    yield* batchesOf(session, stream, options.since ?? -1, stillAlive)
  } catch (error) {
    throw isCode(error) ? error : broken(cut.signal.aborted ? cut.signal.reason : error)
  } finally {
    silence.cancel?.()
    cut.end()
    cut.abort()
  }
}

async function open(
  session: Session,
  topics: readonly string[],
  { since, values, labels }: { since: number | null } & Pick<WatchOptions, 'values' | 'labels'>,
  signal: AbortSignal,
): Promise<ReadableStream<Uint8Array>> {
  const { stream, headers } = await session.call('GET', '/v1/watch', {
    query: { topic: topics, since, values: values === true ? true : null },
    headers: {
      Accept: 'text/event-stream',
      'Last-Event-ID': since === null ? null : String(since),
      'Rollcall-Labels': labelText(labels),
    },
    stream: true,
    signal,
  })
  if (stream !== null && headers.get('content-type')?.startsWith('text/event-stream') === true) {
    return stream
  }
  throw lacking('an event stream')
}

/** As a header has them; null where there are none. */
export function labelText(labels: Readonly<Record<string, string>> | undefined): string | null {
  const pairs = Object.entries(labels ?? {}).map(([name, value]) => `${name}=${value}`)
  return pairs.join(',') || null
}

async function* batchesOf(
  session: Session,
  stream: ReadableStream<Uint8Array>,
  since: number,
  stillAlive: () => void,
): AsyncGenerator<Batch, void, undefined> {
  let held: { readonly type: string; readonly data: unknown }[] = []
  let seen = since
  for await (const frames of framesOf(stream)) {
    stillAlive()
    for (const { event, data, id } of frames) {
      if (event === 'cut') return
      const mark = event === 'sync' || event === 'progress' ? event : null
      if (mark === null && data !== '') held.push({ type: event, data: parsed(data) })
      if (held.length > EVENTS_MAX) throw lacking('the end of a revision')
      if (id === null || !/^\d+$/.test(id)) continue
      const revision = Number(id)
      const last = held.length - 1
      const events = held.map((one, at) => ({ ...one, revision, isLast: at === last }))
      held = []
      if (mark === null ? revision <= seen : revision < seen) continue
      seen = revision
      session.saw(revision)
      yield { revision, mark, events }
    }
  }
}

function silent(): RollcallError {
  return new RollcallError('unreachable', `no answer within ${SILENCE_MS} ms`)
}

function broken(cause: unknown): RollcallError {
  return isCode(cause) ? cause : new RollcallError('unreachable', 'a watch broke off', { cause })
}
