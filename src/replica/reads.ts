/**
 * Reads at the three consistencies (DESIGN §6). Every read is made on this node's own state;
 * what differs is what must be known first.
 *
 * - `lease` on the leader: note the commit index, wait until it is applied, read, and then look
 *   at the lease with a fresh reading of the clock. Where it does not hold: as `linearizable`.
 * - `lease` and `linearizable` elsewhere: ask the leader for the index. All reads of one turn
 *   share one question, which leaves after they arrived.
 * - `stale`: at once.
 */
import type { Clock, LogIndex, Raft } from '../raft/mod.ts'
import type { StateReader } from '../state/mod.ts'
import type { AppliedWaits } from './applied-waits.ts'
import type { LeaderCalls } from './leader-calls.ts'

export type Consistency = 'lease' | 'linearizable' | 'stale'

export interface ReadRequest {
  readonly consistency: Consistency
  /** Older than this is refused, of a `stale` read; null: any age. */
  readonly maxStalenessMs: number | null
  readonly minRevision: number
  readonly deadlineMs: number
}

export interface ReadStamp {
  /** As really served. */
  readonly consistency: Consistency
  readonly revision: number
  readonly stalenessMs: number | null
}

export type ReadResult<T> =
  | { readonly ok: true; readonly value: T; readonly stamp: ReadStamp }
  | {
      readonly ok: false
      readonly code: 'no_leader' | 'too_stale' | 'too_many_requests' | 'fenced'
    }

export interface ReadsHost {
  readonly raft: Raft
  readonly state: StateReader
  readonly applied: AppliedWaits
  readonly calls: LeaderCalls
  /** Nothing may be answered from the state here. */
  isFenced(): boolean
  clock(): Clock
  defer(run: () => void): void
  setTimer(ms: number, run: () => void): () => void
}

type Confirmed = (
  result:
    | { readonly index: LogIndex; readonly mode: 'lease' | 'linearizable' }
    | 'no_leader'
    | 'too_many_requests',
) => void

interface Batch {
  readonly waiting: Confirmed[]
  deadlineMs: number
}

export class Reads {
  readonly #host: ReadsHost
  readonly #readsMax: number
  readonly #batches = new Map<'lease' | 'linearizable', Batch>()
  /** Ends one wait each, as too late. */
  readonly #waiting = new Set<() => void>()
  #pending = 0

  constructor(host: ReadsHost, bounds: { readonly readsMax: number }) {
    this.#host = host
    this.#readsMax = bounds.readsMax
  }

  /**
   * The answer that needs no waiting: of a `stale` read, and of a `lease` read on the leader, where
   * all that either asks for is applied here. Null: it is `read` that must be asked. Most reads end
   * here, so nothing is made for them but the answer.
   */
  now<T>(
    request: Omit<ReadRequest, 'deadlineMs'>,
    query: (state: StateReader) => T,
  ): ReadResult<T> | null {
    const { raft, state } = this.#host
    if (this.#host.isFenced()) return { ok: false, code: 'fenced' }
    if (state.revision < request.minRevision) return null
    if (request.consistency === 'stale') return this.#staleAnswer(request, query)
    if (request.consistency !== 'lease' || raft.role !== 'leader') return null
    if (state.revision < raft.committed) return null
    if (raft.leaseRemainingMs(this.#host.clock()) <= 0) return null
    const { term } = raft
    const value = query(state)
    const { revision } = state
    // After the read, with a fresh clock: a pause may lie in between (scenario 41).
    if (raft.term !== term || raft.leaseRemainingMs(this.#host.clock()) <= 0) return null
    return { ok: true, value, stamp: { consistency: 'lease', revision, stalenessMs: null } }
  }

  /** `done` is called once; `query` at most once more than that, where a lease ran out. */
  read<T>(
    request: ReadRequest,
    query: (state: StateReader) => T,
    done: (result: ReadResult<T>) => void,
  ): void {
    if (this.#pending >= this.#readsMax) return done({ ok: false, code: 'too_many_requests' })
    this.#pending += 1
    // Judged when it is answered: it may have waited from before the state was found wrong.
    const finish = (result: ReadResult<T>): void => {
      this.#pending -= 1
      done(this.#host.isFenced() ? { ok: false, code: 'fenced' } : result)
    }
    if (this.#host.isFenced()) return finish({ ok: false, code: 'fenced' })
    if (request.consistency === 'stale') return this.#stale(request, query, finish)
    if (request.consistency === 'lease' && this.#host.raft.role === 'leader') {
      return this.#byOwnLease(request, query, finish)
    }
    this.#confirmed(request, request.consistency, query, finish)
  }

  #byOwnLease<T>(
    request: ReadRequest,
    query: (state: StateReader) => T,
    done: (result: ReadResult<T>) => void,
  ): void {
    const { raft, state } = this.#host
    const { term } = raft
    const index = Math.max(raft.committed, request.minRevision)
    if (raft.leaseRemainingMs(this.#host.clock()) <= 0) {
      return this.#confirmed(request, 'linearizable', query, done)
    }
    this.#whenApplied(index, request.deadlineMs, (reached) => {
      if (!reached) return done({ ok: false, code: 'too_stale' })
      const value = query(state)
      const revision = state.revision
      // After the read, with a fresh clock: a pause may lie in between (scenario 41).
      const holds = raft.term === term && raft.leaseRemainingMs(this.#host.clock()) > 0
      if (!holds) return this.#confirmed(request, 'linearizable', query, done)
      done({ ok: true, value, stamp: { consistency: 'lease', revision, stalenessMs: null } })
    })
  }

  #confirmed<T>(
    request: ReadRequest,
    mode: 'lease' | 'linearizable',
    query: (state: StateReader) => T,
    done: (result: ReadResult<T>) => void,
  ): void {
    this.#confirm(mode, request.deadlineMs, (confirmed) => {
      if (typeof confirmed === 'string') return done({ ok: false, code: confirmed })
      const index = Math.max(confirmed.index, request.minRevision)
      this.#whenApplied(index, request.deadlineMs, (reached) => {
        if (!reached) return done({ ok: false, code: 'too_stale' })
        const { state } = this.#host
        const stamp = { consistency: confirmed.mode, revision: state.revision, stalenessMs: null }
        done({ ok: true, value: query(state), stamp })
      })
    })
  }

  #stale<T>(
    request: ReadRequest,
    query: (state: StateReader) => T,
    done: (result: ReadResult<T>) => void,
  ): void {
    this.#whenApplied(request.minRevision, request.deadlineMs, (reached) => {
      done(reached ? this.#staleAnswer(request, query) : { ok: false, code: 'too_stale' })
    })
  }

  #staleAnswer<T>(
    { maxStalenessMs }: Pick<ReadRequest, 'maxStalenessMs'>,
    query: (state: StateReader) => T,
  ): ReadResult<T> {
    const { raft, state } = this.#host
    const stalenessMs = raft.stalenessMs(this.#host.clock())
    const tooOld = maxStalenessMs !== null && (stalenessMs ?? Infinity) > maxStalenessMs
    if (tooOld) return { ok: false, code: 'too_stale' }
    const stamp = { consistency: 'stale' as const, revision: state.revision, stalenessMs }
    return { ok: true, value: query(state), stamp }
  }

  /** The end of this node, or of the trust in its state: whoever waits is told so now. */
  stop(): void {
    for (const giveUp of this.#waiting) giveUp()
  }

  /** Joins the question that leaves at the end of this turn; each with its own deadline. */
  #confirm(mode: 'lease' | 'linearizable', deadlineMs: number, done: Confirmed): void {
    const settle = this.#until<Parameters<Confirmed>[0]>(deadlineMs, done, 'no_leader')
    const batch = this.#batches.get(mode)
    if (batch !== undefined) {
      batch.waiting.push(settle)
      batch.deadlineMs = Math.max(batch.deadlineMs, deadlineMs)
      return
    }
    this.#batches.set(mode, { waiting: [settle], deadlineMs })
    this.#host.defer(() => this.#askLeader(mode))
  }

  #askLeader(mode: 'lease' | 'linearizable'): void {
    const batch = this.#batches.get(mode)
    if (batch === undefined) return
    this.#batches.delete(mode) // Whoever comes now needs a question of its own.
    this.#host.calls.ask({ type: 'read_index', mode }, batch.deadlineMs, (result) => {
      for (const settle of batch.waiting) {
        if (result.type === 'read_at') settle({ index: result.index, mode: result.mode })
        else {
          const full = result.type === 'failed' && result.code === 'too_many_requests'
          settle(full ? 'too_many_requests' : 'no_leader')
        }
      }
    })
  }

  /** Calls `then(true)` once `index` is applied, `then(false)` at the deadline. */
  #whenApplied(index: LogIndex, deadlineMs: number, then: (reached: boolean) => void): void {
    if (this.#host.state.revision >= index) return then(true)
    const settle = this.#until<boolean>(
      deadlineMs,
      (reached: boolean) => {
        takeBack()
        then(reached)
      },
      false,
    )
    const takeBack = this.#host.applied.add(index, () => settle(true))
  }

  /**
   * `done` with a time limit: the returned function calls it with its value, the deadline or the
   * end of this node with `late`, whichever comes first.
   */
  #until<T>(deadlineMs: number, done: (value: T) => void, late: T): (value: T) => void {
    const settle = (value: T): void => {
      if (!this.#waiting.delete(giveUp)) return
      cancelTimer()
      done(value)
    }
    const giveUp = (): void => settle(late)
    this.#waiting.add(giveUp)
    const leftMs = Math.max(0, deadlineMs - this.#host.clock().nowMs)
    const cancelTimer = this.#host.setTimer(leftMs, giveUp)
    return settle
  }
}
