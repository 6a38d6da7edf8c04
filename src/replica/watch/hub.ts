/**
 * Watches over the applied state of this node (API.md "Watching").
 *
 * A batch that was applied brings its events; each is looked up by topic, and waits as one shared
 * object in the queues of those who watch it. Who begins in the past, or could not be kept up with,
 * is behind, and reads the event table in pages, together with all that are at about the same place,
 * until it has reached the applied revision: then, in the same turn, it is live.
 *
 * ```
 *   apply ──▶ events ──▶ topics ──▶ queues ──(turns of their own)──▶ sinks
 *   event table ──(a page a turn)──▶ queues of those behind
 * ```
 *
 * Invariant: nothing here is done within the turn of an apply but to queue references, and no reader
 * can hold up another: a sink that takes nothing keeps its queue, to a bound, and is cut there.
 *
 * @module
 */
import { assert } from '../../lib/assert.ts'
import { Heap } from '../../lib/heap.ts'
import { EVENT_VALUE_MAX, type StoredEvent } from '../../state/mod.ts'
import type { CutCode, FeedEvent, FeedState, Watch, WatchRequest, WatchSink } from './watch.ts'
import { WatchTopics } from './topics.ts'
import { Watcher, type WatchLoad } from './watcher.ts'

/** Bounds and times of watching. */
export interface WatchConfig {
  readonly watchersMax: number
  /** Events that wait for one reader, and about how many bytes. */
  readonly watchQueueMax: number
  readonly watchQueueBytesMax: number
  /** The same of all readers together. */
  readonly watchLoadBytesMax: number
  /** Events read at a time by those behind, and where values are wanted. */
  readonly watchPage: number
  readonly watchValuesPage: number
  /** Readers served in one turn: each costs a system call. */
  readonly watchServedPerTurn: number
  /** Silence after which a reader is told how far it is. */
  readonly watchProgressMs: number
  /** How long a sink may take nothing while something waits. */
  readonly watchStallMs: number
}

export interface WatchHubHost {
  readonly state: FeedState
  nowMs(): number
  /** Runs once at the end of a turn of the loop. */
  defer(run: () => void): void
  setTimer(ms: number, run: () => void): () => void
}

/** Between two looks at those that were silent. */
const LOOK_MS = 1_000
/** A look that is later than this may come before what the sockets have to say. */
const LATE_MS = 20

interface Due {
  readonly watcher: Watcher
  readonly atMs: number
}

export class WatchHub {
  readonly #host: WatchHubHost
  readonly #config: WatchConfig
  readonly #live = new WatchTopics<Watcher>()
  readonly #behindTopics = new WatchTopics<Watcher>()
  readonly #all = new Set<Watcher>()
  /** Those who read pages, in the order in which they were last served. */
  readonly #behind = new Set<Watcher>()
  /** Those for whom something waits and whose sink takes it. */
  readonly #dirty = new Set<Watcher>()
  /** Those whose sink takes nothing, the longest first. */
  readonly #blocked = new Set<Watcher>()
  readonly #load: WatchLoad = { bytes: 0 }
  #valueReaders = 0
  #turnDue = false
  /** The last revision whose events are told, or were read. */
  #applied: number
  readonly #idle = new Heap<Due>((a, b) => a.atMs < b.atMs)
  #cancelTimer: (() => void) | null = null
  readonly counts = { events: 0, cuts: 0, pages: 0 }

  constructor(host: WatchHubHost, config: WatchConfig) {
    this.#host = host
    this.#config = config
    this.#applied = host.state.revision
  }

  get size(): number {
    return this.#all.size
  }

  get isFull(): boolean {
    return this.#all.size >= this.#config.watchersMax
  }

  get queuedBytes(): number {
    return this.#load.bytes
  }

  /** Invariant of the caller's: `since` is neither older than what is kept nor beyond the state. */
  open(request: WatchRequest, sink: WatchSink): Watch {
    const { state } = this.#host
    assert(!this.isFull, 'watchers have a bound')
    assert(this.#applied === state.revision, 'what is applied was told')
    assert(request.since <= state.revision, 'a watch begins at or before the applied revision')
    assert(request.since >= state.oldestRevision, 'a watch begins where events are kept')
    const nowMs = this.#host.nowMs()
    const watcher = new Watcher(request, sink, { load: this.#load, nowMs })
    this.#all.add(watcher)
    if (request.encoder.values) this.#valueReaders += 1
    if (request.since === state.revision) this.#join(watcher)
    else this.#fallBehind(watcher, request.since)
    this.#idle.push({ watcher, atMs: nowMs + this.#config.watchProgressMs })
    this.#armTimer()
    this.#turnSoon()
    return {
      resume: () => this.#resume(watcher),
      close: () => this.#end(watcher, null),
      reached: () => watcher.handedUpTo(this.#applied),
      cut: (code) => this.#end(watcher, code),
    }
  }

  /** A batch up to `revision` was applied: these are all of its events. */
  applied(events: readonly StoredEvent[], revision: number): void {
    const before = this.#applied
    assert(revision >= before, 'the applied revision grows')
    this.#applied = revision
    if (this.#all.size === 0 || events.length === 0) return
    const touched = new Set<Watcher>()
    for (const event of events) {
      assert(event.revision > before && event.revision <= revision, 'an event is of its batch')
      let shared: FeedEvent | null = null
      this.#live.visit(event.ns, event.topic, (watcher) => {
        shared ??= this.#shared(event)
        watcher.offer(shared)
        touched.add(watcher)
      })
    }
    for (const watcher of touched) this.#keepBound(watcher)
    if (this.#dirty.size > 0) this.#turnSoon()
  }

  /** A value that nobody wants is let go of at once. */
  #shared(event: StoredEvent): FeedEvent {
    this.counts.events += 1
    const isWanted = this.#valueReaders > 0 && (event.size ?? 0) <= EVENT_VALUE_MAX
    const value = isWanted ? event.value : null
    return { ...event, value, frames: [] }
  }

  #keepBound(watcher: Watcher): void {
    const { watchQueueMax, watchQueueBytesMax, watchLoadBytesMax } = this.#config
    if (watcher.queued === 0) return
    if (watcher.ready) this.#dirty.add(watcher)
    while (this.#load.bytes > watchLoadBytesMax) {
      const [longest] = this.#blocked
      if (longest === undefined) break
      this.#end(longest, 'slow_reader')
    }
    if (watcher.state === 'ended') return
    const isOver = watcher.queued > watchQueueMax || watcher.queuedBytes > watchQueueBytesMax
    if (!isOver && this.#load.bytes <= watchLoadBytesMax) return
    if (!watcher.ready) return this.#end(watcher, 'slow_reader')
    // It reads, and more happened at once than is kept for it: the table has it all.
    this.#readAgain(watcher)
  }

  /** From the table, after what it was handed. */
  #readAgain(watcher: Watcher): void {
    const from = watcher.handedUpTo(this.#applied)
    for (const topic of watcher.request.topics) this.#live.remove(topic, watcher)
    watcher.clear()
    this.#fallBehind(watcher, from)
  }

  /** The state is another one, which is further: what lies between is read from there. */
  installed(): void {
    for (const watcher of this.#all) if (watcher.state === 'live') this.#readAgain(watcher)
    this.#applied = this.#host.state.revision
    this.#turnSoon()
  }

  #fallBehind(watcher: Watcher, position: number): void {
    watcher.state = 'behind'
    watcher.position = position
    for (const topic of watcher.request.topics) this.#behindTopics.add(topic, watcher)
    this.#behind.add(watcher)
  }

  /** It has read all that is applied: what comes is told it in the turn of the apply. */
  #join(watcher: Watcher): void {
    if (this.#behind.delete(watcher)) {
      for (const topic of watcher.request.topics) this.#behindTopics.remove(topic, watcher)
    }
    watcher.state = 'live'
    for (const topic of watcher.request.topics) this.#live.add(topic, watcher)
    if (!watcher.synced) this.#dirty.add(watcher)
  }

  #resume(watcher: Watcher): void {
    if (watcher.state === 'ended' || watcher.ready) return
    watcher.ready = true
    watcher.isStalled = false
    watcher.activeMs = this.#host.nowMs()
    this.#blocked.delete(watcher)
    if (watcher.queued > 0 || !watcher.synced) this.#dirty.add(watcher)
    this.#turnSoon()
  }

  #end(watcher: Watcher, code: CutCode | null): void {
    if (watcher.state === 'ended') return
    const revision = watcher.handedUpTo(this.#applied)
    for (const topic of watcher.request.topics) {
      this.#live.remove(topic, watcher)
      this.#behindTopics.remove(topic, watcher)
    }
    this.#all.delete(watcher)
    this.#behind.delete(watcher)
    this.#dirty.delete(watcher)
    this.#blocked.delete(watcher)
    if (watcher.request.encoder.values) this.#valueReaders -= 1
    if (code !== null) this.counts.cuts += 1
    watcher.end(code === null ? null : { code, revision })
    if (this.#all.size === 0) this.#rest()
  }

  #turnSoon(): void {
    if (this.#turnDue || this.#all.size === 0) return
    this.#turnDue = true
    this.#host.defer(() => {
      this.#turnDue = false
      this.#turn()
    })
  }

  /** A bounded piece of work; the sockets, and the replica, are heard between two of them. */
  #turn(): void {
    const nowMs = this.#host.nowMs()
    let left = this.#config.watchServedPerTurn
    for (const watcher of this.#dirty) {
      if (left === 0) break
      left -= 1
      this.#dirty.delete(watcher)
      this.#serve(watcher, nowMs)
    }
    const first = this.#nextBehind()
    if (first !== null) this.#readPage(first)
    if (this.#dirty.size > 0 || this.#nextBehind() !== null) this.#turnSoon()
  }

  #serve(watcher: Watcher, nowMs: number): void {
    if (watcher.queued > 0) watcher.hand(nowMs)
    else this.#sync(watcher, nowMs)
    if (!watcher.ready) this.#blocked.add(watcher)
    else if (watcher.queued > 0 || this.#owesSync(watcher)) this.#dirty.add(watcher)
  }

  #owesSync({ state, synced }: Watcher): boolean {
    return state === 'live' && !synced
  }

  #sync(watcher: Watcher, nowMs: number): void {
    if (!this.#owesSync(watcher)) return
    watcher.synced = true
    watcher.tell('sync', this.#applied, nowMs)
  }

  /** Of those behind, who was served longest ago and can be given something. */
  #nextBehind(): Watcher | null {
    for (const watcher of this.#behind) if (isHungry(watcher)) return watcher
    return null
  }

  /** One page from where `first` is, for all that are hungry at or after that place. */
  #readPage(first: Watcher): void {
    const { state } = this.#host
    const from = first.position
    if (from < state.oldestRevision) return this.#end(first, 'revision_compacted')
    const { watchPage, watchValuesPage } = this.#config
    const readers = Array.from(this.#behind).filter((w) => isHungry(w) && w.position >= from)
    const reading = new Set(readers)
    const values = readers.some(({ request }) => request.encoder.values)
    const limit = values ? watchValuesPage : watchPage
    const events = state.eventsAfter(from, { limit, values })
    this.counts.pages += 1
    const isEnd = events.length < limit
    const upTo = isEnd ? this.#applied : (events.at(-1)?.revision ?? from)
    assert(upTo <= this.#applied, 'the table holds what was told, and nothing beyond it')
    for (const event of events) {
      const shared: FeedEvent = { ...event, frames: [] }
      this.#behindTopics.visit(event.ns, event.topic, (watcher) => {
        if (event.revision > watcher.position && reading.has(watcher)) watcher.offer(shared)
      })
    }
    for (const watcher of readers) this.#hasRead(watcher, upTo)
  }

  #hasRead(watcher: Watcher, upTo: number): void {
    if (watcher.position > upTo) return // It was further than this page.
    watcher.position = upTo
    this.#behind.delete(watcher)
    this.#behind.add(watcher)
    if (watcher.queued > 0) this.#dirty.add(watcher)
    if (upTo === this.#applied) this.#join(watcher)
  }

  cutAll(code: CutCode): void {
    for (const watcher of Array.from(this.#all)) this.#end(watcher, code)
  }

  /** Nobody is told anything any more. */
  stop(): void {
    for (const watcher of Array.from(this.#all)) this.#end(watcher, null)
    this.#rest()
  }

  #rest(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = null
    this.#idle.clear()
  }

  /** Looks once a second, so that ten thousand idle readers are no ten thousand timers. */
  #armTimer(): void {
    if (this.#cancelTimer !== null) return
    const dueMs = this.#host.nowMs() + LOOK_MS
    this.#cancelTimer = this.#host.setTimer(LOOK_MS, () => {
      this.#cancelTimer = null
      const nowMs = this.#host.nowMs()
      this.#lookAtIdle(nowMs, nowMs > dueMs + LATE_MS)
      if (this.#all.size > 0) this.#armTimer()
    })
  }

  #lookAtIdle(nowMs: number, isLate: boolean): void {
    const { watchProgressMs, watchStallMs } = this.#config
    for (let due = this.#idle.peek(); due !== null; due = this.#idle.peek()) {
      if (due.atMs > nowMs) return
      this.#idle.pop()
      const { watcher } = due
      if (watcher.state === 'ended') continue
      const silentMs = nowMs - watcher.activeMs
      if (!watcher.ready && silentMs >= watchStallMs) {
        // Where this node stood still, it may not have heard yet that the reader reads: that takes
        // a look more, which comes in its time.
        if (watcher.isStalled && !isLate) {
          this.#end(watcher, 'slow_reader')
          continue
        }
        watcher.isStalled = true
      }
      if (watcher.ready && silentMs >= watchProgressMs) this.#tellProgress(watcher, nowMs)
      const atMs = watcher.ready ? watcher.activeMs + watchProgressMs : nowMs + LOOK_MS
      this.#idle.push({ watcher, atMs: Math.max(atMs, nowMs + 1) })
    }
  }

  #tellProgress(watcher: Watcher, nowMs: number): void {
    if (watcher.queued > 0 || this.#owesSync(watcher)) return // It is about to be told more.
    watcher.tell('progress', watcher.handedUpTo(this.#applied), nowMs)
    if (!watcher.ready) this.#blocked.add(watcher)
  }
}

/** Whether a page is of use to it now: it is handed over before the next one is read. */
function isHungry({ ready, queued }: Watcher): boolean {
  return ready && queued === 0
}
