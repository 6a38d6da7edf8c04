/** What a batch changed, for those who wait and for the leader's deadlines. Not replicated. */
import type { StoredEvent } from './events/event.ts'
import type { Outcome } from './outcome.ts'
import type { LeaseRow } from './rows.ts'

/**
 * One resource that changed. Topics: `services` (all of a namespace), `services/{name}`,
 * `services/{name}/{id}`, `config/{key}`, `stages/{key}`, `leases/{id}`, `locks` (all of a namespace),
 * `locks/{name}`, and `locks/{name}/{place}` of one who waited: it is granted, or waits no more.
 */
export interface TopicChange {
  readonly ns: string
  readonly topic: string
  readonly revision: number
}

export type LeaseChange =
  /** Granted, registered again, or given another TTL: the deadline starts afresh. */
  | { readonly type: 'armed'; readonly lease: LeaseRow }
  /**
   * Of a lock that was waited for. Nobody has been told of it yet, and perhaps nobody will be: until
   * its first beat it lasts no longer than the place in the queue did.
   */
  | { readonly type: 'granted'; readonly lease: LeaseRow; readonly unclaimedMs: number }
  | { readonly type: 'suspect'; readonly lease: LeaseRow }
  /** Suspicion was cleared, or a lapsed instance was revived. */
  | { readonly type: 'cleared'; readonly lease: LeaseRow }
  | { readonly type: 'lapsed'; readonly lease: LeaseRow }
  | { readonly type: 'gone'; readonly id: string }

/** A lock by its name. */
export interface LockKey {
  readonly ns: string
  readonly name: string
}

/** What the log says about the state itself (DESIGN §4), for whoever drives the state machine. */
export type StateNote =
  /** The hash of this very state, as of the entry at `index`. */
  | { readonly type: 'check'; readonly index: number; readonly hash: string }
  /** What a majority had at the check of `index`, in that schema. */
  | {
      readonly type: 'verdict'
      readonly index: number
      readonly hash: string
      readonly schema: number
    }

/** What one applied batch came to. */
export interface AppliedBatch {
  /** By position in the batch; null for a no-op and for a membership. */
  readonly outcomes: readonly (Outcome | null)[]
  /**
   * A topic may be told more than once, and not in the order of revisions: what was removed and
   * registered again is told of the removal last. The largest of a topic's revisions is the newest.
   */
  readonly topics: readonly TopicChange[]
  /** In the order in which they happened. */
  readonly leases: readonly LeaseChange[]
  /**
   * Where a permit and a waiter are left that this batch did not bring together: the leader proposes
   * `lock_grant` for them (DESIGN §8). A lock may be told more than once.
   */
  readonly readyLocks: readonly LockKey[]
  /** In the order of the log. */
  readonly notes: readonly StateNote[]
  /** As the event table has them now, in its order; of each revision all. Values of any size. */
  readonly events: readonly StoredEvent[]
  /** The newest membership of the batch, in the core's encoding; null where it held none. */
  readonly membershipChanged: Uint8Array | null
}
