/**
 * One node: inputs in, effects out. The loop is synchronous over ports, so the simulator runs
 * this very class.
 *
 * Whatever arrives (messages, requests, finished disk writes) is queued, and handled in one turn
 * at the end of the event loop's: one batch, one append to the log, one frame a peer (DESIGN §2).
 */
import { assert, present } from '../lib/assert.ts'
import type { PeerIdentity, PeerMessage, PeerRequest } from '../mesh/peer.ts'
import { memberOf, Raft, type Input, type NodeId, type RaftConfig } from '../raft/mod.ts'
import type { InitialState, Member, Membership, Ready } from '../raft/mod.ts'
import type { StateMachine } from '../state/mod.ts'
import { AppliedWaits } from './applied-waits.ts'
import { REPLICA_DEFAULTS, type ReplicaConfig } from './config.ts'
import { LeaderDesk, NOT_LEADER, type Reply, type ReplyTo } from './desk.ts'
import {
  firstMembership,
  foundingList,
  judgePeer,
  misplacedBy,
  waitsFor,
  type FoundingMember,
} from './founding.ts'
import { JOIN_MS, Joining } from './joining.ts'
import { LeaderCalls } from './leader-calls.ts'
import { Liveness } from './liveness.ts'
import { encodeMemberRequest } from './member-codec.ts'
import { Members } from './members.ts'
import { isStranger, wantedPeers } from './peers.ts'
import type { ReplicaPorts } from './ports.ts'
import { Reads } from './reads.ts'
import { encodeClusterInfo } from './status.ts'
import { ReplicaTimers } from './timers.ts'
import { Waits } from './waits.ts'
import { fromResponse, refuseForwarded, toResponse } from './wire.ts'

const HAND_OVER_LOOK_MS = 10

export interface ReplicaOptions {
  readonly raft: RaftConfig
  readonly initial: InitialState
  readonly identity: PeerIdentity
  /** The `--cluster` list; a node alone lists itself; empty of one that joins another cluster. */
  readonly founding: readonly FoundingMember[]
  /** Where it looks for the cluster that it joins, while it is empty; null: nowhere. */
  readonly contact?: string | null
  readonly config?: Partial<ReplicaConfig>
}

export class Replica {
  readonly raft: Raft
  readonly state: StateMachine
  readonly waits = new Waits()
  readonly calls: LeaderCalls
  readonly reads: Reads
  readonly desk: LeaderDesk
  readonly members: Members
  readonly ports: ReplicaPorts
  readonly #raftConfig: RaftConfig
  readonly #founding: readonly FoundingMember[]
  readonly #contact: string | null
  readonly #joining: Joining
  readonly #applied = new AppliedWaits()
  #identity: PeerIdentity
  #inbox: Input[] = []
  #turnDue = false
  #stopped = false
  readonly #timers: ReplicaTimers
  #leaderBefore: NodeId | null = null
  #membershipBefore: Membership | null = null
  #departingBefore: readonly Member[] = []
  #ledBefore = false
  /** As the cluster answered an empty node that it took in; its own log says it soon. */
  #promised: Membership | null = null
  /** What was committed when this node first heard a leader; null before (DESIGN §7). */
  #recoveryTarget: number | null = null
  #waitingFor: string | null = null
  /** The cluster of a member that accepted this empty node. */
  #offered: string | null = null
  #peersSet = false
  /** The newest link of each peer: an answer leaves on the link that brought its question. */
  readonly #links = new Map<NodeId, { readonly peer: PeerIdentity }>()
  #misplaced = false

  constructor(options: ReplicaOptions, state: StateMachine, ports: ReplicaPorts) {
    const config = { ...REPLICA_DEFAULTS, ...options.config }
    this.state = state
    this.ports = ports
    this.raft = new Raft(options.raft, options.initial)
    this.#raftConfig = options.raft
    this.#founding = options.founding
    this.#contact = options.contact ?? null
    this.#identity = {
      ...options.identity,
      foundingList: options.founding.length === 0 ? null : foundingList(options.founding),
      membershipIndex: this.raft.membershipIndex,
      join: this.raft.membership === null ? options.identity.join : null,
    }
    this.#timers = new ReplicaTimers(ports, {
      lateMs: options.raft.heartbeatMs,
      nextTickMs: () => this.raft.nextTickMs,
      tick: () => this.enqueue({ type: 'tick' }),
    })
    const self = options.raft.id
    this.members = new Members({
      raft: this.raft,
      electionMinMs: options.raft.electionMinMs,
      logger: ports.logger,
      identity: () => this.#identity,
      clock: () => ports.clock(),
      links: () => ports.mesh.peers(),
      enqueue: (input) => this.enqueue(input),
    })
    this.#joining = new Joining({
      role: options.identity.join,
      logger: ports.logger,
      clock: () => ports.clock(),
      links: () => ports.mesh.peers(),
      send: (to, message) => ports.mesh.send(to, message),
      wakeIn: (ms) => void ports.setTimer(ms, () => this.#turnSoon()),
      accepted: (membership) => {
        this.#promised = membership
        this.#peersSet = false
      },
    })
    this.calls = new LeaderCalls(
      {
        self,
        leader: () => this.raft.leader,
        nowMs: () => ports.clock().nowMs,
        serve: (request, reply) => this.desk.serve(request, reply),
        send: (to, id, request) => {
          this.#turnSoon() // The frame leaves with the end of the turn.
          return ports.mesh.send(to, { type: 'request', id, request })
        },
        setTimer: (ms, run) => ports.setTimer(ms, run),
      },
      { max: config.forwardsMax, sweepMs: config.sweepMs },
    )
    this.reads = new Reads(
      {
        raft: this.raft,
        state,
        applied: this.#applied,
        calls: this.calls,
        clock: () => ports.clock(),
        defer: (run) => ports.defer(run),
        setTimer: (ms, run) => ports.setTimer(ms, run),
      },
      { readsMax: config.readsMax },
    )
    this.desk = new LeaderDesk(
      {
        raft: this.raft,
        self,
        clock: () => ports.clock(),
        enqueue: (input) => this.enqueue(input),
        acceptsWrites: () => ports.log.acceptsWrites,
        leases: () => state.leases(),
        clusterInfo: () => encodeClusterInfo(this),
        changeMembers: (change, reply) => {
          this.members.ask(change, reply)
          this.#turnSoon()
        },
      },
      new Liveness({
        heartbeatMs: options.raft.heartbeatMs,
        electionTimeoutMs: options.raft.electionMaxMs,
        leasesPerCommand: config.leasesPerCommand,
      }),
      { proposalsMax: config.proposalsMax },
    )
  }

  get identity(): PeerIdentity {
    return this.#identity
  }

  /** For whom founding waits, null where it does not. */
  get waitingFor(): string | null {
    return this.#waitingFor
  }

  /** Of DESIGN §7: `idle` before a leader is known, then `applying_log`, then `synced`. */
  get recovery(): 'idle' | 'applying_log' | 'synced' {
    if (this.#recoveryTarget === null) return 'idle'
    return this.raft.applied >= this.#recoveryTarget ? 'synced' : 'applying_log'
  }

  /** Begins: links to peers, timers, founding. */
  start(): void {
    this.ports.mesh.setIdentity(this.#identity)
    this.#followMembership()
    this.#turnSoon()
  }

  /**
   * Hands leadership over where this node leads (SIGTERM), and calls `done` once another leads,
   * nobody can, or `waitMs` have passed. Proposals of this node's clients go to the next leader
   * meanwhile.
   */
  handOver(waitMs: number, done: () => void): void {
    const isAlone = (this.raft.membership?.voters.length ?? 1) === 1
    if (this.raft.role !== 'leader' || isAlone) return done()
    this.enqueue({ type: 'transfer' })
    const endMs = this.ports.clock().nowMs + waitMs
    const look = (): void => {
      const { leader } = this.raft
      const over = leader !== null && leader !== this.#identity.id
      if (over || this.ports.clock().nowMs >= endMs || !this.#canElect()) return done()
      this.ports.setTimer(HAND_OVER_LOOK_MS, look)
    }
    look()
  }

  /** Whether the voters that can be reached from here, this one included, could elect another. */
  #canElect(): boolean {
    const voters = this.raft.membership?.voters ?? []
    const links = this.ports.mesh.peers().filter(({ connected }) => connected)
    const others = links.filter(({ id }) => voters.includes(id)).length
    return others + 1 > voters.length / 2
  }

  /**
   * Ends all that clients still wait for on this node, so that each gets an answer before it is
   * gone: a write that was sent as `unknown`, everything else as not applied.
   */
  endRequests(): void {
    this.calls.stop()
    this.reads.stop()
  }

  /** Stops acting. What is under way on disk may still finish; nothing is answered any more. */
  stop(): void {
    this.#stopped = true
    this.#timers.stop()
  }

  /** Whether a link to this peer is welcome: a reason to refuse it, or null. */
  judge(peer: PeerIdentity): string | null {
    const { membership } = this.raft
    const connectedAs = (id: NodeId) => this.members.connectedAs(id)?.incarnation ?? null
    return judgePeer(this.#identity, peer, { membership, connectedAs })
  }

  /** An authenticated link came up. An empty node takes the cluster of whoever accepted it. */
  peerUp(peer: PeerIdentity): void {
    // Taken at the end of the turn: it renews the links, and one of them has just called us.
    if (this.#identity.clusterId === null) this.#offered ??= peer.clusterId
    this.#links.set(peer.id, { peer })
    this.calls.retry()
    this.#turnSoon()
  }

  peerDown(id: NodeId): void {
    this.calls.linkLost(id)
    this.#joining.linkLost(id)
    this.#turnSoon()
  }

  /** What a peer sent, in one frame. */
  receive(from: NodeId, messages: readonly PeerMessage[]): void {
    for (const message of messages) {
      switch (message.type) {
        case 'raft':
          // An empty node belongs to no cluster: it has no business with anybody's log.
          if (this.#identity.clusterId !== null) {
            this.enqueue({ type: 'message', message: message.message })
          }
          break
        case 'request':
          this.#serve(from, message.id, message.request)
          break
        case 'response':
          if (this.#joining.answered(from, message.id, message.response)) this.#turnSoon()
          else this.calls.answered(from, message.id, fromResponse(message.response))
          break
      }
    }
  }

  /** A peer takes us for the leader. */
  #serve(from: NodeId, id: number, request: PeerRequest): void {
    const link = this.#links.get(from)
    const reply = (given: Reply): void => {
      // A restarted peer counts its calls anew: what its last process asked is nobody's question.
      if (this.#links.get(from) !== link) return
      const response = toResponse(given)
      // What does not fit on the link is not lost in silence: the caller is told at once.
      if (!this.ports.mesh.send(from, { type: 'response', id, response })) {
        const refused = { type: 'refused', code: 'unknown' } as const
        this.ports.mesh.send(from, { type: 'response', id, response: refused })
      }
      this.#turnSoon()
    }
    if (request.type === 'join') return this.#passOn(from, request.role, reply)
    const asker = this.#links.get(from)?.peer ?? null
    if (isStranger(this.raft.membership, from, asker)) return reply(NOT_LEADER)
    if (request.type === 'propose') {
      const refusal = refuseForwarded(request.command, this.state.revision)
      if (refusal !== null) return reply({ type: 'outcome', outcome: refusal })
    }
    this.desk.serve(request, reply)
  }

  /** An empty node asks to be taken in: the leader is told who it proved to be. */
  #passOn(from: NodeId, role: 'voter' | 'learner' | null, reply: ReplyTo): void {
    const peer = this.#links.get(from)?.peer
    if (peer === undefined || this.raft.membership === null) return reply(NOT_LEADER)
    const { id, incarnation, url } = peer
    const change = { type: 'join', id, incarnation, url, role } as const
    const bytes = encodeMemberRequest({ change, force: false, waitMs: JOIN_MS })
    const deadlineMs = this.ports.clock().nowMs + 2 * JOIN_MS
    this.calls.ask({ type: 'change_members', change: bytes }, deadlineMs, (result) => {
      if (result.type !== 'failed') reply(result)
      else
        reply(
          result.code === 'too_many_requests' ? { type: 'refused', code: result.code } : NOT_LEADER,
        )
    })
  }

  enqueue(input: Input): void {
    this.#inbox.push(input)
    this.#turnSoon()
  }

  #turnSoon(): void {
    if (this.#turnDue) return
    this.#turnDue = true
    this.ports.defer(() => {
      this.#turnDue = false
      if (!this.#stopped) this.#turn()
    })
  }

  #turn(): void {
    const inputs = this.#inbox
    this.#inbox = []
    for (const input of inputs) this.raft.step(input, this.ports.clock())
    this.#drain()
    if (this.#offered !== null && this.#identity.clusterId === null) this.#adopt(this.#offered)
    this.#maybeFound()
    this.#checkPlace()
    this.#followLeader()
    this.#followMembership()
    if (this.raft.membership === null) this.#joining.endOfTurn()
    this.desk.endOfTurn()
    this.members.endOfTurn()
    this.ports.mesh.flush()
    this.#timers.endOfTurn()
  }

  /** Does what the core wants done; a long replay is spread over turns, so that peers are heard. */
  #drain(): void {
    for (let ready = this.raft.takeReady(); ready !== null; ready = this.raft.takeReady()) {
      this.#execute(ready)
      if (ready.committed.length >= this.#raftConfig.applyEntriesMax) return this.#turnSoon()
    }
  }

  #execute(ready: Ready): void {
    for (const message of ready.messages) {
      this.ports.mesh.send(message.to, { type: 'raft', message })
    }
    // Peers write while we do (Thesis §10.2.1): their frames leave before our disk is asked.
    this.ports.mesh.flush()
    const { write } = ready
    if (write !== null) {
      this.ports.log.write(write, () => this.enqueue({ type: 'persisted', write: write.write }))
    }
    this.desk.answered(ready.answers)
    if (ready.answers.length > 0) this.members.answered(ready.answers)
    if (ready.committed.length > 0) this.#apply(ready)
  }

  /** One transaction; then those who waited are told, in the order of the log. */
  #apply(ready: Ready): void {
    const entries = ready.committed
    const batch = this.state.applyBatch(entries, (index) => this.desk.wants(index))
    const { index } = present(entries.at(-1), 'a batch holds entries')
    assert(this.state.revision === index, 'the state stands at the last entry of the batch')
    this.raft.step({ type: 'applied', index }, this.ports.clock())
    this.desk.leasesChanged(batch.leases)
    this.desk.applied(entries, batch.outcomes)
    this.#applied.reached(index)
    this.waits.wake(batch.topics)
  }

  #followLeader(): void {
    const { leader } = this.raft
    if (leader !== null && this.#recoveryTarget === null) this.#aimRecovery()
    if (leader === this.#leaderBefore) return
    this.#leaderBefore = leader
    const { term } = this.raft
    if (leader === null) this.ports.logger.warn('no leader', { term })
    else this.ports.logger.info('leader', { leader, term })
    this.calls.leaderChanged()
  }

  /** What was committed when this node started must be applied before it counts as synced. */
  #aimRecovery(): void {
    if (this.raft.role !== 'leader') this.#recoveryTarget = this.raft.leaderCommit
    else if (this.raft.hasCommittedInTerm) this.#recoveryTarget = this.raft.noopIndex
  }

  /** Keeps links to exactly whom `peers.ts` names; an empty node that joins: to anybody there. */
  #followMembership(): void {
    const { membership, membershipIndex, departing } = this.raft
    const isSame = membership === this.#membershipBefore
    const leads = this.raft.role === 'leader'
    const isAsBefore = isSame && leads === this.#ledBefore && this.#peersSet
    if (isAsBefore && departing.length === this.#departingBefore.length) return
    this.#peersSet = true
    this.#ledBefore = leads
    this.#departingBefore = departing
    if (!isSame) this.#noteMembership(membership)
    this.#membershipBefore = membership
    if (membershipIndex !== this.#identity.membershipIndex) {
      this.#identity = { ...this.#identity, membershipIndex, join: null }
      this.ports.mesh.setIdentity(this.#identity)
    }
    const [self, promised, founding] = [this.#identity, this.#promised, this.#founding]
    const view = { self, membership, promised, founding, departing, leads }
    this.ports.mesh.setPeers(wantedPeers(view))
    this.ports.mesh.setContact(membership === null ? this.#contact : null)
  }

  /** One line for the operator, where it is about this node. */
  #noteMembership(membership: Membership | null): void {
    if (membership === null) return
    const before = this.#membershipBefore
    const { id, incarnation } = this.#identity
    const isIn = memberOf(membership, id)?.incarnation === incarnation
    const wasIn = before === null || memberOf(before, id)?.incarnation === incarnation
    if (!isIn && wasIn) {
      this.ports.logger.warn('this node is not a member of its cluster any more; it can be stopped')
    }
  }

  /**
   * Founds, or says for whom it waits. A founder that crashed after it had stored the cluster's
   * id and before entry 1 founds the same cluster again: until that entry is durable no vote
   * request leaves, so nobody else can hold another.
   */
  #maybeFound(): void {
    if (this.raft.membership !== null) {
      this.#waitingFor = null
      return
    }
    const lowest = this.#founding.map(({ id }) => id).sort()[0]
    if (lowest === undefined) {
      this.#waitingFor = `the cluster at ${this.#contact ?? 'the given address'} takes it in`
      return
    }
    const links = this.ports.mesh.peers()
    const isFounder = lowest === this.#identity.id
    const waiting = isFounder ? waitsFor(this.#identity, this.#founding, links) : lowest
    if (waiting !== this.#waitingFor && waiting !== null) {
      this.ports.logger.info('waiting to be founded', { waitingFor: waiting })
    }
    this.#waitingFor = waiting
    if (waiting !== null || this.#inbox.some(({ type }) => type === 'bootstrap')) return
    const membership = firstMembership(this.#identity, this.#founding, links)
    if (this.#identity.clusterId === null) this.#adopt(this.ports.newClusterId())
    this.enqueue({ type: 'bootstrap', membership })
    this.ports.logger.info('founding', { clusterId: this.#identity.clusterId })
  }

  /** Only until the first link: later, whoever turns foreign is the one that is misplaced. */
  #checkPlace(): void {
    if (this.#links.size > 0 || this.#misplaced) return
    const reason = misplacedBy(this.#identity, this.#founding, this.ports.mesh.peers())
    if (reason === null) return
    this.#misplaced = true
    this.ports.misplaced(reason)
  }

  /** Belongs to a cluster from now on, durably, before anything else is said. */
  #adopt(clusterId: string): void {
    assert(this.#identity.clusterId === null, 'a node joins one cluster in its life')
    this.ports.log.setClusterId(clusterId)
    this.#identity = { ...this.#identity, clusterId }
    this.ports.mesh.setIdentity(this.#identity)
  }
}
