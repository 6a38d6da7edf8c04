import type { LogIndex } from './types.ts'

/**
 * Whether a data voter keeps up with its leader, judged in rounds (Thesis §4.2.1): a round begins
 * with a mark, the end of the log, and is over once the voter holds that. Who takes longer than
 * the leader's patience, or is silent for so long, has fallen out of step, and is back in step with
 * the first round that it ends in time.
 *
 * Silence alone would not do: a voter that fetches a snapshot, or whose disk hangs, answers every
 * heartbeat and stores nothing.
 */
export class Pace {
  #mark: LogIndex
  #markMs: number
  #heardMs: number
  #inStep = true

  /** Of a voter that is given the benefit of the doubt, from `sinceMs` on. */
  constructor(last: LogIndex, sinceMs: number) {
    this.#mark = last
    this.#markMs = this.#heardMs = sinceMs
  }

  /** As of the last look. */
  get inStep(): boolean {
    return this.#inStep
  }

  /** Something came from the voter. */
  heard(nowMs: number): void {
    this.#heardMs = nowMs
  }

  /** Judges the voter, which holds the log up to `match`, on every turn of its leader. */
  look(at: {
    readonly match: LogIndex
    readonly last: LogIndex
    readonly nowMs: number
    readonly patienceMs: number
  }): void {
    const { match, last, nowMs, patienceMs } = at
    const isLate = nowMs - this.#markMs >= patienceMs
    if (match >= this.#mark) {
      if (!isLate) this.#inStep = true
      this.#mark = last
      this.#markMs = nowMs
    } else if (isLate) {
      this.#inStep = false
    }
    if (nowMs - this.#heardMs >= patienceMs) this.#inStep = false
  }
}
