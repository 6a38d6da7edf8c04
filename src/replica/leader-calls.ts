/**
 * Questions that only the leader can answer, asked here or over the mesh, one hop at most.
 *
 * A call waits while no leader is known, goes to whoever leads, and comes back to the queue when
 * nothing was appended. A write whose link was lost after it left is `unknown` and never sent
 * again, unless it has a key under which it is applied once; everything else may be.
 */
import { assert } from '../lib/assert.ts'
import type { PeerRequest } from '../mesh/peer.ts'
import type { NodeId } from '../raft/types.ts'
import type { Outcome } from '../state/outcome.ts'
import type { Reply } from './desk.ts'

/** How a call ended without an answer. Nothing was appended but for `unknown`. */
export type CallFailure = {
  readonly type: 'failed'
  readonly code: 'no_leader' | 'unknown' | 'too_many_requests'
}

interface Call {
  readonly request: PeerRequest
  readonly deadlineMs: number
  readonly done: (result: Reply | CallFailure) => void
  /** False for a write without a key: it must not be sent twice. */
  readonly mayRepeat: boolean
  /** It left and was not answered: it may have been appended, whatever becomes of the next try. */
  uncertain: boolean
  /** Where it is now; null: in the queue. */
  askedOf: NodeId | 'self' | null
}

function isWrite({ type }: PeerRequest): boolean {
  return type === 'propose' || type === 'change_members'
}

/** A refusal that no key keeps: an earlier try may still be decided otherwise. */
function isPassing(outcome: Outcome): boolean {
  return !outcome.ok && (outcome.code === 'too_many_requests' || outcome.code === 'schema_changed')
}

export interface LeaderCallsHost {
  /** Whom this node believes to lead; itself included. */
  leader(): NodeId | null
  readonly self: NodeId
  nowMs(): number
  /** Serves a call here. */
  serve(request: PeerRequest, reply: (reply: Reply) => void): void
  /** Queues a request for a peer; false where it has no link. */
  send(to: NodeId, id: number, request: PeerRequest): boolean
  setTimer(ms: number, run: () => void): () => void
}

export class LeaderCalls {
  readonly #host: LeaderCallsHost
  readonly #max: number
  readonly #sweepMs: number
  readonly #calls = new Map<number, Call>()
  #queued = 0
  #nextId = 1
  #sweeping = false

  constructor(host: LeaderCallsHost, bounds: { readonly max: number; readonly sweepMs: number }) {
    this.#host = host
    this.#max = bounds.max
    this.#sweepMs = bounds.sweepMs
  }

  get size(): number {
    return this.#calls.size
  }

  /**
   * `done` is called exactly once, at the latest soon after `deadlineMs` (monotonic). `mayRepeat`:
   * the request comes to the same however often it is sent, as all but writes without a key do.
   */
  ask(
    request: PeerRequest,
    deadlineMs: number,
    done: (result: Reply | CallFailure) => void,
    mayRepeat = !isWrite(request),
  ): void {
    if (this.#calls.size >= this.#max) {
      done({ type: 'failed', code: 'too_many_requests' })
      return
    }
    const id = this.#nextId++
    const open = { askedOf: null, uncertain: false }
    this.#calls.set(id, { request, deadlineMs, done, mayRepeat, ...open })
    this.#queued += 1
    this.#send(id)
    this.#sweepLater()
  }

  /**
   * Another leads now. A question asked of the old one is asked again; a write without a key stays
   * where it went: the old leader may still answer it, and it must not be sent twice.
   */
  leaderChanged(): void {
    const leader = this.#host.leader()
    for (const call of this.#calls.values()) {
      const { askedOf } = call
      if (askedOf === null || askedOf === 'self' || askedOf === leader) continue
      if (call.mayRepeat) this.#repeat(call)
    }
    this.retry()
  }

  /** The end of this node: every call ends now, a write that was sent as unknown. */
  stop(): void {
    for (const [id, call] of this.#calls) this.#giveUp(id, call)
  }

  /** A link came up: what waits may go out. */
  retry(): void {
    if (this.#queued === 0) return
    for (const [id, call] of this.#calls) if (call.askedOf === null) this.#send(id)
  }

  /** A peer answered. An answer to a call that is over is void. */
  answered(from: NodeId, id: number, reply: Reply): void {
    const call = this.#calls.get(id)
    if (call === undefined || call.askedOf !== from) return
    this.#take(id, reply)
  }

  /** The link to a peer is lost, and with it every answer still to come. */
  linkLost(peer: NodeId): void {
    for (const [id, call] of this.#calls) {
      if (call.askedOf !== peer) continue
      if (call.mayRepeat) this.#repeat(call)
      else this.#end(id, { type: 'failed', code: 'unknown' })
    }
  }

  #send(id: number): void {
    const call = this.#calls.get(id)
    assert(call !== undefined && call.askedOf === null, 'only what waits is sent')
    const leader = this.#host.leader()
    if (leader === null) return
    if (leader === this.#host.self) {
      this.#queued -= 1
      call.askedOf = 'self'
      this.#host.serve(call.request, (reply) => {
        if (this.#calls.get(id) === call) this.#take(id, reply)
      })
      return
    }
    if (!this.#host.send(leader, id, call.request)) return
    this.#queued -= 1
    call.askedOf = leader
  }

  #take(id: number, reply: Reply): void {
    const call = this.#calls.get(id)
    assert(call !== undefined, 'an answer belongs to a call')
    if (reply.type === 'outcome' && call.uncertain && isPassing(reply.outcome)) {
      return this.#end(id, { type: 'failed', code: 'unknown' })
    }
    if (reply.type !== 'refused') return this.#end(id, reply)
    if (reply.code === 'not_leader') return this.#requeue(call) // The sweep sends it again.
    if (reply.code === 'unknown' && call.mayRepeat) return this.#repeat(call)
    this.#end(id, { type: 'failed', code: call.uncertain ? 'unknown' : reply.code })
  }

  #repeat(call: Call): void {
    call.uncertain ||= isWrite(call.request)
    this.#requeue(call)
  }

  #requeue(call: Call): void {
    call.askedOf = null
    this.#queued += 1
  }

  #end(id: number, result: Reply | CallFailure): void {
    const call = this.#calls.get(id)
    assert(call !== undefined, 'a call ends once')
    this.#calls.delete(id)
    if (call.askedOf === null) this.#queued -= 1
    assert(this.#queued >= 0, 'the queue is counted right')
    call.done(result)
  }

  #giveUp(id: number, { request, askedOf, uncertain }: Call): void {
    const sent = uncertain || (isWrite(request) && askedOf !== null)
    this.#end(id, { type: 'failed', code: sent ? 'unknown' : 'no_leader' })
  }

  #sweepLater(): void {
    if (this.#sweeping) return
    this.#sweeping = true
    this.#host.setTimer(this.#sweepMs, () => {
      this.#sweeping = false
      this.#sweep()
      if (this.#calls.size > 0) this.#sweepLater()
    })
  }

  /** Ends what is too late, and sends again what waits. */
  #sweep(): void {
    const nowMs = this.#host.nowMs()
    for (const [id, call] of this.#calls) {
      if (call.deadlineMs > nowMs) continue
      this.#giveUp(id, call)
    }
    this.retry()
  }
}
