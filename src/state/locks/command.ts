/** What the log carries about locks, semaphores and elections (DESIGN §8). */
import type { LockKey } from '../changes.ts'

export type LockCommand =
  | {
      readonly type: 'lock_acquire'
      readonly ns: string
      readonly name: string
      /** A label, for people. */
      readonly owner: string
      /** Of the grant; null with `lease`. Beside a lease it must be that lease's. */
      readonly ttlMs: number | null
      /** The client's lease that the grant lives by; null: it gets one of its own. */
      readonly lease: string | null
      /** How many may hold it at once. */
      readonly limit: number
      readonly value: string | null
      /** How long a place in the queue lasts without a beat; null: it is not waited for. */
      readonly waiterTtlMs: number | null
    }
  /** Leaves the queue; whoever was granted meanwhile keeps the grant, and is told of it. */
  | {
      readonly type: 'lock_cancel'
      readonly ns: string
      readonly name: string
      /** The revision that queued it. */
      readonly place: number
    }
  | {
      readonly type: 'lock_release'
      readonly ns: string
      readonly name: string
      readonly token: number
    }
  /** A renewal that brought another value. */
  | {
      readonly type: 'lock_value'
      readonly ns: string
      readonly name: string
      readonly token: number
      readonly value: string | null
    }
  /** The leader's own: a permit of each is left, and somebody waits for it. */
  | { readonly type: 'lock_grant'; readonly locks: readonly LockKey[] }
