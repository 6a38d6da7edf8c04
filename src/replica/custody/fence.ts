/**
 * A node whose state cannot be trusted: it answers nothing from it, applies nothing to it and does
 * not lead, and says so. Its log is whole, so it votes and stores as ever. It asks the leader for a
 * snapshot, looks into that, and puts it in the place of its state; the log stays.
 *
 * ```
 *   trusted ──────────── another hash than the majority's ───────────┐
 *      ▲   └──────────── rows that do not fit their own hash ────► fenced ──► asks the leader
 *      └───────── a snapshot that was looked into is in place ────────┴── fetches what it offers
 * ```
 */
import type { Logger } from '../../lib/logger.ts'
import type { StateOffer } from '../../mesh/peer.ts'
import type { Input, LogIndex, Raft } from '../../raft/mod.ts'
import type { LeaderCalls } from '../leader-calls.ts'
import type { StorePort } from '../ports.ts'

export interface FenceConfig {
  /** Between two looks through all rows. */
  readonly examineEveryMs: number
}

export interface FenceHost {
  readonly raft: Raft
  readonly store: StorePort
  readonly calls: LeaderCalls
  readonly logger: Logger
  /** A witness has no state that could be wrong. */
  readonly keepsState: boolean
  /** Up to where the state is. */
  applied(): LogIndex
  /** Whether a leader is there whose program knows how to help. */
  canRepair(): boolean
  nowMs(): number
  step(input: Input): void
  /** Whoever waits for something from this state is sent away. */
  fenced(): void
}

/** For a leader to make a snapshot of its state. */
const OFFER_MS = 60_000
const RETRY_MS = 1_000

export class Fence {
  readonly #host: FenceHost
  readonly #config: FenceConfig
  #reason: string | null
  #offer: StateOffer | null = null
  #asking = false
  #nextAskMs = 0
  #examining = false
  #nextExamineMs: number
  #examined = 0
  #repairs = 0

  constructor(host: FenceHost, config: FenceConfig) {
    this.#host = host
    this.#config = config
    this.#reason = host.store.fenced // Of a process before this one.
    this.#nextExamineMs = host.nowMs()
    if (this.#reason !== null) this.#enforce(this.#reason)
  }

  /** Why nothing is answered from the state here; null where it is trusted. */
  get reason(): string | null {
    return this.#reason
  }

  /** What should be fetched and put in the place of the state; null: nothing is needed, or had. */
  get wanted(): StateOffer | null {
    const { raft } = this.#host
    if (this.#reason === null || this.#offer === null || raft.role === 'leader') return null
    return this.#offer
  }

  /**
   * Whether the log has reached what is fetched, so that it goes on from there. Where it never
   * will, since the leader's log starts beyond it, the core asks for a snapshot of its own.
   */
  holds({ snapshot }: StateOffer): boolean {
    const { raft } = this.#host
    return raft.persisted >= snapshot.index && raft.termAt(snapshot.index) === snapshot.term
  }

  metrics(): readonly (readonly [string, number])[] {
    return [
      ['rollcall_state_fenced', this.#reason === null ? 0 : 1],
      ['rollcall_state_examinations_total', this.#examined],
      ['rollcall_state_repairs_total', this.#repairs],
    ]
  }

  /** From now on nothing is answered from this state, in later processes neither. */
  raise(reason: string): void {
    if (this.#reason !== null) return
    this.#reason = reason
    this.#host.store.fence(reason)
    this.#enforce(reason)
    this.#host.fenced()
  }

  /** Whoever looked through the database says what is wrong with it. */
  found(finding: string): void {
    this.raise(`the database is damaged: ${finding}`)
  }

  #enforce(reason: string): void {
    const repair =
      'this node asks the leader for another one and goes on by itself; where no other node is ' +
      'left, rollcall recover --force-new-cluster goes on with the values as they are; should it ' +
      'happen again, replace the disk, or stop the node, move its data directory away and start it ' +
      'again'
    this.#host.logger.error('the state of this node is wrong: it is fenced', { reason, repair })
    this.#host.step({ type: 'fence', on: true })
  }

  /** Another state is in place, and was looked into. */
  lifted(): void {
    this.#offer = null
    if (this.#reason === null) return
    this.#reason = null
    this.#repairs += 1
    this.#host.step({ type: 'fence', on: false })
    this.#host.logger.info('the state of this node was replaced: it is trusted again')
  }

  /** What was offered is no use any more. */
  refused(): void {
    this.#offer = null
    this.#nextAskMs = this.#host.nowMs() + RETRY_MS
  }

  endOfTurn(): void {
    const nowMs = this.#host.nowMs()
    if (this.#reason === null) return this.#examine(nowMs)
    if (this.#offer !== null && this.#isOutdated(this.#offer)) this.refused()
    if (this.#offer !== null || this.#asking || nowMs < this.#nextAskMs) return
    if (this.#host.canRepair() && this.#host.raft.role !== 'leader') this.#ask(nowMs)
  }

  /** Who offered it may have died with it: the next leader has one, too. */
  #isOutdated({ from, snapshot }: StateOffer): boolean {
    const { leader } = this.#host.raft
    return snapshot.index < this.#host.applied() || (leader !== null && leader !== from)
  }

  #ask(nowMs: number): void {
    this.#asking = true
    const request = { type: 'want_state', after: this.#host.applied() } as const
    this.#host.calls.ask(request, nowMs + OFFER_MS, (reply) => {
      this.#asking = false
      this.#nextAskMs = this.#host.nowMs() + RETRY_MS
      if (reply.type === 'state_offered' && this.#reason !== null) this.#offer = reply
    })
  }

  /** Soon after the start and then now and then: beside the loop. */
  #examine(nowMs: number): void {
    if (!this.#host.keepsState || this.#host.applied() === 0) return
    if (this.#examining || nowMs < this.#nextExamineMs) return
    this.#examining = true
    this.#host.store.examine((finding) => {
      this.#examining = false
      this.#examined += 1
      this.#nextExamineMs = this.#host.nowMs() + this.#config.examineEveryMs
      if (finding !== null) this.found(finding)
    })
  }
}
