/**
 * The leader's duty for the membership (DESIGN §7): changes that somebody asks for, one at a time
 * and in their order, and what follows by itself: who is new and what address it says it has, and
 * the promotion of learners once all of them have caught up. The wish stands in the membership, so
 * whoever leads next goes on with it.
 */
import { assert, present } from '../../lib/assert.ts'
import {
  encodeMembership,
  memberOf,
  type Answer,
  type Clock,
  type Input,
  type LogIndex,
  type Membership,
  type MembershipTarget,
  type NodeId,
  type Raft,
  type RequestId,
  type Term,
} from '../../raft/mod.ts'
import type { DeadMembersView } from '../../http/registry.ts'
import type { Logger } from '../../lib/logger.ts'
import type { PeerIdentity } from '../../mesh/peer.ts'
import { DeadMembers } from './dead-members.ts'
import { NOT_LEADER, TOO_MANY, type ReplyTo } from '../desk.ts'
import {
  planChange,
  planPromotion,
  planUpdate,
  quorumProblem,
  waitingOf,
  warningsOf,
  type MemberChange,
  type MemberSight,
} from './member-change.ts'
import { decodeMemberRequest, MemberCodecError, type MemberResult } from './member-codec.ts'
import type { PeerLink } from '../ports.ts'

/** A learner that lacks no more than this has caught up: the pipeline holds about as much. */
const LAG_ENTRIES_MAX = 1_024
const WAITING_MAX = 64
/** How often a leader looks at what its members say of themselves. */
const LOOK_MS = 50

export interface MembersHost {
  readonly raft: Raft
  /** What counts as silence. */
  readonly electionMinMs: number
  /** As in `ReplicaConfig`. */
  readonly removeDeadAfterMs: number | null
  readonly logger: Logger
  identity(): PeerIdentity
  clock(): Clock
  links(): readonly PeerLink[]
  enqueue(input: Input): void
}

interface Waiting {
  readonly change: MemberChange
  readonly force: boolean
  readonly deadlineMs: number
  readonly reply: ReplyTo
}

/** Ours, on its way through the log. */
interface Pending {
  readonly id: RequestId
  readonly reply: ReplyTo | null
  at: { readonly term: Term; readonly index: LogIndex } | null
}

interface Transfer {
  readonly to: NodeId | null
  readonly term: Term
  readonly deadlineMs: number
  readonly reply: ReplyTo
}

export class Members implements MemberSight {
  readonly #host: MembersHost
  #waiting: Waiting[] = []
  #pending: Pending | null = null
  #transfer: Transfer | null = null
  /** Below zero, so that they are nobody else's. */
  #lastId: RequestId = 0
  #lookMs = 0
  readonly #dead: DeadMembers

  constructor(host: MembersHost) {
    this.#host = host
    this.#dead = new DeadMembers(host.identity().id, {
      afterMs: host.removeDeadAfterMs,
      standstillMs: host.electionMinMs,
    })
  }

  /** On the leader: who is silent, and who was removed for it; null where nobody ever is. */
  get deadMembers(): DeadMembersView | null {
    return this.#dead.view(this.#host.raft.membership, this)
  }

  /** Somebody asks the leader; `reply` is called once. */
  ask(bytes: Uint8Array, reply: ReplyTo): void {
    let request
    try {
      request = decodeMemberRequest(bytes)
    } catch (error) {
      if (!(error instanceof MemberCodecError)) throw error
      return reply(refusal('invalid_request', error.message))
    }
    const { change, force, waitMs } = request
    const deadlineMs = this.#host.clock().nowMs + waitMs
    if (change.type === 'transfer') return this.#handOver(change.to, deadlineMs, reply)
    if (this.#waiting.length >= WAITING_MAX) return reply(TOO_MANY)
    this.#waiting.push({ change, force, deadlineMs, reply })
  }

  /** Linked, and heard of late: a process that was killed is missed at once, a hung one soon. */
  isReachable(id: NodeId): boolean {
    return this.connectedAs(id) !== null && this.#heardWithin(id, this.#host.electionMinMs)
  }

  connectedAs(id: NodeId): PeerIdentity | null {
    const own = this.#host.identity()
    if (id === own.id) return own
    const link = this.#host.links().find((candidate) => candidate.id === id)
    return link?.connected ? link.identity : null
  }

  #heardWithin(id: NodeId, ms: number): boolean {
    const { raft } = this.#host
    if (id === this.#host.identity().id) return true
    const peer = raft.progressOf(id)
    return peer !== null && this.#host.clock().nowMs - peer.lastAckMs < ms
  }

  /** What the core said to our proposals. */
  answered(answers: readonly Answer[]): void {
    for (const answer of answers) {
      const pending = this.#pending
      if (pending?.id !== answer.id) continue
      if (answer.type === 'appended') {
        pending.at = answer.at
        continue
      }
      assert(answer.type === 'refused', 'a membership is appended or refused')
      this.#pending = null
      // Judged before it was asked for, so something came in between: it is asked again.
      pending.reply?.(NOT_LEADER)
    }
  }

  /** The end of each turn of the loop. */
  endOfTurn(): void {
    const { raft } = this.#host
    this.#settle()
    this.#settleTransfer()
    if (raft.role !== 'leader') {
      this.#dead.forget()
      if (this.#waiting.length > 0) {
        for (const { reply } of this.#waiting.splice(0)) reply(NOT_LEADER)
      }
      return
    }
    const looks = this.#looks()
    const obstacle = this.obstacle()
    if (obstacle === null) this.#next(looks)
    this.#expire(obstacle ?? 'other changes come first')
  }

  /** Whether our proposal is committed, or lost with the leadership. */
  #settle(): void {
    const { raft } = this.#host
    if (this.#pending === null) return
    const { at, reply } = this.#pending
    if (at === null) return
    const isOurs = raft.termAt(at.index) === at.term
    if (isOurs && raft.committed < at.index && raft.role === 'leader') return
    this.#pending = null
    if (isOurs && raft.committed >= at.index) reply?.(this.#done(at.index))
    else reply?.(raft.committed >= at.index ? NOT_LEADER : { type: 'refused', code: 'unknown' })
  }

  #done(index: LogIndex): { readonly type: 'members_changed'; readonly result: MemberResult } {
    const membership = present(this.#host.raft.membership, 'whoever led has a membership')
    const warnings = warningsOf(membership)
    const bytes = encodeMembership(membership)
    const { leader } = this.#host.raft
    return {
      type: 'members_changed',
      result: { ok: true, index, warnings, membership: bytes, leader },
    }
  }

  /** On a leader: why no change can begin just now; null: one can. */
  obstacle(): string | null {
    const { raft } = this.#host
    if (!raft.hasCommittedInTerm) return 'the leader has not committed anything in its term yet'
    if (this.#pending !== null || raft.membershipIndex > raft.committed) {
      return 'the last change is not committed yet'
    }
    const { outgoing, voters } = this.#membership()
    if (outgoing === null) return null
    return `a change of the voters from ${outgoing.join(', ')} to ${voters.join(', ')} is under way`
  }

  #membership(): Membership {
    return present(this.#host.raft.membership, 'a leader has a membership')
  }

  /** Whether it is time to look at the members again; what they are silent about is seen here. */
  #looks(): boolean {
    const { nowMs } = this.#host.clock()
    if (nowMs < this.#lookMs) return false
    this.#lookMs = nowMs + LOOK_MS
    this.#dead.look(this.#membership(), this, nowMs)
    return true
  }

  #next(looks: boolean): void {
    const current = this.#membership()
    while (this.#waiting.length > 0) {
      const { change, force, reply } = this.#waiting.shift() as Waiting
      const planned = planChange(current, change, { sight: this, force })
      if (planned.type === 'propose') return this.#propose(planned.target, reply)
      if (planned.type === 'refuse') reply(refusal(planned.code, planned.detail))
      else reply(this.#done(this.#host.raft.membershipIndex))
    }
    if (!looks) return
    const update = planUpdate(current, this)
    if (update !== null) return this.#propose(update, null)
    if (current.wanted !== null && this.blockers().length === 0) {
      return this.#propose(planPromotion(current), null)
    }
    this.#removeDead(current)
  }

  #removeDead(current: Membership): void {
    const id = this.#dead.next(current, this)
    if (id === null) return
    const planned = planChange(current, { type: 'remove', id }, { sight: this, force: false })
    if (planned.type !== 'propose') return // It is the last that is wanted as a voter, say.
    const silentMs = this.#dead.silentMs(id)
    this.#host.logger.warn('removing a member that is silent for too long', { id, silentMs })
    this.#propose(planned.target, (reply) => {
      if (reply.type !== 'members_changed' || !reply.result.ok) return
      this.#dead.removed(id, silentMs, this.#host.clock().wallMs)
    })
  }

  #propose(target: MembershipTarget, reply: ReplyTo | null): void {
    assert(this.#pending === null, 'one change at a time')
    this.#lastId -= 1
    const id = this.#lastId
    this.#pending = { id, reply, at: null }
    const after = this.#host.raft.membershipIndex
    this.#host.enqueue({ type: 'propose_membership', id, after, target })
    const [voters, learners] = [target.voters.join(','), target.learners.join(',')]
    const wanted = target.wanted?.voters.join(',') ?? null
    this.#host.logger.info('changing the membership', { voters, learners, wanted })
  }

  #expire(why: string): void {
    if (this.#waiting.length === 0) return
    const { nowMs } = this.#host.clock()
    const late = this.#waiting.filter(({ deadlineMs }) => deadlineMs <= nowMs)
    if (late.length === 0) return
    this.#waiting = this.#waiting.filter((waiting) => !late.includes(waiting))
    for (const { reply } of late) reply(refusal('conflict', why))
  }

  /** On the leader: what a wish waits for, as sentences; empty where nothing is in its way. */
  blockers(): readonly string[] {
    const current = this.#membership()
    const blockers = waitingOf(current).flatMap((id) => this.#blocker(current, id) ?? [])
    if (blockers.length > 0 || current.wanted === null || current.outgoing !== null) return blockers
    return [quorumProblem(current, planPromotion(current), this) ?? []].flat()
  }

  #blocker(current: Membership, id: NodeId): string | null {
    const member = present(memberOf(current, id), 'whoever is wanted is a member')
    const link = this.#host.links().find((candidate) => candidate.id === id)
    if (member.incarnation === null) {
      const why = link?.refusal ? ` (${link.refusal})` : ''
      return `${id} never started: nothing was heard from ${member.url ?? 'it'} yet${why}`
    }
    const { raft } = this.#host
    const match = raft.progressOf(id)?.match ?? 0
    if (match === 0 || !this.isReachable(id)) {
      return `${id} is not connected${link?.refusal ? `: ${link.refusal}` : ''}`
    }
    const lag = raft.last - match
    return lag > LAG_ENTRIES_MAX ? `${id} is catching up, ${lag} entries behind` : null
  }

  #handOver(to: NodeId | null, deadlineMs: number, reply: ReplyTo): void {
    const { raft } = this.#host
    const { id: self } = this.#host.identity()
    const membership = this.#membership()
    const { voters } = membership
    const isWitness = (id: NodeId): boolean => memberOf(membership, id)?.witness === true
    if (to === self) return reply(this.#done(raft.membershipIndex))
    const others = voters.filter((id) => !isWitness(id))
    const able = others.filter((id) => id !== self && this.isReachable(id))
    if (to !== null && !voters.includes(to)) {
      return reply(refusal('conflict', `${to} is not a voter, so it cannot lead`))
    }
    if (to !== null && isWitness(to)) {
      return reply(refusal('conflict', `${to} is a witness: without data it cannot lead`))
    }
    if (to === null ? able.length === 0 : !able.includes(to)) {
      const detail =
        to === null ? 'no other voter with data is reachable' : `${to} cannot be reached`
      return reply(refusal('conflict', detail))
    }
    if (this.#transfer !== null) {
      return reply(refusal('conflict', 'leadership is being handed over already'))
    }
    this.#transfer = { to, term: raft.term, deadlineMs, reply }
    this.#host.enqueue({ type: 'transfer', to })
  }

  /** Over once somebody else leads; failed once this node does again, or nobody does in time. */
  #settleTransfer(): void {
    const transfer = this.#transfer
    if (transfer === null) return
    const { raft } = this.#host
    const { id: self } = this.#host.identity()
    const isNew = raft.leader !== null && raft.term > transfer.term
    const isLate = this.#host.clock().nowMs >= transfer.deadlineMs
    if (!isNew && !isLate) return
    this.#transfer = null
    const isOver =
      isNew && (transfer.to === null ? raft.leader !== self : raft.leader === transfer.to)
    if (isOver) return transfer.reply(this.#done(raft.membershipIndex))
    const leader = raft.leader ?? 'nobody yet'
    transfer.reply(refusal('conflict', `it did not take over; the leader is ${leader}`))
  }
}

function refusal(
  code: 'conflict' | 'not_found' | 'invalid_request',
  detail: string,
): { readonly type: 'members_changed'; readonly result: MemberResult } {
  return { type: 'members_changed', result: { ok: false, code, detail } }
}
