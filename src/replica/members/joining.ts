/**
 * How an empty node gets into a cluster that exists (DESIGN §7): it asks any member that it is
 * linked with, which passes that on to the leader. Who it is was proven by the handshake. So a node
 * that was started with `--join` is added, and one that lost its disk is taken back.
 */
import type { Logger } from '../../lib/logger.ts'
import type { JoinRole, PeerMessage, PeerResponse } from '../../mesh/peer.ts'
import { decodeMembership, type Clock, type Membership, type NodeId } from '../../raft/mod.ts'
import type { PeerLink } from '../ports.ts'
import { fromResponse } from '../peers/wire.ts'

/** How long an answer may take: it waits for a leader, and for the entry to be committed. */
export const JOIN_MS = 5_000
const AGAIN_MS = 1_000
/** Its requests are numbered apart from those of `LeaderCalls`, which count up from 1. */
const FIRST_ID = 2 ** 48

export interface JoiningHost {
  /** As what; null: only as what it was. */
  readonly role: JoinRole | null
  readonly logger: Logger
  clock(): Clock
  links(): readonly PeerLink[]
  send(to: NodeId, message: PeerMessage): boolean
  wakeIn(ms: number): void
  accepted(membership: Membership): void
}

export class Joining {
  readonly #host: JoiningHost
  #asked: { readonly of: NodeId; readonly id: number; readonly untilMs: number } | null = null
  #nextId = FIRST_ID
  #againMs = 0
  #refusal: string | null = null

  constructor(host: JoiningHost) {
    this.#host = host
  }

  /** While this node is empty: asks a member, one at a time, until the log has come. */
  endOfTurn(): void {
    const { nowMs } = this.#host.clock()
    if (nowMs < (this.#asked?.untilMs ?? this.#againMs)) return
    const member = this.#host.links().find((link) => {
      return link.connected && (link.identity?.membershipIndex ?? 0) > 0
    })
    if (member === undefined) return
    const id = this.#nextId++
    this.#again(AGAIN_MS)
    const request = { type: 'join', role: this.#host.role } as const
    if (!this.#host.send(member.id, { type: 'request', id, request })) return
    this.#asked = { of: member.id, id, untilMs: nowMs + 2 * JOIN_MS }
  }

  /** Whether it was an answer to us. */
  answered(from: NodeId, id: number, response: PeerResponse): boolean {
    if (id < FIRST_ID) return false
    if (this.#asked?.of !== from || this.#asked.id !== id) return true
    this.#asked = null
    this.#again(AGAIN_MS)
    const reply = fromResponse(response)
    if (reply.type !== 'members_changed') return true
    const { result } = reply
    if (result.ok) this.#host.accepted(decodeMembership(result.membership))
    else if (result.detail !== this.#refusal) {
      this.#refusal = result.detail
      this.#host.logger.warn('the cluster does not take this node in', { why: result.detail })
    }
    return true
  }

  linkLost(id: NodeId): void {
    if (this.#asked?.of === id) this.#asked = null
  }

  #again(ms: number): void {
    this.#againMs = this.#host.clock().nowMs + ms
    this.#host.wakeIn(ms)
  }
}
