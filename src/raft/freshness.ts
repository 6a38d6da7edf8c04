/**
 * How fresh the applied state is, for `stale` reads (DESIGN §6): the age of the newest confirmed
 * commit index that is applied *here*. A node that catches up has heard of commits that it does not
 * show yet; they make it no fresher.
 *
 * A message may have been under way for long, or have waited for us while we were paused, so the
 * time of its coming says nothing. What a leader says is dated by our own acknowledgement that it
 * had when it spoke: it spoke later than that.
 */
import type { Append, Clock, LogIndex, Round, Term } from './types.ts'

interface Contact {
  readonly commit: LogIndex
  readonly at: Clock
}

interface Acknowledged {
  readonly round: Round
  readonly at: Clock
}

/** Of acknowledgements so far apart, so many are remembered: 5 s under load, longer when idle. */
const SPACING_MS = 10
const ACKNOWLEDGED_MAX = 512

export class Freshness {
  /** When the newest commit that is applied was confirmed; null: never. */
  #at: Clock | null = null
  /** The oldest contact whose commit is not applied yet, and the newest one. */
  #oldest: Contact | null = null
  #newest: Contact | null = null
  /** What was acknowledged in this term, ascending. */
  #acknowledged: Acknowledged[] = []
  /** The newest of them, also where it is not remembered. */
  #newestRound: Round = 0
  #term: Term = 0

  get at(): Clock | null {
    return this.#at
  }

  /** Round `round` of a leader of `term` is acknowledged now. */
  acknowledges(term: Term, round: Round, { nowMs, wallMs }: Clock): void {
    if (term !== this.#term) {
      this.#term = term
      this.#acknowledged = []
      this.#newestRound = 0
    }
    // Overtaken: it would date a newer round, which went out before it.
    if (round <= this.#newestRound) return
    this.#newestRound = round
    const last = this.#acknowledged.at(-1)
    // One that is left out is dated by the one before it: older, never fresher.
    if (last !== undefined && nowMs < last.at.nowMs + SPACING_MS) return
    this.#acknowledged.push({ round, at: { nowMs, wallMs } })
    if (this.#acknowledged.length > ACKNOWLEDGED_MAX) this.#acknowledged.shift()
  }

  /** A leader's word, dated: null where it cannot be, or where it vouches for nothing. */
  dated(append: Pick<Append, 'term' | 'heardRound' | 'confirmedAgeMs'>): Clock | null {
    const { term, heardRound, confirmedAgeMs } = append
    if (confirmedAgeMs === null || term !== this.#term) return null
    const heard = this.#acknowledged.findLastIndex(({ round }) => round <= heardRound)
    if (heard < 0) return null
    this.#acknowledged.splice(0, heard) // Nobody will ask for older ones.
    const { nowMs, wallMs } = (this.#acknowledged[0] as Acknowledged).at
    return { nowMs: nowMs - confirmedAgeMs, wallMs: wallMs - confirmedAgeMs }
  }

  /** `commit` was all that was committed at that time. */
  heard(commit: LogIndex, at: Clock, applied: LogIndex): void {
    if (applied >= commit) {
      this.#confirm(at)
      this.#oldest = this.#newest = null
      return
    }
    this.#newest = { commit, at }
    this.#oldest ??= this.#newest
  }

  /** The state has moved on. */
  applied(index: LogIndex): void {
    if (this.#oldest === null || index < this.#oldest.commit) return
    this.#confirm(this.#oldest.at)
    const newest = this.#newest
    this.#oldest = this.#newest = null
    if (newest !== null) this.heard(newest.commit, newest.at, index)
  }

  #confirm(at: Clock): void {
    if (this.#at === null || at.nowMs > this.#at.nowMs) this.#at = at
  }
}

/**
 * What has passed since `at`: at most by either clock. A suspended machine's monotonic clock stands
 * still, and wall time may only make a state older.
 */
export function passedMs(at: Clock, now: Clock): number {
  return Math.max(0, now.nowMs - at.nowMs, now.wallMs - at.wallMs)
}
