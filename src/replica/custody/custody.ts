/**
 * Whether the state of this node can be trusted, and what the cluster may ask of it: checks through
 * the log, the fence, the clusterVersion, and how much history is kept, put together.
 */
import type { PeerIdentity, StateReport } from '../../mesh/peer.ts'
import type { Input, LogIndex, NodeId, Raft } from '../../raft/mod.ts'
import { SCHEMA_VERSION, type Command, type StateMachine, type StateNote } from '../../state/mod.ts'
import type { ReplicaConfig } from '../config.ts'
import { TOO_MANY, type ReplyTo } from '../desk.ts'
import { Fence } from './fence.ts'
import { HistoryTrims } from './history-trims.ts'
import type { LeaderCalls } from '../leader-calls.ts'
import type { ReplicaPorts } from '../ports.ts'
import { StateChecks } from './state-checks.ts'
import type { Upkeep } from './upkeep.ts'
import { Versions } from './versions.ts'

/** The first clusterVersion in which states are compared. */
const CHECKED_SINCE = 2
/** A report that finds no leader in this time is void: there will be another check. */
const REPORT_MS = 10_000

export interface CustodyHost {
  readonly raft: Raft
  readonly state: StateMachine
  readonly ports: ReplicaPorts
  readonly calls: LeaderCalls
  identity(): PeerIdentity
  connectedAs(id: NodeId): PeerIdentity | null
  membersObstacle(): string | null
  upkeep(): Upkeep
  propose(command: Command): void
  step(input: Input): void
  /** Nothing is applied, and nobody waits, from now on. */
  fenced(): void
  /** The process is about to end: nothing is done any more. */
  stop(): void
}

export class Custody {
  readonly fence: Fence
  readonly checks: StateChecks
  readonly versions: Versions
  readonly history: HistoryTrims
  readonly #host: CustodyHost
  /** Members that were named already. */
  readonly #lost = new Set<NodeId>()

  constructor(host: CustodyHost, config: ReplicaConfig) {
    this.#host = host
    const { raft, state, ports, calls } = host
    const { logger, store } = ports
    const nowMs = (): number => ports.clock().nowMs
    const isKnown = (): boolean => state.clusterVersion >= CHECKED_SINCE
    // On a full disk its reserve is for what cannot wait.
    const propose = (command: Command): void => {
      if (ports.log.acceptsWrites) host.propose(command)
    }
    this.fence = new Fence(
      {
        raft,
        store,
        calls,
        logger,
        nowMs,
        keepsState: !host.identity().witness,
        applied: () => state.appliedIndex,
        canRepair: () => {
          const { leader } = raft
          const max = leader === null ? 0 : (host.connectedAs(leader)?.clusterVersionMax ?? 0)
          return max >= CHECKED_SINCE
        },
        step: (input) => host.step(input),
        fenced: () => host.fenced(),
      },
      config,
    )
    this.checks = new StateChecks(
      {
        raft,
        schema: SCHEMA_VERSION,
        logger,
        nowMs,
        isKnown,
        propose,
        stateHash: () => state.stateHash(),
        report: (report) => this.#report(report),
        differs: ({ index, own, right }) =>
          this.fence.raise(
            `at entry ${index} its hash was ${own}, and that of a majority ${right}`,
          ),
      },
      config,
    )
    this.history = new HistoryTrims({ raft, state, nowMs, propose }, config)
    this.versions = new Versions({
      raft,
      self: () => host.identity(),
      clusterVersion: () => state.clusterVersion,
      connectedAs: (id) => host.connectedAs(id),
      membersObstacle: () => host.membersObstacle(),
      nowMs,
      propose,
    })
  }

  endOfTurn(): void {
    const { raft } = this.#host
    if (raft.lostUpTo > 0) return this.#endLostLog(raft.lostUpTo)
    if (raft.role === 'leader') this.#nameLost()
    else this.#lost.clear()
    this.versions.endOfTurn()
    this.fence.endOfTurn()
    if (this.fence.reason !== null) return
    this.checks.endOfTurn()
    this.history.endOfTurn()
  }

  /** What a batch said of the state it was applied to. Returns whether that can be trusted still. */
  applied(notes: readonly StateNote[]): boolean {
    if (notes.length > 0) this.checks.applied(notes)
    return this.fence.reason === null
  }

  /** It promised what it cannot keep; whoever counted on it knows by now. */
  #endLostLog(upTo: LogIndex): void {
    this.#host.stop()
    this.#host.ports.misplaced(
      `this node acknowledged the log up to entry ${upTo} and does not hold that any more: its ` +
        'disk lost what it had reported as durable. The leader does not count this node any more. ' +
        'To rejoin: move its data directory away, to a disk that keeps what it syncs, and start it ' +
        'again with --join URL of a member, or with its --cluster list where that names one; the ' +
        'cluster takes it back and gives it the data',
    )
  }

  /** On the leader, once for each: nobody waits in silence for a member that cannot catch up. */
  #nameLost(): void {
    for (const { id, state } of this.#host.raft.progress) {
      if (state !== 'lost') this.#lost.delete(id)
      else if (!this.#lost.has(id)) {
        this.#lost.add(id)
        const { logger } = this.#host.ports
        const repair = 'wipe its data directory, replace its disk, and start it again'
        const what =
          'a member lost log entries that it had acknowledged: it is not counted any more'
        logger.error(what, { member: id, repair })
      }
    }
  }

  metrics(): readonly (readonly [string, number])[] {
    const { checks, fence } = this
    return [
      ...this.#clusterVersion(),
      ['rollcall_state_agreed_index', checks.agreedIndex],
      ['rollcall_members_lost_log', this.#lost.size],
      ['rollcall_state_alarm', checks.alarm === null ? 0 : 1],
      ...fence.metrics(),
      ...this.history.metrics(),
    ]
  }

  /** A witness reads no command, so it does not learn of those that raise it. */
  #clusterVersion(): readonly (readonly [string, number])[] {
    const { identity, state } = this.#host
    return identity().witness ? [] : [['rollcall_cluster_version', state.clusterVersion]]
  }

  #report(report: StateReport): void {
    const deadlineMs = this.#host.ports.clock().nowMs + REPORT_MS
    this.#host.calls.ask({ type: 'report_state', ...report }, deadlineMs, () => {})
  }

  /** On the leader: a snapshot beyond `after`, for a member that is fenced. */
  offerState(after: number, reply: ReplyTo): void {
    const { state } = this.#host
    // A database file's name is never used twice (DESIGN §4), so the log has to go on first.
    if (state.appliedIndex <= after) {
      this.#host.propose({ type: 'state_check' })
      return reply(TOO_MANY)
    }
    const from = this.#host.identity().id
    this.#host.upkeep().offer(after, (meta) => {
      reply(meta === null ? TOO_MANY : { type: 'state_offered', from, ...meta })
    })
  }
}
