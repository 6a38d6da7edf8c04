/**
 * The deadlines of all leases, in the leader's memory (DESIGN §5). A beat is a map look-up: the
 * heap keeps one entry a lease, which finds out that it is early when it comes up.
 *
 * Time here is *lived* time: it advances only while the leader's lease holds and its loop runs
 * (DESIGN §5.4), so a pause of everything lets nobody expire.
 */
import { assert, present } from '../lib/assert.ts'
import type { LeaseRow } from '../state/rows.ts'
import { DeadlineHeap, type Scheduled } from './deadline-heap.ts'

/**
 * ```
 *   unclaimed ── a first beat ──► live; without one it runs out, in less than its TTL
 *
 *          2/3 of the TTL passed         a beat                applied
 *   live ─────────────────────► suspect ──────► clearing ─────────────► live
 *     │                            │ the TTL ran out
 *     └────────────────────────────┴──────────► expiring ──► gone
 *                                                  │ applied (removeAfter ≠ 0)
 *               a beat             removeAfter     ▼
 *   reviving ◄───────── lapsed ◄───────────────────┘
 *                         │ removeAfter ran out
 *                         └─────────────► removing ──► gone
 * ```
 */
export type DeadlinePhase =
  'unclaimed' | 'live' | 'suspect' | 'clearing' | 'expiring' | 'lapsed' | 'reviving' | 'removing'

/** Told what remains, null where the lease is gone, `lost` where leadership is. */
export type Waiter = (remainingMs: number | null | 'lost') => void

/** One object a lease, of what is needed here alone: there may be a hundred thousand. */
export interface Deadline extends Scheduled {
  readonly id: string
  ttlMs: number
  leaseRevision: number
  phase: DeadlinePhase
  /** When the TTL, or in `lapsed` the removal, is due; `Infinity`: never. In lived time. */
  dueMs: number
  /** Who asked for a renewal that must wait for a command to be applied; null: nobody. */
  waiters: Waiter[] | null
}

/** Looks of one turn, most of them early: after a change of leaders all leases come up at once. */
const LOOKS_MAX = 4_096

export class Deadlines {
  readonly #byLease = new Map<string, Deadline>()
  readonly #heap = new DeadlineHeap<Deadline>()
  #livedMs = 0

  get size(): number {
    return this.#byLease.size
  }

  get livedMs(): number {
    return this.#livedMs
  }

  advance(ms: number): void {
    assert(ms >= 0, 'lived time does not go back')
    this.#livedMs += ms
  }

  get(lease: string): Deadline | null {
    return this.#byLease.get(lease) ?? null
  }

  /** Starts a lease afresh; whoever waited for the old one waits for the new. */
  arm(lease: LeaseRow, phase: DeadlinePhase, remainingMs: number): Deadline {
    const { id, ttlMs, leaseRevision } = lease
    const dueMs = this.#livedMs + remainingMs
    const known = this.#byLease.get(id)
    if (known !== undefined) {
      known.ttlMs = ttlMs
      known.leaseRevision = leaseRevision
      known.phase = phase
      known.dueMs = dueMs
      this.#lookInTime(known)
      return known
    }
    const place = { scheduledMs: Infinity, place: -1 }
    const deadline = { id, ttlMs, leaseRevision, phase, dueMs, ...place, waiters: null }
    this.#byLease.set(id, deadline)
    this.schedule(deadline)
    return deadline
  }

  /** Moves a deadline to `remainingMs` from now. */
  renew(deadline: Deadline, remainingMs: number): void {
    deadline.dueMs = this.#livedMs + remainingMs
    this.#lookInTime(deadline)
  }

  remainingMs(deadline: Deadline): number {
    return Math.max(0, deadline.dueMs - this.#livedMs)
  }

  forget(lease: string): Deadline | null {
    const deadline = this.#byLease.get(lease) ?? null
    if (deadline === null) return null
    this.#byLease.delete(lease)
    this.#heap.remove(deadline)
    return deadline
  }

  /** Whether `due` has anything to look at. */
  get isAnyDue(): boolean {
    const top = this.#heap.peek()
    return top !== null && top.scheduledMs <= this.#livedMs
  }

  /** Leases to look at now, at most `limit`. Each comes up again only when it is scheduled. */
  due(limit: number): Deadline[] {
    const due: Deadline[] = []
    for (let looks = 0; looks < LOOKS_MAX && due.length < limit && this.isAnyDue; looks++) {
      const top = present(this.#heap.peek(), 'what is due is in the heap')
      const atMs = this.#nextLook(top)
      if (atMs > this.#livedMs) this.#heap.schedule(top, atMs)
      else {
        this.#heap.remove(top)
        due.push(top)
      }
    }
    return due
  }

  schedule(deadline: Deadline): void {
    this.#heap.schedule(deadline, this.#nextLook(deadline))
  }

  /** Everybody, with who waits; nothing is left. */
  drain(): Deadline[] {
    const all = [...this.#byLease.values()]
    this.#byLease.clear()
    this.#heap.clear()
    return all
  }

  /** An early look finds out that it is early, and costs less than moving it with every beat. */
  #lookInTime(deadline: Deadline): void {
    if (this.#nextLook(deadline) < deadline.scheduledMs) this.schedule(deadline)
  }

  /** A live lease is looked at when a third of its TTL is left, for suspicion (DESIGN §5.3). */
  #nextLook(deadline: Deadline): number {
    if (deadline.phase !== 'live') return deadline.dueMs
    return deadline.dueMs - Math.floor(deadline.ttlMs / 3)
  }
}
