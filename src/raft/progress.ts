import { assert } from '../lib/assert.ts'
import { Pace } from './pace.ts'
import type { Clock, LogIndex, NodeId, Round } from './types.ts'

export type ProgressState = 'probe' | 'replicate' | 'snapshot' | 'lost'

/**
 * What a leader knows of one peer (Raft §5.3; the states follow etcd's).
 *
 * ```
 *            refused, or nothing known            accepted
 *   ┌───────┐ ◄──────────────────────── ┌───────────┐
 *   │ probe │                           │ replicate │
 *   └───────┘ ────────────────────────► └───────────┘
 *   one append at a time       accepted   pipelined in a window
 *       └─────────► snapshot ─────────────────┘
 *   entries are gone: heartbeats and offers alone, until it has installed one
 *
 *   lost: it refused what it had acknowledged; it counts for nothing while this leader leads
 * ```
 * Invariant: match < next.
 */
export class Progress {
  readonly id: NodeId
  /** Known equal to the leader's log, and durable there, up to here. */
  #match: LogIndex = 0
  #next: LogIndex
  #state: ProgressState = 'probe'
  /**
   * In `probe`: an append is out. Its answer allows another; where it was lost, the answer to a
   * heartbeat does, which asks the same question. So a dead peer costs no entries.
   */
  #probing = false
  /** In `replicate`: the last index and size of each append that is out, ascending. */
  readonly #inflight: { readonly last: LogIndex; readonly bytes: number }[] = []
  #inflightBytes = 0
  readonly #inflightMax: number
  readonly #inflightBytesMax: number
  /** The last round that was open when `match` last grew: later ones were sent knowing it. */
  matchRound: Round = 0
  /** In `lost`: up to where it had acknowledged. */
  #acknowledged: LogIndex = 0
  /** The newest round it acknowledged in this term. */
  ackedRound: Round = 0
  #lastAck: Clock
  /** The commit index that was last sent to it. */
  sentCommit: LogIndex = 0
  /** It is sent entries without payloads, no further than `witnessLimit`. */
  readonly witness: boolean
  /** Whether it keeps up, which decides what a witness is sent (`witness.ts`). */
  readonly pace: Pace

  constructor(given: {
    readonly id: NodeId
    readonly witness: boolean
    readonly last: LogIndex
    readonly clock: Clock
    /** Since when nothing was heard of it, where that is longer ago. */
    readonly silentSinceMs: number
    readonly inflightMax: number
    readonly inflightBytesMax: number
  }) {
    this.id = given.id
    this.#next = given.last + 1
    this.witness = given.witness
    this.#lastAck = { ...given.clock }
    this.pace = new Pace(given.last, given.silentSinceMs)
    this.#inflightMax = given.inflightMax
    this.#inflightBytesMax = given.inflightBytesMax
  }

  get match(): LogIndex {
    return this.#match
  }

  /** When its last acknowledgement came; at first, when this leadership began. */
  get lastAck(): Clock {
    return this.#lastAck
  }

  /** The same on the monotonic clock. */
  get lastAckMs(): number {
    return this.#lastAck.nowMs
  }

  heardAt({ nowMs, wallMs }: Clock): void {
    this.#lastAck = { nowMs, wallMs }
    this.pace.heard(nowMs)
  }

  get next(): LogIndex {
    return this.#next
  }

  get state(): ProgressState {
    return this.#state
  }

  /** Whether entries may be sent now; a heartbeat always may. */
  get isOpen(): boolean {
    if (this.#state === 'probe') return !this.#probing
    if (this.#state !== 'replicate') return false
    return this.#inflight.length < this.#inflightMax && this.#inflightBytes < this.#inflightBytesMax
  }

  /** Entries up to `last`, of `bytes` in all, went out. */
  sent(last: LogIndex, bytes: number): void {
    assert(this.isOpen, 'nothing is sent past the window')
    if (this.#state === 'probe') {
      this.#probing = true
      return
    }
    assert(last >= this.#next, 'the window advances')
    this.#inflight.push({ last, bytes })
    this.#inflightBytes += bytes
    this.#next = last + 1
  }

  /** What it needs next is compacted away: it is sent no entries until it has accepted some. */
  needsSnapshot(): void {
    this.#close('snapshot')
  }

  #close(state: 'snapshot' | 'lost'): void {
    this.#state = state
    this.#probing = false
    this.#inflight.length = 0
    this.#inflightBytes = 0
  }

  /** What it had acknowledged before its disk lost it; 0 where nothing was lost. */
  get acknowledged(): LogIndex {
    return this.#acknowledged
  }

  /**
   * It refused, in answer to `round`, an append after `rejected`: whether it had acknowledged that
   * very entry before the append was sent. No order of messages explains it, so its disk lied. From
   * then on it counts for nothing.
   */
  lostBy(rejected: LogIndex, round: Round): boolean {
    if (rejected > this.#match || round <= this.matchRound || this.#state === 'lost') return false
    this.#close('lost')
    this.#acknowledged = this.#match
    this.#match = 0
    this.ackedRound = 0
    this.#lastAck = { nowMs: -Infinity, wallMs: -Infinity }
    return true
  }

  /** It accepted up to `match`. Late answers change nothing. Returns whether `match` grew. */
  accepted(match: LogIndex): boolean {
    const grew = match > this.#match
    if (grew) this.#match = match
    this.#next = Math.max(this.#next, this.#match + 1)
    let freed = 0
    for (const { last, bytes } of this.#inflight) {
      if (last > match) break
      freed += 1
      this.#inflightBytes -= bytes
    }
    if (freed > 0) this.#inflight.splice(0, freed)
    if (this.#state !== 'replicate') {
      this.#state = 'replicate'
      this.#probing = false
      this.#next = this.#match + 1
    }
    return grew
  }

  /**
   * It refused an append after `rejected`; `hint` is where to try next. A refusal of something
   * older than what it has accepted since, or than the probe that is out, is late and ignored.
   */
  refused(rejected: LogIndex, hint: LogIndex): void {
    if (rejected <= this.#match || this.#state === 'snapshot') return
    if (this.#state === 'replicate') {
      if (rejected >= this.#next) return
      this.#state = 'probe'
      this.#inflight.length = 0
      this.#inflightBytes = 0
      this.#next = Math.min(hint, rejected)
    } else {
      if (rejected !== this.#next - 1) return
      this.#next = Math.min(hint, rejected)
    }
    this.#next = Math.max(this.#next, this.#match + 1)
    this.#probing = false
    assert(this.#match < this.#next, 'match < next')
  }
}
