/**
 * Watches are ordered, unique, gap-free, atomic and resumable, say truly how far they are, and end
 * for a reason (RELIABILITY §3, V1–V8). A reader's stream over all its connections is compared with
 * the one committed log, event by event.
 */
import type { CutCode, WatchTopic } from '../../../src/replica/mod.ts'
import type { SimNode } from '../node.ts'
import type { Sometimes } from '../sometimes/situations.ts'
import { insist } from '../violation.ts'
import { isTold, type ModelEvent } from './feed.ts'
import type { History } from './history.ts'

/** What a node sent, as the simulator's encoder writes it. */
export type Told =
  | (Omit<ModelEvent, 'ns'> & { readonly type: 'event'; readonly isLast: boolean })
  | { readonly type: 'sync' | 'progress'; readonly revision: number }
  | { readonly type: 'cut'; readonly revision: number; readonly code: CutCode }

/** One reader's stream, which goes on from connection to connection. */
export class WatchOracle {
  readonly name: string
  readonly #topics: readonly WatchTopic[]
  readonly #history: History
  readonly #sometimes: Sometimes
  /** The last id: a resume begins after it. Null: it has not begun. */
  id: number | null = null
  /** The last event of this connection, by revision and place. */
  #at = { revision: 0, n: Infinity }
  #connectedTo = ''

  constructor(
    name: string,
    topics: readonly WatchTopic[],
    { history, sometimes }: { readonly history: History; readonly sometimes: Sometimes },
  ) {
    this.name = name
    this.#topics = topics
    this.#history = history
    this.#sometimes = sometimes
  }

  /**
   * A connection begins after `since`, where `oldest` was kept. V5: what a resume is told begins
   * there, wherever it is.
   */
  begun(node: SimNode, since: number, oldest: number): void {
    insist(
      since >= oldest,
      'a watch below what is kept is refused (V7)',
      () => `${this.name} begins on ${node.id} at ${since}, of ${oldest}`,
    )
    this.id = since
    this.#at = { revision: since, n: Infinity }
    this.#connectedTo = node.id
  }

  /** `since` was refused as not to be had; `last` was committed when it was asked for. */
  refused(node: SimNode, since: number, last: number): void {
    const { oldestRevision } = node.state
    insist(
      since < oldestRevision || since > last,
      'a watch is refused for a reason (V7)',
      () => `${this.name} at ${since} on ${node.id}, which keeps from ${oldestRevision} on`,
    )
    this.#sometimes.met('a watch was refused as too old')
    this.id = null
  }

  /** V4: a chunk ends with a whole revision, since what follows it may never arrive. */
  chunk(told: readonly Told[]): void {
    const last = told.at(-1)
    insist(
      last !== undefined && (last.type !== 'event' || last.isLast),
      'a revision is told in one piece (V4)',
      () => `${this.#who} ${JSON.stringify(last)}`,
    )
  }

  /** The reader has it now. */
  told(told: Told): void {
    if (told.type === 'event') return this.#event(told)
    const { type, revision } = told
    const missed = this.#next(revision)
    insist(
      missed === null,
      'all up to a bookmark was told (V6)',
      () => `${this.#who} ${type} ${revision}, without ${JSON.stringify(missed)}`,
    )
    insist(
      this.id === null || revision >= this.id,
      'a bookmark never goes back (V6)',
      () => `${this.#who} ${type} ${revision} after ${this.id}`,
    )
    this.id = revision
    this.#at = { revision, n: Infinity }
  }

  #event({ revision, n, topic, kind, isLast }: Extract<Told, { type: 'event' }>): void {
    const event = { revision, n, topic, kind }
    const expected = this.#next(Infinity)
    insist(
      expected !== null &&
        expected.revision === event.revision &&
        expected.n === event.n &&
        expected.topic === event.topic &&
        expected.kind === event.kind,
      'a watch is told each event once, in order (V1–V3, V5)',
      () => `${this.#who} ${JSON.stringify(event)}, not ${JSON.stringify(expected)}`,
    )
    this.#at = { revision: event.revision, n: event.n }
    const more = this.#next(event.revision)
    insist(
      isLast === (more === null),
      'an id stands on the last event of a revision (V4)',
      () => `${this.#who} ${JSON.stringify(event)} ${isLast}, next ${JSON.stringify(more)}`,
    )
    if (isLast) this.id = event.revision
    if (event.n > 0) this.#sometimes.met('a watch was told several events of one revision')
  }

  /** Of a bookmark that leaves its node: never of what it has not applied (V6). */
  bookmarked(node: SimNode, revision: number): void {
    insist(
      revision <= node.state.appliedIndex,
      'a bookmark is never of the future (V6)',
      () => `${this.#who} ${revision} at ${node.state.appliedIndex}`,
    )
  }

  /** V8. `isBlocked`: whether its reader takes nothing. */
  cut(node: SimNode, code: CutCode, reader: { readonly isBlocked: boolean }): void {
    if (code === 'slow_reader') {
      this.#sometimes.met('a watch was cut for a reader that does not read')
      insist(reader.isBlocked, 'who reads is not cut (V8)', () => this.#who)
    }
    if (code === 'revision_compacted') {
      this.#sometimes.met('a watch fell behind what is kept')
      insist(node.state.oldestRevision > 0, 'what is kept is not refused (V7)', () => this.#who)
    }
  }

  /** Whether everything that was committed was told. */
  get isCaughtUp(): boolean {
    return this.id !== null && this.#next(Infinity) === null
  }

  /** The next event of its topics after what was told, up to that revision. */
  #next(upTo: number): ModelEvent | null {
    const { revision, n } = this.#at
    for (let at = revision; at <= Math.min(upTo, this.#history.last); at++) {
      for (const event of this.#history.at(at)?.events ?? []) {
        if (at === revision && event.n <= n) continue
        if (isTold(this.#topics, event)) return event
      }
    }
    return null
  }

  get #who(): string {
    return `${this.name} on ${this.#connectedTo}, from ${this.id}:`
  }
}
