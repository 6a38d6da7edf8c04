/**
 * The deadlines of all leases, in the leader's memory (DESIGN §5). A beat is a map look-up: the
 * heap keeps one entry a lease, which finds out that it is early when it comes up.
 *
 * Time here is *lived* time: it advances only while the leader's lease holds and its loop runs
 * (DESIGN §5.4), so a pause of everything lets nobody expire.
 */
import { assert } from '../lib/assert.ts'
import { Heap } from '../lib/heap.ts'
import type { LeaseRow } from '../state/rows.ts'

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

export interface Deadline {
  lease: LeaseRow
  phase: DeadlinePhase
  /** When the TTL, or in `lapsed` the removal, is due; `Infinity`: never. In lived time. */
  dueMs: number
  /** When the heap looks at it next. */
  scheduledMs: number
  /**
   * Who asked for a renewal that must wait for a command to be applied: told what remains, null
   * where the lease is gone, `lost` where leadership is.
   */
  waiters: ((remainingMs: number | null | 'lost') => void)[]
}

export class Deadlines {
  readonly #byLease = new Map<string, Deadline>()
  #heap = new Heap<{ deadline: Deadline; atMs: number }>((a, b) => a.atMs < b.atMs)
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

  /** Starts a lease afresh; whoever waited for the old one is handed over to the new. */
  arm(lease: LeaseRow, phase: DeadlinePhase, remainingMs: number): Deadline {
    const waiters = this.#byLease.get(lease.id)?.waiters ?? []
    const dueMs = this.#livedMs + remainingMs
    const deadline: Deadline = { lease, phase, dueMs, scheduledMs: Infinity, waiters }
    this.#byLease.set(lease.id, deadline)
    this.schedule(deadline)
    return deadline
  }

  /** Moves a deadline to `remainingMs` from now. */
  renew(deadline: Deadline, remainingMs: number): void {
    deadline.dueMs = this.#livedMs + remainingMs
    if (this.#nextLook(deadline) < deadline.scheduledMs) this.schedule(deadline)
  }

  remainingMs(deadline: Deadline): number {
    return Math.max(0, deadline.dueMs - this.#livedMs)
  }

  forget(lease: string): Deadline | null {
    const deadline = this.#byLease.get(lease) ?? null
    this.#byLease.delete(lease)
    return deadline
  }

  /** Whether `due` has anything to look at. */
  get isAnyDue(): boolean {
    const top = this.#heap.peek()
    return top !== null && top.atMs <= this.#livedMs
  }

  /** Leases to look at now, at most `limit`. Each comes up again only when it is scheduled. */
  due(limit: number): Deadline[] {
    const due: Deadline[] = []
    for (let top = this.#heap.peek(); top !== null && due.length < limit; top = this.#heap.peek()) {
      if (top.atMs > this.#livedMs) break
      this.#heap.pop()
      const { deadline } = top
      if (this.#byLease.get(deadline.lease.id) !== deadline) continue // Armed afresh, or gone.
      if (deadline.scheduledMs !== top.atMs) continue // Scheduled again meanwhile.
      deadline.scheduledMs = Infinity
      if (this.#nextLook(deadline) > this.#livedMs) this.schedule(deadline)
      else due.push(deadline)
    }
    return due
  }

  schedule(deadline: Deadline): void {
    const atMs = this.#nextLook(deadline)
    deadline.scheduledMs = atMs
    if (atMs !== Infinity) this.#heap.push({ deadline, atMs })
  }

  /** Everybody, with who waits; nothing is left. */
  drain(): Deadline[] {
    const all = [...this.#byLease.values()]
    this.#byLease.clear()
    this.#heap = new Heap((a, b) => a.atMs < b.atMs)
    return all
  }

  /** A live lease is looked at when a third of its TTL is left, for suspicion (DESIGN §5.3). */
  #nextLook(deadline: Deadline): number {
    if (deadline.phase !== 'live') return deadline.dueMs
    return deadline.dueMs - Math.floor(deadline.lease.ttlMs / 3)
  }
}
