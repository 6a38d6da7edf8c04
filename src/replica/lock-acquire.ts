/**
 * One request for a lock, from the proposal to the answer (DESIGN §8), on the node that was asked.
 *
 * ```
 *   proposed ──► granted ─────────────────────────────────► answered
 *      │                                                     ▲
 *      └──► queued: beats for its place until                │
 *              ├─ its own state shows the grant ──► renewed with the leader
 *              ├─ the time is over, the node ends ──► cancelled, or granted meanwhile ─┘
 *              └─ the client is gone ──► cancelled, or released
 * ```
 *
 * A grant that was waited for is renewed before it is told: its lease may have run out by then.
 * "Not granted" is said only when the cancel is applied: else it might be granted to nobody. With an
 * idempotency key a lost client keeps its place for as long as the place's lease lasts, since its
 * next try, on any node, finds the place by the key's outcome.
 */
import { assert } from '../lib/assert.ts'
import type { Failure, LockAnswer, LockRequest, Registry } from '../http/registry.ts'
import { leaseOfGrant, leaseOfWaiter, placeTopic } from '../state/mod.ts'
import type { Command, LockGrantRow, Outcome, StateReader } from '../state/mod.ts'

/** What it needs of the node: the same questions that routes ask. */
export interface LockHost extends Pick<Registry, 'propose' | 'read' | 'wait' | 'heartbeat'> {
  readonly local: StateReader
  nowMs(): number
  setTimer(ms: number, run: () => void): () => void
}

/** Beats of one time to live of a place: two may be lost. */
const BEATS_PER_TTL = 3
/** Between two tries to end something. */
const RETRY_MS = 50

const UNCONFIRMED: Failure = {
  ok: false,
  failure: 'outcome_unknown',
  detail:
    'it was granted, and could not be renewed in time to say so: it may be held until its TTL is ' +
    'over; ask again with the same Idempotency-Key, or look who holds it',
}
const NOT_CANCELLED: Failure = {
  ok: false,
  failure: 'outcome_unknown',
  detail:
    'its place in the queue could not be given up in time: it may still be granted before that ' +
    'place lapses; ask again with the same Idempotency-Key, or look who holds it',
}
const PLACE_KEPT: Failure = {
  ok: false,
  failure: 'outcome_unknown',
  detail:
    'this node ends; the place in the queue is kept for a few seconds: ask another node with the ' +
    'same Idempotency-Key',
}

export function acquireLock(host: LockHost, request: LockRequest): Promise<LockAnswer> {
  return new LockAcquisition(host, request).run()
}

class LockAcquisition {
  readonly #host: LockHost
  readonly #request: LockRequest

  constructor(host: LockHost, request: LockRequest) {
    assert(
      request.waitMs === 0 || request.waiterTtlMs > 0,
      'a place in the queue lasts for a while',
    )
    this.#host = host
    this.#request = request
  }

  async run(): Promise<LockAnswer> {
    const { command, timeoutMs, isKeyed } = this.#request
    const outcome = await this.#host.propose(command, { timeoutMs })
    if ('failure' in outcome || !outcome.ok) return outcome
    const { result } = outcome
    if (result?.type === 'lock') {
      // Its deadline has just begun, unless this is the outcome of an earlier try.
      return isKeyed ? await this.#confirm(result.grant) : this.#granted(result.grant)
    }
    assert(result?.type === 'lock_queued', 'whoever asks for a lock gets it or a place')
    return await this.#wait(result.place)
  }

  /** Nobody hears the answer, and nobody will ask for it. */
  get #isForNobody(): boolean {
    return this.#request.gone.aborted && !this.#request.isKeyed
  }

  async #wait(place: number): Promise<LockAnswer> {
    const { ns, name, waitMs, gone, closing } = this.#request
    const lease = leaseOfWaiter({ ns, name, place })
    const ended = new AbortController()
    const end = (): void => ended.abort()
    const cancelTimer = this.#host.setTimer(waitMs, end)
    const signals = closing === null ? [gone] : [gone, closing]
    for (const signal of signals) {
      if (signal.aborted) end()
      else signal.addEventListener('abort', end, { once: true })
    }
    const stopBeats = this.#keepPlace(lease)
    const failure = await this.#host.wait(
      { ns, topic: placeTopic(name, place), prefix: false },
      { since: place, waitMs, signal: ended.signal, current: (state) => this.#seen(state, place) },
    )
    const answer = await this.#decided(place, failure)
    stopBeats()
    cancelTimer()
    for (const signal of signals) signal.removeEventListener('abort', end)
    return answer
  }

  /** Above `place` once it is decided, as far as the state here knows. */
  #seen(state: StateReader, place: number): number {
    const { ns, name } = this.#request
    if (state.revision < place || state.locks.waits(ns, name, place)) return 0
    return Math.max(state.revision, place + 1)
  }

  async #decided(place: number, failure: Failure | null): Promise<LockAnswer> {
    const { ns, name, isKeyed, gone, closing } = this.#request
    const { local } = this.#host
    if (failure === null && this.#seen(local, place) > place) {
      const grant = local.locks.grantAt(ns, name, place)
      return grant === null ? this.#lost() : await this.#confirm(grant)
    }
    if (isKeyed && gone.aborted) return { ok: true, type: 'left' }
    if (isKeyed && closing?.aborted === true) return PLACE_KEPT
    const cancelled = await this.#cancel(place)
    return cancelled.ok && cancelled.type === 'not_granted' && failure !== null
      ? failure
      : cancelled
  }

  #lost(): LockAnswer {
    const { revision } = this.#host.local
    return { ok: true, type: 'not_granted', why: 'lost', revision }
  }

  /** Until it is applied: what was sent may be sent again, since a place is named but once. */
  async #cancel(place: number): Promise<LockAnswer> {
    const { ns, name } = this.#request
    const outcome = await this.#insist({ type: 'lock_cancel', ns, name, place })
    if (outcome === null) return NOT_CANCELLED
    assert(outcome.ok, 'a cancel is never refused')
    const { result, revision } = outcome
    if (result?.type === 'lock') return await this.#confirm(result.grant)
    return { ok: true, type: 'not_granted', why: 'waited', revision }
  }

  /** Null: the request's time was not enough. */
  async #insist(command: Command): Promise<Outcome | null> {
    const endMs = this.#host.nowMs() + this.#request.timeoutMs
    for (;;) {
      const timeoutMs = Math.max(0, endMs - this.#host.nowMs())
      const outcome = await this.#host.propose(command, { timeoutMs })
      if (!('failure' in outcome)) return outcome
      if (this.#host.nowMs() >= endMs) return null
      await this.#pause()
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => void this.#host.setTimer(RETRY_MS, resolve))
  }

  /** Says what was granted, once the leader has renewed it. */
  async #confirm(grant: LockGrantRow): Promise<LockAnswer> {
    if (this.#isForNobody) return await this.#release(grant)
    const renewed = (await this.#isHeld(grant)) ? await this.#renewed(grant) : false
    if (renewed === true) return this.#granted(grant)
    if (renewed === false) return this.#lost()
    if (!this.#request.isKeyed) void this.#release(grant)
    return UNCONFIRMED
  }

  /**
   * Null: it could not be found out in time. A leader that knows no such lease has ended it, or not
   * applied it yet: followers may be ahead of a leader whose disk is slow. Which of the two this
   * node's own state will show.
   */
  async #renewed(grant: LockGrantRow): Promise<boolean | null> {
    const { ns, name, token } = grant
    const endMs = this.#host.nowMs() + this.#request.timeoutMs
    for (;;) {
      const timeoutMs = Math.max(0, endMs - this.#host.nowMs())
      const answer = await this.#host.heartbeat([leaseOfGrant(grant)], { timeoutMs })
      if (answer.ok && answer.renewals[0] != null) return true
      if (answer.ok && this.#host.local.locks.grant(ns, name, token) === null) return false
      if (this.#host.nowMs() >= endMs) return null
      await this.#pause()
    }
  }

  /** A client's lease outlives what it holds, so the grant itself is looked for. */
  async #isHeld({ ns, name, token, lease }: LockGrantRow): Promise<boolean> {
    if (lease === null) return true // Its own lease goes with it.
    const { timeoutMs } = this.#request
    const options = {
      consistency: 'lease',
      maxStalenessMs: null,
      minRevision: 0,
      timeoutMs,
    } as const
    const found = await this.#host.read(options, (state) => state.locks.grant(ns, name, token))
    return !found.ok || found.value !== null // Whoever cannot be asked now cannot renew either.
  }

  #granted(grant: LockGrantRow): LockAnswer | Promise<LockAnswer> {
    return this.#isForNobody ? this.#release(grant) : { ok: true, type: 'granted', grant }
  }

  async #release({ ns, name, token }: LockGrantRow): Promise<LockAnswer> {
    await this.#insist({ type: 'lock_release', ns, name, token })
    return { ok: true, type: 'left' }
  }

  /** Beats for a place; returns how to stop. What a beat came to the node's own state will show. */
  #keepPlace(lease: string): () => void {
    const everyMs = this.#request.waiterTtlMs / BEATS_PER_TTL
    let cancelTimer: (() => void) | null = null
    const later = (): void => {
      cancelTimer = this.#host.setTimer(everyMs, () => {
        cancelTimer = null
        void this.#host.heartbeat([lease], { timeoutMs: everyMs }).then(() => {
          if (!isOver) later()
        })
      })
    }
    let isOver = false
    later()
    return () => {
      isOver = true
      cancelTimer?.()
    }
  }
}
