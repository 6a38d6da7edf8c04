/** The rules that every role obeys, and the door to the core: inputs in, `Ready` out. */
import { assert, unreachable } from '../lib/assert.ts'
import type { RaftConfig } from './config.ts'
import { Core, type InitialState } from './core.ts'
import {
  campaign,
  onTimeoutNow,
  onVotePersisted,
  onVoteRequest,
  onVoteResponse,
} from './election.ts'
import { appendEntry, onAppend, refuseOldLeader } from './follower.ts'
import { passedMs } from './freshness.ts'
import {
  confirmedAt,
  hasCommittedInTerm,
  leaseRemainingMs,
  maybeCommit,
  onAppendResponse,
  propose,
  readIndex,
  sendAppends,
  tickLeader,
} from './leader.ts'
import { encodeMembership } from './membership.ts'
import { advanceMembership, proposeMembership } from './reconfigure.ts'
import type { ProgressState } from './progress.ts'
import { onInstallSnapshot, snapshotInstalled, stateReplaced, wantedSnapshot } from './snapshot.ts'
import { beginTransfer } from './transfer.ts'
import { dataCopies, type DataCopies } from './witness.ts'
import type {
  Clock,
  HardState,
  Input,
  InstallSnapshot,
  LogIndex,
  Member,
  Membership,
  Message,
  NodeId,
  Ready,
  Role,
  Term,
} from './types.ts'

/** How a leader sees one peer, for people. */
export interface PeerProgress {
  readonly id: NodeId
  readonly match: LogIndex
  readonly lastAckMs: number
  readonly state: ProgressState
  readonly witness: boolean
}

const NOBODY: readonly Member[] = []
const NO_PEERS: readonly PeerProgress[] = []

export class Raft {
  readonly #core: Core

  constructor(config: RaftConfig, initial: InitialState) {
    this.#core = new Core(config, initial)
  }

  get role(): Role {
    return this.#core.role
  }

  get term(): Term {
    return this.#core.term
  }

  /** Whom this node follows, itself while it leads; null while nobody is known. */
  get leader(): NodeId | null {
    return this.#core.leader
  }

  get committed(): LogIndex {
    return this.#core.log.committed
  }

  get applied(): LogIndex {
    return this.#core.log.applied
  }

  get last(): LogIndex {
    return this.#core.log.last
  }

  get persisted(): LogIndex {
    return this.#core.log.persisted
  }

  get hardState(): HardState {
    return this.#core.hardState
  }

  /** In force now, committed or not (Raft §6); null on a node of no cluster. */
  get membership(): Membership | null {
    return this.#core.membership
  }

  /** The entry that brought it; 0 on a node of no cluster. */
  get membershipIndex(): LogIndex {
    return this.#core.memberships.index
  }

  /** Up to where this node acknowledged entries that its disk has lost; 0: nothing is known. */
  get lostUpTo(): LogIndex {
    return this.#core.lostUpTo
  }

  /** On a leader, those that left and are still being told. */
  get departing(): readonly Member[] {
    const departing = this.#core.leadership?.departing
    if (departing === undefined || departing.size === 0) return NOBODY
    return Array.from(departing.values(), ({ member }) => member)
  }

  /** The term of an entry, null where the log holds none. */
  termAt(index: LogIndex): Term | null {
    return this.#core.log.termAt(index)
  }

  /** Whether this node leads and the no-op of its term is committed (Raft §8). */
  get hasCommittedInTerm(): boolean {
    return hasCommittedInTerm(this.#core)
  }

  /**
   * Whether the state here holds all that was committed before this leadership: its duties, and what
   * it may say of leases, begin with that (DESIGN §5). False but on a leader.
   */
  get hasAppliedInTerm(): boolean {
    return this.hasCommittedInTerm && this.#core.log.applied >= this.noopIndex
  }

  /** On a leader, the index of the no-op that opened its term. */
  get noopIndex(): LogIndex {
    return this.#core.leadership?.noop ?? 0
  }

  /** What remains of the leader lease at this moment, 0 where there is none (DESIGN §6). */
  leaseRemainingMs(clock: Clock): number {
    return leaseRemainingMs(this.#core, clock)
  }

  /**
   * How old the newest confirmed commit is that is applied here: on a leader since the sending of
   * the newest round that a quorum acknowledged, elsewhere as the leader's word is dated. Null:
   * never.
   */
  stalenessMs(clock: Clock): number | null {
    const { role, log, freshness } = this.#core
    const isFresh = role === 'leader' && log.applied >= log.committed
    const at = (isFresh ? confirmedAt(this.#core) : null) ?? freshness.at
    return at === null ? null : Math.ceil(passedMs(at, clock))
  }

  /** The largest commit index a leader named; what is behind it is still to be fetched. */
  get leaderCommit(): LogIndex {
    return Math.max(this.#core.leaderCommit, this.#core.log.committed)
  }

  /** On a leader, what it knows of the others, as of any later moment too; empty elsewhere. */
  get progress(): readonly PeerProgress[] {
    const { leadership } = this.#core
    return leadership === null ? NO_PEERS : Array.from(leadership.progress.values())
  }

  /** On a leader, what it knows of one of the others; null for nobody it sends to. */
  progressOf(id: NodeId): PeerProgress | null {
    return this.#core.leadership?.progress.get(id) ?? null
  }

  /** How many copies there are of what is committed; null but on a leader of witnesses. */
  get dataCopies(): DataCopies | null {
    return dataCopies(this.#core)
  }

  /** The last index that is no longer in the log. */
  get compacted(): LogIndex {
    return this.#core.log.compacted
  }

  /** What a leader offers and this node needs: to be fetched and installed; null for none. */
  get wantedSnapshot(): InstallSnapshot | null {
    return wantedSnapshot(this.#core)
  }

  /** When the next `tick` has something to do, on the monotonic clock. */
  get nextTickMs(): number {
    const { leadership, electionDueMs } = this.#core
    if (leadership === null) return electionDueMs
    return Math.min(leadership.heartbeatDueMs, leadership.commitNoticeMs)
  }

  /** Advances the node by one input. Synchronous and total; its only output is the next Ready. */
  step(input: Input, clock: Clock): void {
    const core = this.#core
    assert(clock.nowMs >= core.clock.nowMs, 'the monotonic clock does not go back')
    core.clock = clock
    switch (input.type) {
      case 'tick':
        return tick(core)
      case 'message':
        return onMessage(core, input.message)
      case 'propose':
        if (core.role !== 'leader') return refuse(core, input.id)
        return propose(core, input.id, input.data, input.own)
      case 'propose_membership':
        if (core.role !== 'leader') return refuse(core, input.id)
        return proposeMembership(core, input)
      case 'read_index':
        if (core.role !== 'leader') return refuse(core, input.id)
        return readIndex(core, input.id)
      case 'persisted':
        core.outbox.persisted(input.write)
        if (core.role === 'leader') maybeCommit(core)
        else if (core.role === 'candidate') onVotePersisted(core)
        return
      case 'applied':
        core.log.appliedTo(input.index)
        return core.freshness.applied(input.index)
      case 'compacted':
        return core.log.compactTo(input.at)
      case 'snapshot_ready':
        core.snapshot = input.meta
        return
      case 'snapshot_installed':
        return snapshotInstalled(core, input)
      case 'fence':
        return fence(core, input.on)
      case 'state_replaced':
        return stateReplaced(core, input.snapshot, input.clusterMs)
      case 'transfer':
        if (core.role === 'leader') beginTransfer(core, input.to)
        return
      case 'bootstrap':
        return bootstrap(core, input.membership)
      default:
        return unreachable(input)
    }
  }

  /** Hands out the pending work once, or null when there is none. */
  takeReady(): Ready | null {
    const core = this.#core
    if (core.role === 'leader') advanceMembership(core)
    if (core.role === 'leader') sendAppends(core)
    // The write before the messages: it decides which of them must wait for it.
    const write = core.outbox.takeWrite(core.hardState, core.clock.nowMs)
    const messages = core.outbox.takeMessages()
    const { applyEntriesMax, applyBytesMax } = core.config
    const committed = core.log.takeCommitted(applyEntriesMax, applyBytesMax)
    const { answers } = core
    if (write === null && messages.length + committed.length + answers.length === 0) return null
    core.answers = []
    return { messages, write, committed, answers }
  }
}

function refuse(core: Core, id: number): void {
  core.answers.push({ id, type: 'refused', code: 'not_leader', leader: core.leader })
}

function tick(core: Core): void {
  if (core.role === 'leader') tickLeader(core)
  else if (core.clock.nowMs >= core.electionDueMs) campaign(core)
}

/** Whoever must not lead hands over, or stands down where nobody can take over. */
function fence(core: Core, on: boolean): void {
  core.fenced = on
  if (!on || core.role === 'follower') return
  if (core.role !== 'leader' || !beginTransfer(core)) core.becomeFollower(null)
}

/** Entry 1 of a new cluster, by the one node that founds it (DESIGN §7). */
function bootstrap(core: Core, membership: Membership): void {
  assert(core.log.last === 0 && core.term === 0, 'only an empty node founds')
  assert(core.membership === null, 'a member of a cluster founds no other')
  core.enterTerm(1)
  appendEntry(core, {
    type: 'membership',
    term: 1,
    index: 1,
    clusterMs: 0,
    wallMs: Math.floor(core.clock.wallMs),
    data: encodeMembership(membership),
  })
  core.electionDueMs = core.clock.nowMs // Nobody else can campaign: it knows no members yet.
}

/** Terms first (Raft §5.1), then what the role makes of it. */
function onMessage(core: Core, message: Message): void {
  assert(message.to === core.config.id, 'a message reaches whom it is for')
  if (message.type === 'vote_request' && !mayHear(core, message.transfer)) return
  if (message.term > core.term && adoptsTerm(message)) {
    core.enterTerm(message.term)
    core.becomeFollower(message.type === 'append' ? message.from : null)
  }
  if (message.term < core.term) return onOldTerm(core, message)
  dispatch(core, message)
}

/**
 * Whether a vote request may be looked at: not inside a promise to a leader, and not while we
 * lead and hear a majority; a node that was cut off cannot depose anybody (Thesis §4.2.3).
 */
function mayHear(core: Core, transfer: boolean): boolean {
  return transfer || (!core.refusesVotes && core.role !== 'leader')
}

/** A pre-vote, asked or granted, names a term that nobody is in yet. */
function adoptsTerm(message: Message): boolean {
  if (message.type === 'vote_request') return !message.preVote
  if (message.type === 'vote_response') return !(message.preVote && message.granted)
  return true
}

/** Answers to an older term are void; questions are told of ours. */
function onOldTerm(core: Core, message: Message): void {
  if (message.type === 'append') refuseOldLeader(core, message)
  if (message.type !== 'vote_request') return
  core.outbox.send({
    ...core.envelope(message.from),
    type: 'vote_response',
    preVote: message.preVote,
    granted: false,
  })
}

function dispatch(core: Core, message: Message): void {
  switch (message.type) {
    case 'vote_request':
      return onVoteRequest(core, message)
    case 'vote_response':
      return onVoteResponse(core, message)
    case 'append':
      return onAppend(core, message)
    case 'append_response':
      // A stranger under a member's name is never listened to (DESIGN §7). What a learner holds is
      // tracked; no quorum asks for it.
      if (core.role === 'leader' && core.isFromMember(message)) onAppendResponse(core, message)
      return
    case 'install_snapshot':
      return onInstallSnapshot(core, message)
    case 'log_lost':
      core.lostUpTo = message.acknowledged
      return
    case 'timeout_now':
      if (message.from === core.leader) onTimeoutNow(core)
      return
    default:
      return unreachable(message)
  }
}
