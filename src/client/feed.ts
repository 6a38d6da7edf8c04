/**
 * A copy of one resource, kept current: read once, then followed by a watch, or by long polls where
 * there is no watch or something on the way holds it back. Without a quorum the copy stays, and is
 * replaced by what any node has, marked as such.
 *
 * The version rule: every answer reflects the whole store as of one revision, so of two the later
 * one is right, whatever order they came in. An answer from before the copy changes nothing.
 */
import { isCode, tell } from './error.ts'
import { backoff, linked, pause } from './ports.ts'
import type { Session } from './session.ts'
import { waiting } from './transport.ts'
import type { CallOptions } from './transport.ts'
import { connection, isFinal } from './watch.ts'
import type { Batch, WatchOptions } from './watch.ts'

/**
 * How good a copy is. `live`: followed, and confirmed by a quorum at `verifiedMs`. `cached`: what was
 * known when that ended, or what a file kept. `stale`: as one node had it, without a quorum.
 */
export type Freshness = 'live' | 'cached' | 'stale'

export interface Copy<T> {
  readonly value: T
  /** The revision of the store that it reflects. */
  readonly asOf: number
}

export interface Source<T> {
  readonly topic: string
  readonly watch: Pick<WatchOptions, 'values' | 'labels'>
  /** `known`: the copy so far; where nothing changed since (304), its very value is given back. */
  readonly read: (options: CallOptions, known: Copy<T> | null) => Promise<Copy<T>>
  /** The value after these events; null where they do not say it, and it has to be read. */
  readonly next: (value: T, batch: Batch) => { readonly value: T } | null
}

/** A leader is found within this, or the nodes are asked for what they have. */
const READ: CallOptions = { query: { timeout: '2s' }, attemptMs: 3_000, timeoutMs: 5_000 }
const STALE: CallOptions = { query: { consistency: 'stale' }, minRevision: 0, timeoutMs: 3_000 }
const POLL_WAIT_MS = 30_000
/** How long polls replace a watch that did not work. */
const POLL_INSTEAD_MS = 300_000
/** A watch that is not in step by then is held back by something on the way. */
const SYNC_MS = 10_000
const CUTS_MAX = 3
/** An idle copy is confirmed this often. */
const VERIFY_MS = 30_000
const PAUSE_MIN_MS = 100
const PAUSE_MAX_MS = 10_000

export class Feed<T> implements AsyncDisposable {
  readonly #session: Session
  readonly #source: Source<T>
  readonly #onTrouble: ((error: unknown) => void) | undefined
  readonly #listeners = new Set<(copy: Copy<T>) => void>()
  readonly #closing = new AbortController()
  readonly #leave: () => void
  #copy: Copy<T> | null = null
  #freshness: Freshness = 'cached'
  #verifiedMs = -Infinity
  #pollUntilMs = -Infinity
  #cuts = 0
  #running: Promise<void> | null = null

  /** `onTrouble`: the nodes could not be asked, or a listener failed; the feed goes on. */
  constructor(session: Session, source: Source<T>, onTrouble?: (error: unknown) => void) {
    session.assertOpen()
    this.#session = session
    this.#source = source
    this.#onTrouble = onTrouble
    this.#leave = session.join(this)
  }

  get copy(): Copy<T> | null {
    return this.#copy
  }

  get freshness(): Freshness {
    return this.#freshness
  }

  /** How long ago a quorum confirmed the copy; Infinity where none has. */
  get verifiedAgoMs(): number {
    return this.#session.ports.nowMs() - this.#verifiedMs
  }

  /** Calls `listener` with each copy that says something else than the one before. */
  listen(listener: (copy: Copy<T>) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Resolves with a first copy; closed where there is none to be had. */
  async open(): Promise<void> {
    try {
      await this.refresh()
    } catch (error) {
      await this.close()
      throw error
    }
    this.start()
  }

  /** Follows the resource from now on. */
  start(): void {
    this.#running ??= this.#run()
  }

  async close(): Promise<void> {
    this.#leave()
    this.#closing.abort()
    await this.#running
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Takes a copy unless it is older than the one that is here. */
  accept(copy: Copy<T>, freshness: Freshness): void {
    const before = this.#copy
    if (before !== null && copy.asOf < before.asOf) return
    this.#freshness = freshness
    if (before?.asOf === copy.asOf) return // An own write, and the event of it: told once.
    this.#copy = copy
    if (before?.value === copy.value) return
    for (const listener of this.#listeners) {
      try {
        listener(copy)
      } catch (error) {
        this.trouble(error) // A listener's failure must not end what it listens to.
      }
    }
  }

  /**
   * Reads from the leader, and where there is none, what some node has. Throws the leader's error
   * where not even that is newer than the copy, or where there is no copy.
   */
  async refresh(options: CallOptions = {}): Promise<void> {
    try {
      await this.#read({ ...READ, ...options })
    } catch (error) {
      if (this.#freshness === 'live') this.#freshness = 'cached'
      if (this.#closing.signal.aborted || isFinal(error)) throw error
      const before = this.#copy
      await this.#readStale()
      if (this.#copy === before) throw error
    }
  }

  async #read(options: CallOptions): Promise<void> {
    const copy = await this.#source.read({ ...options, signal: this.#closing.signal }, this.#copy)
    this.#verifiedMs = this.#session.ports.nowMs()
    this.accept(copy, 'live')
  }

  async #readStale(): Promise<void> {
    try {
      const copy = await this.#source.read({ ...STALE, signal: this.#closing.signal }, null)
      if (copy.asOf > (this.#copy?.asOf ?? -1)) this.accept(copy, 'stale')
    } catch (error) {
      this.trouble(error) // The leader's error says more, and is thrown.
    }
  }

  async #run(): Promise<void> {
    const { ports } = this.#session
    const { signal } = this.#closing
    let nextPause = backoff(ports, PAUSE_MIN_MS, PAUSE_MAX_MS)
    let isCurrent = this.#freshness === 'live' // As it was opened just now.
    while (!signal.aborted) {
      const startMs = ports.nowMs()
      try {
        if (!isCurrent) await this.refresh()
        isCurrent = false
        if (this.#freshness === 'live') await this.#follow()
      } catch (error) {
        if (!signal.aborted) this.trouble(error)
      }
      if (ports.nowMs() - startMs > PAUSE_MAX_MS) {
        nextPause = backoff(ports, PAUSE_MIN_MS, PAUSE_MAX_MS)
      }
      await pause(ports, nextPause(), signal)
    }
  }

  async #follow(): Promise<void> {
    if (this.#session.ports.nowMs() < this.#pollUntilMs) return await this.#poll()
    let isMissing = false
    this.#cuts++ // Until something comes of it.
    try {
      await this.#watch()
    } catch (error) {
      isMissing = isFinal(error) && !isCode(error, 'revision_compacted')
      throw error
    } finally {
      if (isMissing || this.#cuts >= CUTS_MAX) {
        this.#cuts = 0
        this.#pollUntilMs = this.#session.ports.nowMs() + POLL_INSTEAD_MS
      }
    }
  }

  async #watch(): Promise<void> {
    const { ports } = this.#session
    const cut = linked(this.#closing.signal)
    const cancel = ports.timer(() => cut.abort(), SYNC_MS)
    try {
      const options = { ...this.#source.watch, since: this.#asOf(), signal: cut.signal }
      for await (const batch of connection(this.#session, [this.#source.topic], options)) {
        cancel()
        this.#cuts = 0
        await this.#take(batch)
      }
    } finally {
      cancel()
      cut.end()
      cut.abort()
    }
  }

  async #take(batch: Batch): Promise<void> {
    const copy = this.#copy
    if (copy === null || batch.revision < copy.asOf) return
    if (batch.mark !== null) {
      // Nothing is missing up to here, so the value is right as of here too.
      this.accept({ value: copy.value, asOf: batch.revision }, this.#freshness)
      if (this.verifiedAgoMs >= VERIFY_MS) await this.refresh()
      return
    }
    if (batch.revision === copy.asOf) return
    const next = this.#source.next(copy.value, batch)
    if (next === null) await this.#read(READ)
    else this.accept({ value: next.value, asOf: batch.revision }, this.#freshness)
  }

  async #poll(): Promise<void> {
    const { ports } = this.#session
    while (ports.nowMs() < this.#pollUntilMs && !this.#closing.signal.aborted) {
      const askedMs = ports.nowMs()
      await this.#read(waiting(this.#asOf(), POLL_WAIT_MS))
      // A node that lags behind `since` answers at once: that must not become a hot loop.
      const restMs = PAUSE_MIN_MS - (ports.nowMs() - askedMs)
      if (restMs > 0) await pause(ports, restMs, this.#closing.signal)
    }
  }

  #asOf(): number {
    return this.#copy?.asOf ?? 0
  }

  trouble(error: unknown): void {
    tell(this.#onTrouble, error)
  }
}
