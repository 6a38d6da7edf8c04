/** What peers ask of this node as a leader, or as a door to the cluster. */
import type { PeerIdentity, PeerRequest } from '../../mesh/peer.ts'
import type { NodeId, Raft } from '../../raft/mod.ts'
import { NOT_LEADER, type LeaderDesk, type Reply, type ReplyTo } from '../desk.ts'
import { JOIN_MS } from '../members/joining.ts'
import type { LeaderCalls } from '../leader-calls.ts'
import { encodeMemberRequest } from '../members/member-codec.ts'
import { isStranger } from './peers.ts'
import type { ReplicaPorts } from '../ports.ts'
import type { Surveys } from './surveys.ts'
import { refuseForwarded, toResponse } from './wire.ts'

/** The newest link of a peer: an answer leaves on the link that brought its question. */
export interface PeerLinkUp {
  readonly peer: PeerIdentity
}

export interface PeerRequestsHost {
  readonly raft: Raft
  readonly desk: LeaderDesk
  readonly calls: LeaderCalls
  readonly surveys: Surveys
  readonly ports: ReplicaPorts
  linkOf(id: NodeId): PeerLinkUp | null
  /** Of the applied state, for refusals. */
  revision(): number
  turnSoon(): void
}

export class PeerRequests {
  readonly #host: PeerRequestsHost

  constructor(host: PeerRequestsHost) {
    this.#host = host
  }

  /** A peer takes us for the leader. */
  serve(from: NodeId, id: number, request: PeerRequest): void {
    const { raft, desk } = this.#host
    const link = this.#host.linkOf(from)
    const reply = (given: Reply): void => {
      // A restarted peer counts its calls anew: what its last process asked is nobody's question.
      if (this.#host.linkOf(from) !== link) return
      this.#answer(from, id, given)
    }
    if (request.type === 'join') return this.#passOn(link, request.role, reply)
    if (isStranger(raft.membership, from, link?.peer ?? null)) return reply(NOT_LEADER)
    if (request.type === 'ask_edge') {
      const answer = this.#host.surveys.answer(request.question)
      const cannot = { type: 'refused', code: 'unknown' } as const
      return reply(answer === null ? cannot : { type: 'edge_answer', answer })
    }
    if (request.type === 'propose') {
      const refusal = refuseForwarded(request.command, this.#host.revision())
      if (refusal !== null) return reply({ type: 'outcome', outcome: refusal })
    }
    desk.serve(request, reply, from)
  }

  #answer(to: NodeId, id: number, reply: Reply): void {
    const { mesh } = this.#host.ports
    // What does not fit on the link is not lost in silence: the caller is told at once.
    if (!mesh.send(to, { type: 'response', id, response: toResponse(reply) })) {
      const refused = { type: 'refused', code: 'unknown' } as const
      mesh.send(to, { type: 'response', id, response: refused })
    }
    this.#host.turnSoon()
  }

  /** An empty node asks to be taken in: the leader is told who it proved to be. */
  #passOn(link: PeerLinkUp | null, role: 'voter' | 'learner' | null, reply: ReplyTo): void {
    const { raft, calls, ports } = this.#host
    if (link === null || raft.membership === null) return reply(NOT_LEADER)
    const { id, incarnation, url, witness } = link.peer
    const change = { type: 'join', id, incarnation, url, role, witness } as const
    const bytes = encodeMemberRequest({ change, force: false, waitMs: JOIN_MS })
    const deadlineMs = ports.clock().nowMs + 2 * JOIN_MS
    calls.ask({ type: 'change_members', change: bytes }, deadlineMs, (result) => {
      if (result.type !== 'failed') reply(result)
      else if (result.code !== 'too_many_requests') reply(NOT_LEADER)
      else reply({ type: 'refused', code: result.code })
    })
  }
}
