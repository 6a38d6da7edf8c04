/**
 * One node: inputs in, effects out. The loop is synchronous over ports, so the simulator runs
 * this very class.
 *
 * Whatever arrives (messages, requests, finished disk writes) is queued, and handled in one turn
 * at the end of the event loop's: one batch, one append to the log, one frame a peer (DESIGN §2).
 */
import { assert, present } from '../lib/assert.ts'
import type { PeerIdentity } from '../mesh/peer.ts'
import { decodeMembership, Raft, type Input, type NodeId, type RaftConfig } from '../raft/mod.ts'
import type { Entry, EntryId, InitialState, Ready } from '../raft/mod.ts'
import { UnknownCommand } from '../state/mod.ts'
import type { AppliedBatch, Command, StateMachine } from '../state/mod.ts'
import { AppliedWaits } from './applied-waits.ts'
import { Belonging } from './members/belonging.ts'
import { CatchUp } from './custody/catch-up.ts'
import { REPLICA_DEFAULTS, type ReplicaConfig } from './config.ts'
import { Custody } from './custody/custody.ts'
import { LeaderDesk } from './desk.ts'
import type { FoundingMember } from './members/founding.ts'
import { handOver } from './hand-over.ts'
import { Inbox } from './inbox.ts'
import { Joining } from './members/joining.ts'
import { LeaderCalls } from './leader-calls.ts'
import { Liveness } from './liveness.ts'
import { Members } from './members/members.ts'
import { PeerLinks } from './peers/links.ts'
import type { ReplicaPorts } from './ports.ts'
import { Reads } from './reads.ts'
import { Recovery, type RecoveryState } from './custody/recovery.ts'
import { encodeClusterInfo } from './status.ts'
import { Surveys } from './peers/surveys.ts'
import { ReplicaTimers } from './timers.ts'
import { Upkeep } from './custody/upkeep.ts'
import { Waits } from './waits.ts'
import { WatchHub } from './watch/hub.ts'

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
  readonly surveys: Surveys
  readonly reads: Reads
  readonly desk: LeaderDesk
  readonly members: Members
  readonly links: PeerLinks
  readonly upkeep: Upkeep
  readonly catchUp: CatchUp
  readonly custody: Custody
  readonly watches: WatchHub
  readonly ports: ReplicaPorts
  readonly #raftConfig: RaftConfig
  readonly #joining: Joining
  readonly #applied = new AppliedWaits()
  readonly #belonging: Belonging
  readonly #inbox: Inbox
  #turnDue = false
  #stopped = false
  readonly #timers: ReplicaTimers
  readonly #recovery: Recovery
  #leaderBefore: NodeId | null = null
  /** Committed while apply is paused; the core hands out no more until it is applied. */
  #unapplied: readonly Entry[] = []
  #applying = true

  constructor(options: ReplicaOptions, state: StateMachine, ports: ReplicaPorts) {
    const config = { ...REPLICA_DEFAULTS, ...options.config }
    this.state = state
    this.ports = ports
    this.raft = new Raft(options.raft, options.initial)
    this.#inbox = new Inbox({
      raft: this.raft,
      setTimer: (ms, run) => ports.setTimer(ms, run),
      turnSoon: () => this.#turnSoon(),
    })
    this.watches = new WatchHub(
      {
        state,
        nowMs: () => ports.clock().nowMs,
        defer: (run) => ports.defer(run),
        setTimer: (ms, run) => ports.setTimer(ms, run),
      },
      config,
    )
    this.#raftConfig = options.raft
    this.#belonging = new Belonging(
      {
        raft: this.raft,
        ports,
        hasMetPeers: () => this.links.hasMetAny,
        isFoundedAnew: () => this.state.compactedRevision > 0,
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
      removeDeadAfterMs: config.removeDeadAfterMs,
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
    this.surveys = this.#makeSurveys(self)
    this.reads = new Reads(
      {
        raft: this.raft,
        state,
        applied: this.#applied,
        calls: this.calls,
        isFenced: () => this.custody.fence.reason !== null,
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
        commandBytesMax: () => ports.log.commandBytesMax,
        leases: () => state.leases(),
        readyLocks: () => state.locks.ready(),
        clusterInfo: () => encodeClusterInfo(this),
        changeMembers: (change, reply) => {
          this.members.ask(change, reply)
          this.#turnSoon()
        },
        stateReported: (from, report) => this.custody.checks.reported(from, report),
        offerState: (after, reply) => this.custody.offerState(after, reply),
        isFenced: () => this.custody.fence.reason !== null,
      },
      new Liveness({
        heartbeatMs: options.raft.heartbeatMs,
        electionTimeoutMs: options.raft.electionMaxMs,
        leasesPerRound: config.leasesPerRound,
      }),
      { proposalsMax: config.proposalsMax },
    )
    this.links = new PeerLinks({
      raft: this.raft,
      desk: this.desk,
      calls: this.calls,
      belonging: this.#belonging,
      joining: this.#joining,
      surveys: this.surveys,
      ports,
      connectedAs: (id) => this.members.connectedAs(id),
      clusterVersion: () => state.clusterVersion,
      revision: () => state.revision,
      enqueue: (input) => this.enqueue(input),
      turnSoon: () => this.#turnSoon(),
    })
    this.upkeep = this.#makeUpkeep(config)
    this.custody = this.#makeCustody(config)
    this.catchUp = this.#makeCatchUp()
    this.#recovery = new Recovery(this.raft, this.catchUp)
  }

  #makeSurveys(self: NodeId): Surveys {
    const { ports } = this
    return new Surveys({
      self,
      members: () => {
        const members = this.raft.membership?.members ?? []
        return members.filter(({ witness }) => !witness).map(({ id }) => id)
      },
      links: () => ports.mesh.peers(),
      send: (to, id, request) => {
        this.#turnSoon() // The frame leaves with the end of the turn.
        return ports.mesh.send(to, { type: 'request', id, request })
      },
      setTimer: (ms, run) => ports.setTimer(ms, run),
    })
  }

  #makeUpkeep(config: ReplicaConfig): Upkeep {
    const { raft, state, ports } = this
    const host = {
      raft,
      state,
      log: ports.log,
      store: ports.store,
      nowMs: () => ports.clock().nowMs,
      setTimer: (ms: number, run: () => void) => ports.setTimer(ms, run),
      setApplying: (on: boolean) => this.#setApplying(on),
      wrong: (finding: string) => this.custody.fence.found(finding),
      step: (input: Input) => this.#step(input),
    }
    return new Upkeep(host, config)
  }

  #makeCustody(config: ReplicaConfig): Custody {
    const { raft, state, ports, calls } = this
    const host = {
      raft,
      state,
      ports,
      calls,
      identity: () => this.identity,
      connectedAs: (id: NodeId) => this.members.connectedAs(id),
      membersObstacle: () => this.members.obstacle(),
      upkeep: () => this.upkeep,
      propose: (command: Command) => this.desk.proposeOwn([command]),
      step: (input: Input) => this.#step(input),
      fenced: () => this.#fenced(),
      stop: () => this.stop(),
    }
    return new Custody(host, config)
  }

  /** Whoever waits for something from a state that is wrong is sent away. */
  #fenced(): void {
    this.desk.overtaken(Infinity)
    this.reads.stop()
    this.waits.wakeAll(Infinity)
    this.watches.cutAll('fenced')
  }

  #makeCatchUp(): CatchUp {
    const { raft, ports } = this
    return new CatchUp({
      raft,
      fence: this.custody.fence,
      store: ports.store,
      logger: ports.logger,
      nowMs: () => ports.clock().nowMs,
      isWitness: this.#raftConfig.witness,
      placeOf: (id) => ports.mesh.peers().find((peer) => peer.id === id)?.identity ?? null,
      mayInstall: () => !this.upkeep.busy,
      turnSoon: () => this.#turnSoon(),
      installed: () => this.#installed('snapshot_installed'),
      replaced: () => this.#installed('state_replaced'),
    })
  }

  get identity(): PeerIdentity {
    return this.#belonging.identity
  }

  /** For whom founding waits, null where it does not. */
  get waitingFor(): string | null {
    return this.#belonging.waitingFor
  }

  get recovery(): RecoveryState {
    return this.#recovery.state
  }

  /** How far that is; see `custody/recovery.ts`. */
  get recoveryProgress(): { readonly done: number; readonly total: number } | null {
    return this.#recovery.progress
  }

  /** Begins: links to peers, timers, founding. */
  start(): void {
    this.#belonging.start()
    this.#turnSoon()
  }

  /** `done` is called once another leads, nobody can, or `waitMs` have passed (SIGTERM). */
  handOver(waitMs: number, done: () => void): void {
    handOver(this, waitMs, done)
  }

  /**
   * Ends all that clients still wait for on this node, so that each gets an answer before it is
   * gone: a write that was sent as `unknown`, everything else as not applied.
   */
  endRequests(): void {
    this.calls.stop()
    this.surveys.stop()
    this.reads.stop()
  }

  /** Stops acting. What is under way on disk may still finish; nothing is answered any more. */
  stop(): void {
    this.#stopped = true
    this.#timers.stop()
    this.#inbox.stop()
    this.watches.stop()
    this.catchUp.stop()
    this.upkeep.stop()
  }

  /** Takes a snapshot now. Null: it could not be made. */
  takeSnapshot(done: (snapshot: EntryId | null) => void): void {
    if (this.custody.fence.reason !== null) return done(null)
    this.upkeep.take(done)
    this.#turnSoon()
  }

  enqueue(input: Input): void {
    this.#inbox.push(input)
  }

  /** At once, between turns: the core must know before anything else happens. */
  #step(input: Input): void {
    this.raft.step(input, this.ports.clock())
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
    for (const input of this.#inbox.takeInputs()) this.raft.step(input, this.ports.clock())
    this.#stepProposals()
    this.#drain()
    this.#followLeader()
    this.#belonging.endOfTurn()
    if (this.raft.membership === null) this.#joining.endOfTurn()
    this.desk.endOfTurn()
    this.members.endOfTurn()
    this.custody.endOfTurn()
    this.upkeep.endOfTurn()
    this.catchUp.endOfTurn()
    this.ports.mesh.flush()
    this.#timers.endOfTurn()
  }

  /** They came together, so one look at the clock is enough. */
  #stepProposals(): void {
    const proposals = this.#inbox.takeProposals()
    if (proposals.length === 0) return
    const clock = this.ports.clock()
    for (const proposal of proposals) this.raft.step(proposal, clock)
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
      if (this.links.isForAnother(message)) continue
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
    if (this.#mayApply) this.#apply(ready.committed)
    else this.#unapplied = ready.committed
  }

  get #mayApply(): boolean {
    return this.#applying && this.custody.fence.reason === null
  }

  #setApplying(on: boolean): void {
    this.#applying = on
    if (!this.#mayApply || this.#stopped) return
    const entries = this.#unapplied
    this.#unapplied = []
    if (entries.length > 0) this.#apply(entries)
    this.#turnSoon()
  }

  /** The state is a snapshot now: the core's log follows, and whoever waited for this is told. */
  #installed(type: 'snapshot_installed' | 'state_replaced'): void {
    const { state, raft } = this
    const { appliedIndex: index, appliedTerm: term, clusterMs } = state
    const bytes = present(state.membershipBytes, 'a snapshot holds a membership')
    const membership = { index: state.membershipIndex, membership: decodeMembership(bytes) }
    raft.step({ type, snapshot: { index, term }, clusterMs, membership }, this.ports.clock())
    this.custody.checks.replaced()
    this.#unapplied = []
    this.#recovery.installed()
    this.upkeep.installed(index)
    this.desk.overtaken(index)
    this.#applied.reached(index)
    this.waits.wakeAll(index)
    this.watches.installed()
    this.ports.logger.info('snapshot installed', { index, log: type })
    this.#turnSoon()
  }

  /** One transaction; then those who waited are told, in the order of the log. */
  #apply(entries: readonly Entry[]): void {
    const batch = this.#applyToState(entries)
    if (batch === null) return
    const { index } = present(entries.at(-1), 'a batch holds entries')
    assert(this.state.revision === index, 'the state stands at the last entry of the batch')
    this.upkeep.applied(entries)
    this.raft.step({ type: 'applied', index }, this.ports.clock())
    if (!this.custody.applied(batch.notes)) return // What it came to is not to be trusted.
    this.desk.stateChanged(batch)
    this.desk.applied(entries, batch.outcomes)
    this.#applied.reached(index)
    this.waits.wake(batch.topics)
    this.watches.applied(batch.events, index)
  }

  /** Null: the log holds what this program does not know. It never skips (DESIGN §1.7). */
  #applyToState(entries: readonly Entry[]): AppliedBatch | null {
    try {
      return this.state.applyBatch(entries, (index) => this.desk.wants(index))
    } catch (error) {
      if (!(error instanceof UnknownCommand)) throw error
      this.stop()
      this.ports.misplaced(error.message)
      return null
    }
  }

  #followLeader(): void {
    const { leader } = this.raft
    this.#recovery.aim()
    if (leader === this.#leaderBefore) return
    this.#leaderBefore = leader
    const { term } = this.raft
    if (leader === null) this.ports.logger.warn('no leader', { term })
    else this.ports.logger.info('leader', { leader, term })
    this.calls.leaderChanged()
  }
}
