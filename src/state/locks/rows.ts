/** Locks as the rest of the program sees them. */
import type { LockKey } from '../changes.ts'

/** Who holds a permit. */
export interface LockGrantRow extends LockKey {
  /** The revision of the entry that granted it: larger than any before, of any lock. */
  readonly token: number
  /** Where it stood in the queue; the token itself where it never did. */
  readonly place: number
  readonly owner: string
  readonly value: string | null
  readonly ttlMs: number
  /** The client's lease that it lives by; null: one of its own (`leaseOfGrant`). */
  readonly lease: string | null
  /** Of the grant, or of the last change of its value. */
  readonly revision: number
  /** Wall clock of the leader that granted it, for display only. */
  readonly createdAtMs: number
}

export interface LockWaiterRow extends LockKey {
  /** The revision of the entry that queued it: waiters are served in this order. */
  readonly place: number
  readonly owner: string
  readonly lease: string | null
  readonly createdAtMs: number
}

/** A lock that is held or waited for. */
export interface LockRow extends LockKey {
  readonly limit: number
  /** All of them, also those that are not listed here. */
  readonly held: number
  readonly waiting: number
  /** By token. */
  readonly holders: readonly LockGrantRow[]
  /** In the order in which they are served. */
  readonly waiters: readonly LockWaiterRow[]
  /** Of the last change of anything here. */
  readonly revision: number
}
