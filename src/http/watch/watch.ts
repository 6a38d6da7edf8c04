/**
 * `GET /v1/watch`: the events of a few topics as they happen, over SSE or NDJSON.
 *
 * | message | id | data |
 * | --- | --- | --- |
 * | an event | on the last of its revision | the thing with its revision (`event-json.ts`) |
 * | `sync` | yes | `{revision}`: what was pending has been sent |
 * | `progress` | yes | `{revision}`: nothing happened up to there; after 10 quiet seconds |
 * | `cut` | yes | `{code, revision}`: the end; go on after `revision`, on any data node |
 *
 * Codes of a cut: `slow_reader`, `node_stopping`, `fenced`, and `revision_compacted`, after which a
 * resume would be 410. That is also the answer to a `since` above the revision of the whole cluster:
 * it was seen in another store, and what its reader has to do is the same, to read anew.
 */
import { Hono } from 'hono'

import type { Watch, WatchTopic } from '../../replica/watch/watch.ts'
import { EVENT_KINDS, isStagedFor, stagedEvent } from '../../state/mod.ts'
import type { Labels, StoredEvent } from '../../state/mod.ts'
import type { Call, Edge, Env } from '../edge.ts'
import { ApiError, failed, invalid } from '../error.ts'
import { labelsOf } from '../request/labels.ts'
import { noteStream } from '../config/listening.ts'
import { namespaceOf } from '../request/namespace.ts'
import { Query } from '../request/query.ts'
import { CALL, revision, timeoutMs } from '../read.ts'
import type { WatchOptions } from '../registry.ts'
import { watchEncoder } from './encoder.ts'
import { WatchStream } from './stream.ts'
import { watchTopic } from './topic.ts'

const CONFIG = 'config/'
const SSE = 'text/event-stream'
const NDJSON = 'application/x-ndjson'

export function watchRoutes(edge: Edge): Hono<Env> {
  const open = new Set<Watch>()
  edge.closing?.addEventListener('abort', () => {
    for (const watch of Array.from(open)) watch.cut('node_stopping')
  })
  return new Hono<Env>().get('/v1/watch', (c) => watch(c, edge, open))
}

async function watch(c: Call, edge: Edge, open: Set<Watch>): Promise<Response> {
  const form = formOf(c)
  const options = watchOptions(c, edge, form)
  const headers = {
    'Content-Type': form === 'sse' ? SSE : NDJSON,
    'Cache-Control': 'no-store',
    // A proxy that gathers an answer before it passes it on would never pass on this one.
    'X-Accel-Buffering': 'no',
    // The connection's idle limit is lifted: nothing else may come by it later.
    Connection: 'close',
  }
  if (c.req.method === 'HEAD') return new Response(null, { headers })
  c.env?.keepOpen?.()
  const stream = new WatchStream()
  const opened = await edge.registry.watch(options, stream)
  if (!opened.ok) {
    if (opened.failure !== 'revision_compacted') throw failed(opened)
    throw new ApiError('revision_compacted', opened.detail, { oldest: opened.oldest })
  }
  const { watch } = opened
  open.add(watch)
  const noted = noteStream(c, edge, options.topics, watch)
  stream.attach(watch, () => {
    if (!open.delete(watch)) return
    noted()
    c.env?.boundIdle?.()
  })
  if (edge.closing?.aborted === true) watch.cut('node_stopping')
  return new Response(stream.body, { headers })
}

function watchOptions(c: Call, edge: Edge, form: 'sse' | 'ndjson'): WatchOptions {
  const query = new Query(c.req.url)
  query.allow([...CALL, 'topic', 'since', 'values', 'labels'])
  const labels = labelsOf(c, query)
  const asked = topicsOf(query, namespaceOf(c, query), edge.limits.watchTopicsMax)
  return {
    topics: labels.size === 0 ? asked : asked.flatMap(withStages),
    since: lastEventId(c) ?? revision(query, 'since'),
    encoder: watchEncoder(form, query.flag('values') ?? false),
    sees: labels.size === 0 ? null : (event) => isForCaller(event, labels),
    timeoutMs: timeoutMs(c, query, edge),
  }
}

/** What is staged has topics of its own: without labels nobody comes across them. */
function withStages(asked: WatchTopic): readonly WatchTopic[] {
  if (!asked.topic.startsWith(CONFIG)) return [asked]
  return [asked, { ...asked, topic: `stages/${asked.topic.slice(CONFIG.length)}` }]
}

/** A stage is told to those whom it is for, and to those whom it was for until now. */
function isForCaller({ kind, ns, topic, body }: StoredEvent, labels: Labels): boolean {
  if (kind !== EVENT_KINDS['config.staged']) return true
  const { stage, rule, ruleBefore } = stagedEvent(body)
  const name = { ns, key: topic.slice('stages/'.length), stage }
  return [rule, ruleBefore].some((one) => one !== null && isStagedFor(one, name, labels))
}

function topicsOf(query: Query, ns: string, max: number): readonly WatchTopic[] {
  const texts = query.literals('topic')
  if (texts.length === 0) throw invalid('?topic', 'is needed, such as ?topic=services/web')
  if (texts.length > max) throw invalid('?topic', `stands more than ${max} times`)
  const topics = new Map<string, WatchTopic>()
  for (const text of texts) topics.set(text, watchTopic(text, ns))
  return Array.from(topics.values())
}

/** What a browser's `EventSource` sends when it comes back. It wins over `?since=`. */
function lastEventId(c: Call): number | null {
  const header = c.req.header('Last-Event-ID')
  if (header === undefined || header === '') return null
  const id = /^\d{1,16}$/.test(header) ? Number(header) : Number.NaN
  if (Number.isSafeInteger(id)) return id
  throw invalid('Last-Event-ID', 'is no revision: send the id of the last event as it was')
}

/** SSE unless NDJSON, and nothing else, is asked for. */
function formOf(c: Call): 'sse' | 'ndjson' {
  const accept = c.req.header('Accept') ?? ''
  const wanted = new Set(accept.split(',').map((part) => part.split(';')[0]?.trim().toLowerCase()))
  return wanted.has(NDJSON) && !wanted.has(SSE) ? 'ndjson' : 'sse'
}
