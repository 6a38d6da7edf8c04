/**
 * The state of one node, and the few transitions that every role shares. The rules themselves
 * stand in `raft.ts` (all roles), `election.ts`, `follower.ts` and `leader.ts`.
 *
 * ```
 *              timeout              pre-vote won           vote won
 *   follower ──────────► pre_candidate ──────────► candidate ──────────► leader
 *      ▲                      │                        │                    │
 *      └──────────────────────┴── a leader, or a higher term ───────────────┘
 * ```
 */
import { assert } from '../lib/assert.ts'
import type { RaftConfig } from './config.ts'
import { Freshness } from './freshness.ts'
import type { LeaderLease } from './lease.ts'
import { RaftLog, type StoredLog } from './log.ts'
import { isVoter, memberOf, MembershipStack, type MembershipAt } from './membership.ts'
import { Outbox } from './outbox.ts'
import type { Progress } from './progress.ts'
import type { Transfer } from './transfer.ts'
import type {
  Answer,
  Clock,
  HardState,
  InstallSnapshot,
  LogIndex,
  Member,
  Membership,
  Message,
  NodeId,
  RequestId,
  Role,
  Round,
  SnapshotMeta,
  Term,
} from './types.ts'

/** What a node knows when it starts. */
export interface InitialState {
  readonly hardState: HardState
  readonly log: StoredLog
  /** Up to where the state machine has applied. */
  readonly applied: LogIndex
  /** The cluster's clock at the applied index. */
  readonly clusterMs: number
  /** In log order: of the state, and of every membership entry still in the log. */
  readonly memberships: readonly MembershipAt[]
  readonly clock: Clock
}

/** A read that waits for its index to be confirmed (Thesis §6.4). */
export interface PendingRead {
  readonly id: RequestId
  /** Null until the no-op of the term is committed. */
  at: { readonly index: LogIndex; readonly round: Round } | null
}

/** What exists only while a node leads. */
export interface Leadership {
  readonly progress: Map<NodeId, Progress>
  readonly lease: LeaderLease
  /** Index of this term's no-op: nothing is read before it is committed. */
  readonly noop: LogIndex
  /** In order of arrival; those with a round before those without. */
  reads: PendingRead[]
  /** A round must go to every peer, with entries or without. */
  roundDue: boolean
  heartbeatDueMs: number
  /** The cluster's clock goes on from here with the monotonic clock. */
  readonly clusterClock: { readonly clusterMs: number; readonly nowMs: number }
  uncommittedBytes: number
  /** The last entry that any witness was sent; the no-op's own place before there was one. */
  witnessSent: LogIndex
  /** When the others are told of the newest commit at the latest; Infinity: they were. */
  commitNoticeMs: number
  transfer: Transfer | null
  /** Those that left: they are told of it, for a while (`reconfigure.ts`). */
  readonly departing: Map<NodeId, Departing>
}

/** A member that is none any more, and the entry that says so. */
export interface Departing {
  readonly member: Member
  readonly index: LogIndex
  readonly deadlineMs: number
  /** Once it was sent that the entry is committed: a round that it has to acknowledge. */
  toldRound: Round | null
}

export class Core {
  readonly config: RaftConfig
  readonly log: RaftLog
  readonly outbox: Outbox
  readonly memberships: MembershipStack
  readonly initialClusterMs: number
  clock: Clock
  role: Role = 'follower'
  leader: NodeId | null = null
  leadership: Leadership | null = null
  /** Whom this node followed last, until it leads itself; and when it last heard of it. */
  lastLeader: { readonly id: NodeId; atMs: number } | null = null
  /** Answers of this campaign; an absent voter has not answered. */
  votes = new Map<NodeId, boolean>()
  electionDueMs = 0
  /** How old what is applied here may be at most, by contacts with leaders. */
  readonly freshness = new Freshness()
  /** The largest commit index that a leader named, also of entries not yet here. */
  leaderCommit: LogIndex = 0
  answers: Answer[] = []
  /** What this node has to offer while it leads. */
  snapshot: SnapshotMeta | null = null
  /** What a leader offered; `raft.ts` says whether it is still of use. */
  offer: InstallSnapshot | null = null
  /** What is applied here cannot be trusted: this node must not lead (`types.ts`, `fence`). */
  fenced = false
  /** As a leader says: up to where this node acknowledged what it does not hold. 0: nothing. */
  lostUpTo: LogIndex = 0
  /** Rounds of later leaderships are larger, so a late acknowledgement never fits. */
  lastRound: Round = 0
  #term: Term
  #votedFor: NodeId | null
  #promiseMs: number
  /** No vote is given, and no candidacy begun, before this (DESIGN §6). */
  #refuseUntilMs: number

  constructor(config: RaftConfig, initial: InitialState) {
    this.config = config
    this.clock = initial.clock
    this.log = new RaftLog(initial.log, initial.applied, config.tailBytesMax)
    this.outbox = new Outbox(this.log, config.heldMax)
    this.memberships = new MembershipStack(initial.memberships)
    this.initialClusterMs = initial.clusterMs
    this.#term = initial.hardState.term
    this.#votedFor = initial.hardState.votedFor
    this.#promiseMs = initial.hardState.promiseMs
    this.#refuseUntilMs = initial.clock.nowMs + this.#promiseMs
    assert(this.#term >= this.log.lastTerm, 'no entry is newer than the stored term')
    this.restartElectionTimer()
  }

  get term(): Term {
    return this.#term
  }

  get votedFor(): NodeId | null {
    return this.#votedFor
  }

  get hardState(): HardState {
    return { term: this.#term, votedFor: this.#votedFor, promiseMs: this.#promiseMs }
  }

  get membership(): Membership | null {
    return this.memberships.current
  }

  get refusesVotes(): boolean {
    return this.clock.nowMs < this.#refuseUntilMs
  }

  /** Whether this very incarnation votes in an active configuration. */
  get isVoter(): boolean {
    const { id, incarnation } = this.config
    const membership = this.membership
    if (membership === null || !isVoter(membership, id)) return false
    return memberOf(membership, id)?.incarnation === incarnation
  }

  /**
   * Whether this node may stand for election: as a voter, and also of the last committed membership
   * where a newer one without it is not committed yet. It may be the only one that holds that one
   * and is alive, and then nobody else can be elected (Thesis §4.2.2). A witness never may: it has
   * no state to lead with.
   */
  get mayCampaign(): boolean {
    const { id, incarnation, witness } = this.config
    if (witness) return false
    if (this.fenced) return false
    return this.memberships.possible.some(
      ({ membership }) =>
        isVoter(membership, id) && memberOf(membership, id)?.incarnation === incarnation,
    )
  }

  /**
   * Whether a message comes from a voter as the membership knows it. Whoever lost its disk is a
   * stranger under an old name: what it says counts for nothing (DESIGN §7).
   */
  isFromVoter(message: Message): boolean {
    const membership = this.membership
    if (membership === null || !isVoter(membership, message.from)) return false
    return memberOf(membership, message.from)?.incarnation === message.incarnation
  }

  /** The same of any member, learners included; on a leader also of one that is leaving. */
  isFromMember(message: Message): boolean {
    const { from, incarnation } = message
    const known = this.membership === null ? null : memberOf(this.membership, from)
    const member = known ?? this.leadership?.departing.get(from)?.member
    return member?.incarnation === incarnation
  }

  /** What every message carries. */
  envelope(to: NodeId): Pick<Message, 'from' | 'incarnation' | 'to' | 'term'> {
    const { id, incarnation } = this.config
    return { from: id, incarnation, to, term: this.#term }
  }

  /** Enters a newer term; the vote of the old one is over (Raft §5.1). */
  enterTerm(term: Term): void {
    assert(term > this.#term, 'terms only grow')
    assert(Number.isSafeInteger(term), 'a term is a safe integer')
    this.#term = term
    this.#votedFor = null
    this.outbox.dropHeld()
    this.outbox.markHardState()
  }

  voteFor(id: NodeId): void {
    assert(this.#votedFor === null || this.#votedFor === id, 'one vote a term (Raft §5.2)')
    if (this.#votedFor === id) return
    this.#votedFor = id
    this.outbox.markHardState()
  }

  /** Promises the leader that was just heard to refuse votes for `promiseMs` from now. */
  promise(promiseMs: number): void {
    this.#refuseUntilMs = Math.max(this.#refuseUntilMs, this.clock.nowMs + promiseMs)
    if (promiseMs <= this.#promiseMs) return
    this.#promiseMs = promiseMs
    this.outbox.markHardState()
  }

  /** Draws another election timeout (Raft §5.2), never shorter than what was promised. */
  restartElectionTimer(): void {
    const { electionMinMs, electionMaxMs, random } = this.config
    const timeoutMs = electionMinMs + random(electionMaxMs - electionMinMs)
    this.electionDueMs = Math.max(this.clock.nowMs + timeoutMs, this.#refuseUntilMs)
  }

  /** Follows `leader`, or nobody yet, in the current term. */
  becomeFollower(leader: NodeId | null): void {
    this.#leaveLeadership()
    if (this.role !== 'follower') this.outbox.dropVoteRequests()
    this.role = 'follower'
    this.leader = leader
    if (leader !== null) this.#heard(leader)
    this.votes.clear()
    this.restartElectionTimer()
  }

  #heard(leader: NodeId): void {
    const { nowMs } = this.clock
    if (this.lastLeader?.id === leader) this.lastLeader.atMs = nowMs
    else this.lastLeader = { id: leader, atMs: nowMs }
  }

  /** `transfer`: at the word of the leader itself, who gave up what was promised to it. */
  becomeCandidate(role: 'pre_candidate' | 'candidate', transfer: boolean): void {
    assert(this.role !== 'leader', 'a leader does not campaign')
    assert(this.mayCampaign, 'only a voter campaigns')
    assert(transfer || !this.refusesVotes, 'a promise binds the own candidacy too (DESIGN §6)')
    this.role = role
    this.leader = null
    this.votes = new Map()
    this.restartElectionTimer()
  }

  becomeLeader(leadership: Leadership): void {
    assert(this.role === 'candidate', 'an election is won by a candidate')
    assert(this.#votedFor === this.config.id, 'a candidate voted for itself')
    this.role = 'leader'
    this.leader = this.config.id
    this.lastLeader = null
    this.leadership = leadership
    this.votes.clear()
  }

  #leaveLeadership(): void {
    if (this.leadership === null) return
    const { lastRound, provedSent } = this.leadership.lease
    this.lastRound = lastRound
    const hasCommitted = this.log.committed >= this.leadership.noop
    if (provedSent !== null && hasCommitted) {
      this.freshness.heard(this.log.committed, provedSent, this.log.applied)
    }
    for (const read of this.leadership.reads) {
      this.answers.push({ id: read.id, type: 'refused', code: 'not_leader', leader: null })
    }
    this.leadership = null
  }
}
