/**
 * The leader's duty to the living: renewals, suspicion and expiry (DESIGN §5, all five rules).
 * It decides nothing alone: whatever changes state is a command through the log; this keeps the
 * deadlines, and says what to propose.
 */
import { assert, present, unreachable } from '../lib/assert.ts'
import type { LeaseChange } from '../state/changes.ts'
import type { Command, LeaseRef } from '../state/command.ts'
import type { LeaseRow } from '../state/rows.ts'
import { Deadlines, type Deadline } from './deadlines.ts'

export interface LivenessConfig {
  /** A tick later than one heartbeat interval after its time is a stall: nobody ages by it. */
  readonly heartbeatMs: number
  /** Added to what remains of a suspect lease when another leader takes over. */
  readonly electionTimeoutMs: number
  /** How many leases one round of commands may name: a write waits for no more than that. */
  readonly leasesPerRound: number
}

/** What a renewal came to: what remains, or null where the lease is unknown or expired. */
export type Renewed = { readonly ttlMs: number; readonly expiresInMs: number } | null

/** What most turns have to do. */
const NOTHING: readonly Command[] = []

export class Liveness {
  readonly #config: LivenessConfig
  readonly #deadlines = new Deadlines()
  /** Those of whom a beat wants a clearing that has not been proposed. */
  readonly #toClear = new Set<Deadline>()
  #active = false
  #lastMs = 0
  /** Whether the leader lease held when time was last looked at. */
  #heldBefore = false

  constructor(config: LivenessConfig) {
    this.#config = config
  }

  /** Whether renewals may be answered here: this node leads and its no-op is applied. */
  get active(): boolean {
    return this.#active
  }

  get size(): number {
    return this.#deadlines.size
  }

  /**
   * The no-op of this leader's term is applied: every deadline starts at the full TTL, never
   * early; a suspect one keeps what remained, so flapping leaders cannot keep the dead alive.
   */
  start(leases: Iterable<LeaseRow>, nowMs: number): void {
    assert(!this.#active, 'a leadership starts once')
    this.#active = true
    this.#lastMs = nowMs
    this.#heldBefore = false
    for (const lease of leases) this.#arm(lease, true)
  }

  /** Leadership is over: whoever waits must ask the next leader. */
  stop(): void {
    if (!this.#active) return
    this.#active = false
    this.#toClear.clear()
    for (const { waiters } of this.#deadlines.drain()) {
      for (const waiter of waiters ?? []) waiter('lost')
    }
  }

  /**
   * Lets lived time pass: only while the leader lease held all along, and only where the loop was
   * not stalled beyond a heartbeat interval (DESIGN §5.4).
   */
  advance(nowMs: number, leaseHeld: boolean): void {
    if (!this.#active) return
    const passedMs = nowMs - this.#lastMs
    assert(passedMs >= 0, 'the monotonic clock does not go back')
    const stalled = passedMs > 2 * this.#config.heartbeatMs
    if (leaseHeld && this.#heldBefore && !stalled) this.#deadlines.advance(passedMs)
    this.#lastMs = nowMs
    this.#heldBefore = leaseHeld
  }

  /**
   * Handles one beat, if it changes nothing that is logged, as nearly all do; `undefined`: nothing
   * was done, and it is for `renew`. The caller has checked the leader lease in this very turn.
   */
  renewNow(id: string): Renewed | undefined {
    assert(this.#active, 'only an active leader renews')
    const deadline = this.#deadlines.get(id)
    if (deadline === null) return null
    const { phase, ttlMs } = deadline
    if (phase !== 'live' && phase !== 'unclaimed') return undefined
    deadline.phase = 'live'
    this.#deadlines.renew(deadline, ttlMs)
    return { ttlMs, expiresInMs: ttlMs }
  }

  /**
   * Handles any beat, which the caller answers by `done`. `done(undefined)`: leadership was lost
   * before it was decided. What has to be logged for it is handed out by `clearings`.
   */
  renew(id: string, done: (renewed: Renewed | undefined) => void): void {
    const renewed = this.renewNow(id)
    if (renewed !== undefined) return done(renewed)
    const deadline = present(this.#deadlines.get(id), 'a beat that waits is for a lease')
    const { phase, ttlMs } = deadline
    assert(phase !== 'live' && phase !== 'unclaimed', 'what lives is renewed at once')
    switch (phase) {
      case 'suspect':
        // The deadline moves now; the answer waits until marking and clearing are applied.
        deadline.phase = 'clearing'
        this.#deadlines.renew(deadline, ttlMs)
        this.#toClear.add(deadline)
        return wait(deadline, done)
      case 'clearing':
        this.#deadlines.renew(deadline, ttlMs)
        return wait(deadline, done)
      case 'lapsed':
        deadline.phase = 'reviving'
        this.#toClear.add(deadline)
        return wait(deadline, done)
      case 'expiring':
      case 'reviving':
      case 'removing':
        return wait(deadline, done) // Never answered before the outcome is known (DESIGN §5.2).
      default:
        return unreachable(phase)
    }
  }

  /** What remains of a lease here, null where it is unknown. */
  expiresInMs(id: string): number | null {
    const deadline = this.#active ? this.#deadlines.get(id) : null
    if (deadline === null || deadline.dueMs === Infinity) return null
    return Math.floor(this.#deadlines.remainingMs(deadline))
  }

  /** The next round of clearings that beats wait for. */
  clearings(): readonly Command[] {
    if (this.#toClear.size === 0) return NOTHING
    const leases: LeaseRef[] = []
    for (const deadline of this.#toClear) {
      if (leases.length === this.#config.leasesPerRound) break
      this.#toClear.delete(deadline)
      // Registered again or gone meanwhile: nothing is left to be cleared.
      if (deadline.phase === 'clearing' || deadline.phase === 'reviving') leases.push(ref(deadline))
    }
    return leases.length === 0 ? NOTHING : [{ type: 'lease_clear', leases }]
  }

  /**
   * The next round of the leader's own commands that are due. Called only while the leader lease
   * holds; from this turn on a beat for any of these leases waits for the outcome.
   */
  due(): readonly Command[] {
    assert(this.#active, 'only an active leader judges')
    if (!this.#deadlines.isAnyDue) return NOTHING
    const suspect: (LeaseRef & { remainingMs: number })[] = []
    const expire: LeaseRef[] = []
    const remove: LeaseRef[] = []
    for (const deadline of this.#deadlines.due(this.#config.leasesPerRound)) {
      const { phase } = deadline
      if (phase === 'expiring' || phase === 'reviving' || phase === 'removing') continue
      if (phase === 'clearing') {
        this.#deadlines.renew(deadline, deadline.ttlMs) // No expiry while a clearing is in flight.
        this.#deadlines.schedule(deadline)
      } else if (phase === 'lapsed') {
        deadline.phase = 'removing'
        remove.push(ref(deadline))
      } else if (deadline.dueMs <= this.#deadlines.livedMs) {
        deadline.phase = 'expiring'
        expire.push(ref(deadline))
      } else {
        assert(phase === 'live', 'only a live lease becomes suspect')
        deadline.phase = 'suspect'
        const remainingMs = Math.ceil(this.#deadlines.remainingMs(deadline))
        suspect.push({ ...ref(deadline), remainingMs })
        this.#deadlines.schedule(deadline)
      }
    }
    const commands: Command[] = []
    if (suspect.length > 0) commands.push({ type: 'lease_suspect', leases: suspect })
    if (expire.length > 0) commands.push({ type: 'lease_expire', leases: expire })
    if (remove.length > 0) commands.push({ type: 'lease_remove', leases: remove })
    return commands
  }

  /** What apply did to leases, on the leader. */
  applied(changes: readonly LeaseChange[]): void {
    if (!this.#active) return
    // A transaction may end a lease and begin it anew: at no revision was it gone.
    const gone = new Set<string>()
    for (const change of changes) {
      if (change.type === 'gone') gone.add(change.id)
      else {
        gone.delete(change.lease.id)
        this.#appliedOne(change)
      }
    }
    for (const id of gone) this.#forget(id)
  }

  #forget(id: string): void {
    const deadline = this.#deadlines.forget(id)
    if (deadline === null) return
    this.#toClear.delete(deadline)
    for (const waiter of deadline.waiters ?? []) waiter(null)
  }

  #appliedOne(change: Exclude<LeaseChange, { readonly type: 'gone' }>): void {
    switch (change.type) {
      case 'armed':
      case 'cleared': {
        // A registration and a revival start afresh; a clearing already moved its deadline.
        const known = this.#deadlines.get(change.lease.id)
        const keeps = change.type === 'cleared' && known?.phase === 'clearing'
        const remainingMs = keeps ? this.#deadlines.remainingMs(known) : change.lease.ttlMs
        return this.#settle(this.#deadlines.arm(change.lease, 'live', remainingMs))
      }
      case 'granted': {
        const { lease, unclaimedMs } = change
        this.#deadlines.arm(lease, 'unclaimed', Math.min(lease.ttlMs, unclaimedMs))
        return
      }
      case 'suspect':
        return // Its deadline was moved when that was proposed.
      case 'lapsed': {
        const deadline = this.#arm(change.lease, false)
        if (deadline.waiters === null) return
        deadline.phase = 'reviving' // A beat came while it was expiring.
        this.#toClear.add(deadline)
        return
      }
      default:
        return unreachable(change)
    }
  }

  #arm(lease: LeaseRow, takeover: boolean): Deadline {
    if (lease.lapsed) {
      return this.#deadlines.arm(lease, 'lapsed', lease.removeAfterMs ?? Infinity)
    }
    if (takeover && lease.suspectMs !== null) {
      const remainingMs = Math.min(lease.ttlMs, lease.suspectMs + this.#config.electionTimeoutMs)
      return this.#deadlines.arm(lease, 'suspect', remainingMs)
    }
    return this.#deadlines.arm(lease, 'live', lease.ttlMs)
  }

  /** Answers those who waited for a lease that lives again. */
  #settle(deadline: Deadline): void {
    const { waiters } = deadline
    if (waiters === null) return
    deadline.waiters = null
    const remainingMs = this.#deadlines.remainingMs(deadline)
    for (const waiter of waiters) waiter(remainingMs)
  }
}

function ref({ id, leaseRevision }: Deadline): LeaseRef {
  return { id, leaseRevision }
}

/** Answers when the log has decided. */
function wait(deadline: Deadline, done: (renewed: Renewed | undefined) => void): void {
  deadline.waiters ??= []
  deadline.waiters.push((remainingMs) => {
    if (remainingMs === 'lost') return done(undefined)
    if (remainingMs === null) return done(null)
    // That of now: it may have been registered with another since.
    return done({ ttlMs: deadline.ttlMs, expiresInMs: Math.floor(remainingMs) })
  })
}
