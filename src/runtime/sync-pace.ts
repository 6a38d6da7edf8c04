/**
 * Whether the next fdatasync of a file is made inline. The pool's thread costs a wake-up each way:
 * on a fast disk as much as the sync itself, and a fifth of the CPU of a write. An inline sync holds
 * up the event loop for as long as it takes, so it is for disks that answer within half a
 * millisecond, and one that stalls is left to the pool for a while: whoever stalls once is likely to
 * stall again, and a leader whose disk stalls may still commit by its followers.
 */
import { assert } from '../lib/assert.ts'

/** On average, and so long for one alone. */
const QUICK_MS = 0.5
const STALL_MS = 5
/** What one sync counts for in the average. */
const WEIGHT = 1 / 16
/** Before the average means something. */
const SYNCS_MIN = 16
/** Left to the pool after a stall: under load less than a second. */
const SYNCS_AFTER_STALL = 256

/** What a file asks before each of its syncs, and tells after. */
export type Pace = Pick<SyncPace, 'isQuick' | 'took'>

export class SyncPace {
  #meanMs = 0
  #syncs = 0
  /** So many more are left to the pool, whatever the average says. */
  #cautious = 0

  get isQuick(): boolean {
    return this.#cautious === 0 && this.#syncs >= SYNCS_MIN && this.#meanMs < QUICK_MS
  }

  /** A sync took so long, the way to the pool and back included where it was made there. */
  took(ms: number): void {
    assert(ms >= 0, 'a sync takes time')
    this.#syncs += 1
    this.#meanMs += (ms - this.#meanMs) * Math.max(WEIGHT, 1 / this.#syncs)
    if (ms >= STALL_MS) this.#cautious = SYNCS_AFTER_STALL
    else if (this.#cautious > 0) this.#cautious -= 1
  }
}
