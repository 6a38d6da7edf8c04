/**
 * One node: inputs in, effects out. The loop is synchronous over ports, so the simulator runs
 * this very class.
 *
 * Whatever arrives (messages, requests, finished disk writes) is queued, and handled in one turn
 * at the end of the event loop's: one batch, one append to the log, one frame a peer (DESIGN §2).
 */
import { assert, present } from '../lib/assert.ts'
import type { PeerIdentity, PeerMessage, PeerRequest } from '../mesh/peer.ts'
import {
  decodeMembership,
  hasDataVoter,
  Raft,
  type Input,
  type NodeId,
  type RaftConfig,
} from '../raft/mod.ts'
import type { Entry, EntryId, InitialState, Ready } from '../raft/mod.ts'
import type { StateMachine } from '../state/mod.ts'
import { AppliedWaits } from './applied-waits.ts'
import { Belonging } from './belonging.ts'
import { CatchUp } from './catch-up.ts'
import { REPLICA_DEFAULTS, type ReplicaConfig } from './config.ts'
import { LeaderDesk, NOT_LEADER, type Reply, type ReplyTo } from './desk.ts'
import { judgePeer, type FoundingMember } from './founding.ts'
import { JOIN_MS, Joining } from './joining.ts'
import { LeaderCalls } from './leader-calls.ts'
import { Liveness } from './liveness.ts'
import { encodeMemberRequest } from './member-codec.ts'
import { Members } from './members.ts'
import { isStranger } from './peers.ts'
import type { ReplicaPorts } from './ports.ts'
import { Reads } from './reads.ts'
import { encodeClusterInfo } from './status.ts'
import { ReplicaTimers } from './timers.ts'
import { Upkeep } from './upkeep.ts'
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
  readonly upkeep: Upkeep
  readonly catchUp: CatchUp
  readonly ports: ReplicaPorts
  readonly #raftConfig: RaftConfig
  readonly #joining: Joining
  readonly #applied = new AppliedWaits()
  readonly #belonging: Belonging
  #inbox: Input[] = []
  #turnDue = false
  #stopped = false
  readonly #timers: ReplicaTimers
  #leaderBefore: NodeId | null = null
  /** What was committed when this node first heard a leader; null before (DESIGN §7). */
  #recoveryTarget: number | null = null
  /** The newest link of each peer: an answer leaves on the link that brought its question. */
  readonly #links = new Map<NodeId, { readonly peer: PeerIdentity }>()
  /** Committed while apply is paused; the core hands out no more until it is applied. */
  #unapplied: readonly Entry[] = []
  #applying = true

  constructor(options: ReplicaOptions, state: StateMachine, ports: ReplicaPorts) {
    const config = { ...REPLICA_DEFAULTS, ...options.config }
    this.state = state
    this.ports = ports
    this.raft = new Raft(options.raft, options.initial)
    this.#raftConfig = options.raft
    this.#belonging = new Belonging(
      {
        raft: this.raft,
        ports,
        hasMetPeers: () => this.#links.size > 0,
        bootstrap: (membership) => this.enqueue({ type: 'bootstrap', membership }),
      },
      {
        identity: options.identity,
        founding: options.founding,
        contact: options.contact ?? null,
      },
    )
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
      identity: () => this.identity,
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
      accepted: (membership) => this.#belonging.promised(membership),
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
    this.upkeep = this.#makeUpkeep(config)
    this.catchUp = this.#makeCatchUp()
  }

  #makeUpkeep(config: ReplicaConfig): Upkeep {
    const { raft, state, ports } = this
    const host = {
      raft,
      state,
      log: ports.log,
      store: ports.store,
      nowMs: () => ports.clock().nowMs,
      setApplying: (on: boolean) => this.#setApplying(on),
      step: (input: Input) => {
        raft.step(input, ports.clock())
        this.#turnSoon()
      },
    }
    return new Upkeep(host, config)
  }

  #makeCatchUp(): CatchUp {
    const { raft, ports } = this
    return new CatchUp({
      raft,
      store: ports.store,
      logger: ports.logger,
      nowMs: () => ports.clock().nowMs,
      isWitness: this.#raftConfig.witness,
      urlOf: (id) => {
        const link = ports.mesh.peers().find((peer) => peer.id === id)
        return link?.identity?.url ?? null
      },
      mayInstall: () => !this.upkeep.busy,
      turnSoon: () => this.#turnSoon(),
      installed: ({ snapshot }) => this.#installed(snapshot.index),
    })
  }

  get identity(): PeerIdentity {
    return this.#belonging.identity
  }

  /** For whom founding waits, null where it does not. */
  get waitingFor(): string | null {
    return this.#belonging.waitingFor
  }

  /** Of DESIGN §7: `idle` before a leader is known; what is committed by then is caught up with. */
  get recovery(): 'idle' | 'fetching_snapshot' | 'applying_log' | 'synced' {
    if (this.catchUp.progress !== null) return 'fetching_snapshot'
    if (this.#recoveryTarget === null) return 'idle'
    return this.raft.applied >= this.#recoveryTarget ? 'synced' : 'applying_log'
  }

  /** How far that is: bytes of the snapshot, or entries of the log. Null: nothing is on its way. */
  get recoveryProgress(): { readonly done: number; readonly total: number } | null {
    const fetching = this.catchUp.progress
    if (fetching !== null) return { done: fetching.bytes, total: fetching.totalBytes }
    if (this.recovery !== 'applying_log') return null
    return { done: this.raft.applied, total: present(this.#recoveryTarget, 'it is applying') }
  }

  /** Begins: links to peers, timers, founding. */
  start(): void {
    this.#belonging.start()
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
      const over = leader !== null && leader !== this.identity.id
      if (over || this.ports.clock().nowMs >= endMs || !this.#canElect()) return done()
      this.ports.setTimer(HAND_OVER_LOOK_MS, look)
    }
    look()
  }

  /** Whether the voters that can be reached from here, this one included, could elect another. */
  #canElect(): boolean {
    const { membership } = this.raft
    if (membership === null) return false
    const { voters } = membership
    const links = this.ports.mesh.peers().filter(({ connected }) => connected)
    const others = voters.filter((voter) => links.some(({ id }) => id === voter))
    return others.length + 1 > voters.length / 2 && hasDataVoter(membership, others)
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
    this.catchUp.stop()
  }

  /** Takes a snapshot now. Null: it could not be made. */
  takeSnapshot(done: (snapshot: EntryId | null) => void): void {
    this.upkeep.take(done)
    this.#turnSoon()
  }

  /** Whether a link to this peer is welcome: a reason to refuse it, or null. */
  judge(peer: PeerIdentity): string | null {
    const { membership } = this.raft
    const connectedAs = (id: NodeId) => this.members.connectedAs(id)?.incarnation ?? null
    return judgePeer(this.identity, peer, { membership, connectedAs })
  }

  /** An authenticated link came up. An empty node takes the cluster of whoever accepted it. */
  peerUp(peer: PeerIdentity): void {
    this.#belonging.offered(peer.clusterId)
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
          if (this.identity.clusterId !== null) {
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
    const { id, incarnation, url, witness } = peer
    const change = { type: 'join', id, incarnation, url, role, witness } as const
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
    this.#followLeader()
    this.#belonging.endOfTurn()
    if (this.raft.membership === null) this.#joining.endOfTurn()
    this.desk.endOfTurn()
    this.members.endOfTurn()
    this.upkeep.endOfTurn()
    this.catchUp.endOfTurn()
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
    if (ready.committed.length === 0) return
    if (this.#applying) this.#apply(ready.committed)
    else this.#unapplied = ready.committed
  }

  #setApplying(on: boolean): void {
    this.#applying = on
    if (!on || this.#stopped) return
    const entries = this.#unapplied
    this.#unapplied = []
    if (entries.length > 0) this.#apply(entries)
    this.#turnSoon()
  }

  /** The state is a snapshot now: the core's log follows, and whoever waited for this is told. */
  #installed(index: number): void {
    const { state, raft } = this
    const bytes = present(state.membershipBytes, 'a snapshot holds a membership')
    raft.step(
      {
        type: 'snapshot_installed',
        snapshot: { index: state.appliedIndex, term: state.appliedTerm },
        clusterMs: state.clusterMs,
        membership: { index: state.membershipIndex, membership: decodeMembership(bytes) },
      },
      this.ports.clock(),
    )
    this.#unapplied = []
    this.#recoveryTarget = Math.max(this.#recoveryTarget ?? 0, raft.leaderCommit)
    this.upkeep.installed(index)
    this.desk.overtaken(index)
    this.#applied.reached(index)
    this.waits.wakeAll(index)
    this.ports.logger.info('snapshot installed', { index })
    this.#turnSoon()
  }

  /** One transaction; then those who waited are told, in the order of the log. */
  #apply(entries: readonly Entry[]): void {
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
}
