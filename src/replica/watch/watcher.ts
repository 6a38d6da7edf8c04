import { assert } from '../../lib/assert.ts'
import { utf8 } from '../../lib/bytes.ts'
import type { CutCode, FeedEvent, Frame, WatchRequest, WatchSink } from './watch.ts'

/** About so much is handed to a sink in one piece; a revision is never split. */
const CHUNK_CHARS = 32_768
/** So many places of a queue that were handed over are kept until they are the larger part. */
const HANDED_KEPT = 256
/** Of an event beside its body and value: names, times, the frame's own words. */
const EVENT_BYTES = 256

/** What waits for all readers of a hub together. */
export interface WatchLoad {
  bytes: number
}

/**
 * One reader: what it watches, what waits to be handed to it, and how far it is.
 *
 * ```
 *   behind ──(read up to the applied revision)──▶ live
 *     ▲                                            │ more waits than may, and its sink takes more
 *     └────────────────────────────────────────────┘
 *   any ──▶ ended
 * ```
 *
 * Invariant: every event of its topics up to `position` was queued once, in order, and what left
 * the queue was handed over in whole revisions.
 */
export class Watcher {
  readonly request: WatchRequest
  readonly #sink: WatchSink
  state: 'behind' | 'live' | 'ended' = 'behind'
  /** Of one that is behind: how far it has read. */
  position: number
  /** Whether the sink takes more. */
  ready = true
  /** Whether the sink had taken nothing for too long when that was last looked at. */
  isStalled = false
  /** Whether it was told that nothing is pending any more. */
  synced = false
  /** When something was last written, or the sink last took what it had. */
  activeMs: number
  #queue: FeedEvent[] = []
  /** The first of the queue that waits; what is before it was handed over. */
  #head = 0
  readonly #load: WatchLoad
  #bytes = 0

  constructor(
    request: WatchRequest,
    sink: WatchSink,
    { load, nowMs }: { readonly load: WatchLoad; readonly nowMs: number },
  ) {
    this.request = request
    this.#sink = sink
    this.#load = load
    this.position = request.since
    this.activeMs = nowMs
  }

  get queued(): number {
    return this.#queue.length - this.#head
  }

  /** About how much memory what waits takes; events that others wait for too are not shared out. */
  get queuedBytes(): number {
    return this.#bytes
  }

  /** One that fits several of its topics is offered several times, and counts once. */
  offer(event: FeedEvent): void {
    assert(this.state !== 'ended', 'nothing is queued for one that has ended')
    const last = this.#queue.at(-1)
    if (last === event) return
    assert(last === undefined || last.revision <= event.revision, 'events come in order')
    const { sees } = this.request
    if (sees !== null && !sees(event)) return
    this.#queue.push(event)
    this.#weigh(this.#bytesOf(event))
  }

  #bytesOf({ body, value }: FeedEvent): number {
    const ofValue = this.request.encoder.values ? (value?.length ?? 0) : 0
    return EVENT_BYTES + body.length + ofValue
  }

  #weigh(bytes: number): void {
    this.#bytes += bytes
    this.#load.bytes += bytes
    assert(this.#bytes >= 0 && this.#load.bytes >= 0, 'what was handed over had been queued')
  }

  /** All of its events up to there were handed over. `applied`: what the state holds. */
  handedUpTo(applied: number): number {
    const next = this.#queue[this.#head]
    if (next !== undefined) return next.revision - 1
    return this.state === 'live' ? applied : this.position
  }

  /** Drops what waits. */
  clear(): void {
    this.#queue = []
    this.#head = 0
    this.#weigh(-this.#bytes)
  }

  /** Hands over about one chunk in whole revisions; to be called while the sink takes more. */
  hand(nowMs: number): void {
    assert(this.ready && this.queued > 0, 'what waits is handed to a sink that takes it')
    const { encoder } = this.request
    const queue = this.#queue
    const first = this.#head
    let text = ''
    let at = first
    for (;;) {
      const event = queue[at] as FeedEvent
      const isLast = queue[at + 1]?.revision !== event.revision
      at += 1
      if (isLast && (at === queue.length || text.length >= CHUNK_CHARS)) {
        const isAlone = at === first + 1
        const bytes = isAlone ? lastBytes(event, this.request) : null
        this.#handed(at)
        this.#write(bytes ?? utf8(text + textOf(event, encoder, isLast)), nowMs)
        return
      }
      text += textOf(event, encoder, isLast)
    }
  }

  #handed(at: number): void {
    for (let i = this.#head; i < at; i++) this.#weigh(-this.#bytesOf(this.#queue[i] as FeedEvent))
    this.#head = at
    if (at < this.#queue.length && (at < HANDED_KEPT || 2 * at < this.#queue.length)) return
    this.#queue = this.#queue.slice(at)
    this.#head = 0
  }

  /** Everything up to `revision` was handed over. */
  tell(what: 'sync' | 'progress', revision: number, nowMs: number): void {
    assert(this.queued === 0, 'nothing waits that belongs before it')
    this.#write(utf8(this.request.encoder[what](revision)), nowMs)
  }

  #write(bytes: Uint8Array, nowMs: number): void {
    this.activeMs = nowMs
    this.ready = this.#sink.write(bytes)
  }

  /** The last words; null where the reader is gone. */
  end(cut: { readonly code: CutCode; readonly revision: number } | null): void {
    this.clear()
    this.state = 'ended'
    if (cut === null) return
    this.#sink.end(utf8(this.request.encoder.cut(cut.code, cut.revision)))
  }
}

function frameOf(event: FeedEvent, slot: number): Frame {
  return (event.frames[slot] ??= { inner: null, last: null, bytes: null })
}

function textOf(event: FeedEvent, encoder: WatchRequest['encoder'], isLast: boolean): string {
  const frame = frameOf(event, encoder.slot)
  if (isLast) return (frame.last ??= encoder.event(event, true))
  return (frame.inner ??= encoder.event(event, false))
}

function lastBytes(event: FeedEvent, { encoder }: WatchRequest): Uint8Array {
  const frame = frameOf(event, encoder.slot)
  return (frame.bytes ??= utf8(textOf(event, encoder, true)))
}
