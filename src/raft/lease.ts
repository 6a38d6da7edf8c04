/**
 * The leader's rounds, and the lease that follows from them (DESIGN §6, Thesis §6.4.1).
 *
 * A round is one broadcast, remembered with the clocks at its sending. A voter that acknowledged
 * it has promised to refuse votes for P from its receiving. So once a majority of every active
 * configuration has acknowledged a round, nobody else can be elected until P after its *sending*,
 * shortened for clocks whose rates differ: P(1−ρ)/(1+ρ).
 */
import { assert } from '../lib/assert.ts'
import type { Clock, Round } from './types.ts'

/** Wall and monotonic clock apart by more than this since a round was sent: this VM was paused. */
const PAUSE_MS = 100
/** Rounds remembered. Past it the oldest goes, which can only shorten a lease. */
const ROUNDS_MAX = 1_024

interface SentRound {
  readonly round: Round
  readonly sent: Clock
}

export class LeaderLease {
  readonly #lengthMs: number
  readonly #sent: SentRound[] = []
  #last: Round
  /** The newest round that a quorum acknowledged, with its sending. */
  #proved: SentRound | null = null

  /** `after`: rounds of this leadership are larger than all before it. */
  constructor(given: { promiseMs: number; clockDrift: number; after: Round }) {
    const { promiseMs, clockDrift } = given
    this.#lengthMs = (promiseMs * (1 - clockDrift)) / (1 + clockDrift)
    this.#last = given.after
    assert(this.#lengthMs <= promiseMs, 'a lease is never longer than the promise it rests on')
  }

  get lastRound(): Round {
    return this.#last
  }

  /** The newest round that a quorum acknowledged; 0 before the first. */
  get provedRound(): Round {
    return this.#proved?.round ?? 0
  }

  /** When the newest proved round was sent; null before the first. */
  get provedSent(): Clock | null {
    return this.#proved?.sent ?? null
  }

  /** Opens a round that is being sent now. */
  open(clock: Clock): Round {
    this.#last += 1
    // A copy: a host that used one object for all its clocks would lengthen every lease.
    this.#sent.push({ round: this.#last, sent: { nowMs: clock.nowMs, wallMs: clock.wallMs } })
    if (this.#sent.length > ROUNDS_MAX) this.#sent.shift()
    return this.#last
  }

  /** A quorum has acknowledged every round up to `round`. */
  prove(round: Round): void {
    assert(round <= this.#last, 'only what was sent is acknowledged')
    let reached = -1
    while ((this.#sent[reached + 1]?.round ?? Infinity) <= round) reached += 1
    if (reached < 0) return
    this.#proved = this.#sent[reached] as SentRound
    this.#sent.splice(0, reached + 1)
  }

  /**
   * What remains of the lease, 0 or less where it ran out. Wall time never lengthens it; where
   * the clocks moved apart it is void until the next round is proved.
   */
  remainingMs(clock: Clock): number {
    if (this.#proved === null) return 0
    const { sent } = this.#proved
    const passedMs = clock.nowMs - sent.nowMs
    const wallPassedMs = clock.wallMs - sent.wallMs
    assert(passedMs >= 0, 'the monotonic clock does not go back')
    if (Math.abs(wallPassedMs - passedMs) > PAUSE_MS) return 0
    // A shorter pause of the machine still took what it took, on the wall clock alone.
    return this.#lengthMs - Math.max(passedMs, wallPassedMs)
  }
}
