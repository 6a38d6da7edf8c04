/**
 * The replica as the edge sees it: the same questions with promises. Nothing here rejects, and
 * nothing is decided here.
 */
import type {
  ClusterView,
  Compacted,
  Failure,
  LockAnswer,
  LockRequest,
  MembersAnswer,
  MembersRequest,
  NodeStatus,
  ReadAnswer,
  ReadOptions,
  Registry,
  Renewal,
  Self,
  WaitTarget,
  WatchOptions,
} from '../http/registry.ts'
import type { Raft } from '../raft/mod.ts'
import {
  encodeCommand,
  InvalidCommand,
  sinceClusterVersion,
  type Command,
  type Outcome,
  type StateReader,
} from '../state/mod.ts'
import { BeatGatherer } from './beat-gatherer.ts'
import { REPLICA_DEFAULTS } from './config.ts'
import type { Reply } from './desk.ts'
import type { CallFailure } from './leader-calls.ts'
import { failure, NO_STATE } from './failures.ts'
import { acquireLock, type LockHost } from './lock-acquire.ts'
import { encodeMemberRequest } from './members/member-codec.ts'
import type { Replica } from './replica.ts'
import type { Survey } from './peers/surveys.ts'
import { invalidCommand } from './peers/wire.ts'
import { clusterView, decodeClusterInfo, metricsOf } from './status.ts'
import { openWatch } from './watch/gate.ts'
import type { Watch, WatchSink } from './watch/watch.ts'

/** What the process knows and the replica does not. */
export interface GatewayOptions {
  readonly url: string | null
  readonly version: string
  readonly sqlite: string
  readonly startedMs: number
  /** Sizes on disk in bytes. */
  storage(): { readonly walBytes: number; readonly stateBytes: number }
  /** More gauges, by name. */
  metrics(): ReadonlyMap<string, number>
}

const NO_SNAPSHOT: Failure = {
  ok: false,
  failure: 'too_many_requests',
  detail: 'no snapshot could be made: the disk is full, or this node belongs to no cluster yet',
}

/** The bytes of a command, or why it has none: the codec is stricter than any schema. */
function encode(command: Command): Uint8Array | InvalidCommand {
  try {
    return encodeCommand(command)
  } catch (error) {
    if (error instanceof InvalidCommand) return error
    throw error
  }
}

function tooEarly(needed: number, state: { readonly clusterVersion: number }): Failure {
  const detail =
    `this needs clusterVersion ${needed}, and the cluster has ${state.clusterVersion}: it rises by ` +
    'itself once every member runs this release (GET /v1/cluster); nothing was applied'
  return { ok: false, failure: 'conflict', detail }
}

interface Known {
  readonly leader: Raft['leader']
  readonly membership: Raft['membership']
  readonly self: Self
}

/** Between two looks at the clusterVersion: it rises a second or so after the founding. */
const VERSION_LOOK_MS = 50
/** How long a wait that is ahead of this node may look for the leader before it is just held. */
const CATCH_UP_MS = 1_000
const MEMBERS_GRACE_MS = 1_000

export class Gateway implements Registry {
  readonly #replica: Replica
  readonly #options: GatewayOptions
  readonly #beats: BeatGatherer
  /** What `self` said last, and of which leader and members. */
  #known: Known

  constructor(replica: Replica, options: GatewayOptions) {
    this.#replica = replica
    this.#options = options
    const self = { id: replica.identity.id, leaderUrl: null }
    this.#known = { leader: null, membership: null, self }
    const { beatGatherMs, beatsMax } = REPLICA_DEFAULTS
    const { ports, calls } = replica
    this.#beats = new BeatGatherer(
      calls,
      { nowMs: () => ports.clock().nowMs, setTimer: (ms, run) => ports.setTimer(ms, run) },
      { gatherMs: beatGatherMs, beatsMax },
    )
  }

  get #lockHost(): LockHost {
    const { ports, state } = this.#replica
    return {
      local: state,
      propose: (command, options) => this.propose(command, options),
      read: (options, query) => this.read(options, query),
      wait: (target, options) => this.wait(target, options),
      heartbeat: (leases, options) => this.heartbeat(leases, options),
      nowMs: () => ports.clock().nowMs,
      setTimer: (ms, run) => ports.setTimer(ms, run),
    }
  }

  get local(): StateReader {
    return this.#replica.state
  }

  async propose(
    command: Command,
    options: { readonly timeoutMs: number },
  ): Promise<Outcome | Failure> {
    const { calls, state } = this.#replica
    const encoded = encode(command)
    if (!(encoded instanceof Uint8Array)) return invalidCommand(encoded, state.revision)
    const deadlineMs = this.#deadline(options)
    const since = sinceClusterVersion(command)
    if (!(await this.#reaches(since, deadlineMs))) return tooEarly(since, state)
    return await new Promise((resolve) => {
      const request = { type: 'propose', command: encoded } as const
      const done = (result: Reply | CallFailure): void => {
        if (result.type === 'outcome') resolve(result.outcome)
        else resolve(failure(result.type === 'failed' ? result.code : 'unknown'))
      }
      calls.ask(request, deadlineMs, done, command.type === 'keyed')
    })
  }

  /**
   * Whether the cluster has that clusterVersion within the time: a member that lacks the behaviour
   * would stop at the entry. A cluster that was just founded gets there by itself. A witness does not
   * know: whoever asks it is passed on to the leader (`http/forward.ts`).
   */
  async #reaches(version: number, deadlineMs: number): Promise<boolean> {
    const { state, ports } = this.#replica
    while (state.clusterVersion < version) {
      if (ports.clock().nowMs >= deadlineMs) return false
      await new Promise<void>((resolve) => void ports.setTimer(VERSION_LOOK_MS, resolve))
    }
    return true
  }

  readNow<T>(options: ReadOptions, query: (state: StateReader) => T): ReadAnswer<T> | null {
    if (this.#replica.identity.witness) return NO_STATE
    const result = this.#replica.reads.now(options, query)
    return result === null || result.ok ? result : failure(result.code)
  }

  read<T>(options: ReadOptions, query: (state: StateReader) => T): Promise<ReadAnswer<T>> {
    const now = this.readNow(options, query)
    if (now !== null) return Promise.resolve(now)
    const { consistency, maxStalenessMs, minRevision } = options
    const deadlineMs = this.#deadline(options)
    return new Promise((resolve) => {
      const request = { consistency, maxStalenessMs, minRevision, deadlineMs }
      this.#replica.reads.read(request, query, (result) => {
        resolve(result.ok ? result : failure(result.code))
      })
    })
  }

  renewNow(lease: string): Renewal | null {
    return this.#replica.desk.renewNow(lease) ?? null
  }

  heartbeat(
    leases: readonly string[],
    options: { readonly timeoutMs: number },
  ): Promise<{ readonly ok: true; readonly renewals: readonly (Renewal | null)[] } | Failure> {
    const { calls, desk, raft } = this.#replica
    const [lease] = leases
    if (lease === undefined) return Promise.resolve({ ok: true, renewals: [] })
    const isOne = leases.length === 1
    const renewal = isOne ? desk.renewNow(lease) : undefined
    if (renewal !== undefined) return Promise.resolve({ ok: true, renewals: [renewal] })
    const deadlineMs = this.#deadline(options)
    return new Promise((resolve) => {
      if (!isOne || raft.role === 'leader') {
        const beats = leases.map((lease) => ({ lease }))
        calls.ask({ type: 'heartbeats', beats }, deadlineMs, (result) => {
          if (result.type === 'beats') resolve({ ok: true, renewals: result.results })
          else resolve(failure(result.type === 'failed' ? result.code : 'no_leader'))
        })
        return
      }
      this.#beats.add(lease, deadlineMs, (result) => {
        if (result !== null && 'type' in result) resolve(failure(result.code))
        else resolve({ ok: true, renewals: [result] })
      })
    })
  }

  async wait(
    target: WaitTarget,
    options: {
      readonly since: number
      readonly waitMs: number
      readonly signal: AbortSignal
      readonly current: (state: StateReader) => number
    },
  ): Promise<Failure | null> {
    const { state, waits, ports, identity } = this.#replica
    if (identity.witness) return NO_STATE
    const { since, waitMs, signal } = options
    const isFenced = (): boolean => this.#replica.custody.fence.reason !== null
    if (isFenced()) return failure('fenced')
    const deadlineMs = ports.clock().nowMs + waitMs
    if (since > state.revision && !signal.aborted && (await this.#isFuture(since, waitMs))) {
      return null
    }
    // From here to the waiter's place in one turn, so that no change slips through.
    if (signal.aborted || options.current(state) > since) return null
    if (waits.size >= REPLICA_DEFAULTS.waitersMax) return failure('too_many_requests')
    return new Promise((resolve) => {
      const end = (): void => {
        cancelTimer()
        takeBack()
        signal.removeEventListener('abort', end)
        resolve(isFenced() ? failure('fenced') : null)
      }
      // After a snapshot everybody is woken: who finds nothing new waits on.
      const look = (): void => {
        takeBack()
        if (isFenced() || options.current(state) > since) end()
        else takeBack = stand()
      }
      const stand = (): (() => void) => {
        const back = waits.add(target, since, look)
        if (target.also === undefined) return back
        const { ns, also: topic } = target
        const alsoBack = waits.add({ ns, topic, prefix: false }, since, look)
        return () => (back(), alsoBack())
      }
      let takeBack = stand()
      const leftMs = Math.max(0, deadlineMs - ports.clock().nowMs)
      const cancelTimer = ports.setTimer(leftMs, end)
      signal.addEventListener('abort', end, { once: true })
    })
  }

  /**
   * Whether `since` is above the store's revision: it belongs to another store, and is no reason to
   * wait. It may also be that this node has not applied it yet (it was written a moment ago, and
   * elsewhere), so the leader is asked. Where none is known, the wait is held like any other.
   */
  async #isFuture(since: number, waitMs: number): Promise<boolean> {
    const timeoutMs = Math.min(waitMs, CATCH_UP_MS)
    const options = {
      consistency: 'lease',
      maxStalenessMs: null,
      minRevision: 0,
      timeoutMs,
    } as const
    const reached = await this.read(options, ({ revision }) => revision)
    return reached.ok && since > reached.value
  }

  watch(
    options: WatchOptions,
    sink: WatchSink,
  ): Promise<{ readonly ok: true; readonly watch: Watch } | Failure | Compacted> {
    return openWatch(this.#replica, options, sink)
  }

  acquireLock(request: LockRequest): Promise<LockAnswer> {
    return acquireLock(this.#lockHost, request)
  }

  survey(
    question: Uint8Array,
    { timeoutMs }: { readonly timeoutMs: number },
  ): Promise<({ readonly ok: true } & Survey) | Failure> {
    return new Promise((resolve) => {
      this.#replica.surveys.ask(question, timeoutMs, (survey) => {
        resolve(survey === null ? failure('too_many_requests') : { ok: true, ...survey })
      })
    })
  }

  answerSurveys(answer: (question: Uint8Array) => Uint8Array): void {
    this.#replica.surveys.answerBy(answer)
  }

  expiresInMs(lease: string): number | null {
    return this.#replica.desk.expiresInMs(lease)
  }

  /** Every answer asks for it, and it hardly ever changes. */
  self(): Self {
    const { raft, identity } = this.#replica
    const { leader, membership } = raft
    if (leader !== this.#known.leader || membership !== this.#known.membership) {
      const leaderUrl = membership?.members.find(({ id }) => id === leader)?.url ?? null
      this.#known = { leader, membership, self: { id: identity.id, leaderUrl } }
    }
    return this.#known.self
  }

  status(): NodeStatus {
    const { raft, identity, recovery, recoveryProgress, waitingFor, ports, upkeep } = this.#replica
    const { fence, checks } = this.#replica.custody
    const { url, version, sqlite, startedMs } = this.#options
    const clock = ports.clock()
    const isLearner = raft.membership?.learners.includes(identity.id) ?? false
    const acting = raft.role === 'pre_candidate' ? 'candidate' : raft.role
    const role = identity.witness ? 'witness' : acting
    const { storage } = this.#options
    return {
      id: identity.id,
      url,
      version,
      sqlite,
      role: isLearner ? 'learner' : role,
      term: raft.term,
      leader: raft.leader,
      leaderUrl: this.self().leaderUrl,
      commitIndex: raft.committed,
      appliedIndex: raft.applied,
      recovery,
      recoveryProgress,
      leaseRemainingMs: raft.role === 'leader' ? Math.floor(raft.leaseRemainingMs(clock)) : null,
      uptimeMs: Math.round(clock.nowMs - startedMs),
      // Asked of the disk, so only when somebody looks.
      get storage() {
        return { ...storage(), snapshotIndex: upkeep.snapshot?.index ?? 0 }
      },
      waitingFor,
      fenced: fence.reason,
      alarm: checks.alarm,
    }
  }

  cluster(options: { readonly timeoutMs: number }): Promise<ClusterView> {
    const replica = this.#replica
    if (replica.raft.role === 'leader') return Promise.resolve(clusterView(replica))
    return new Promise((resolve) => {
      replica.calls.ask({ type: 'cluster_info' }, this.#deadline(options), (result) => {
        const known = result.type === 'cluster_info'
        resolve(known ? decodeClusterInfo(result.info) : clusterView(replica))
      })
    })
  }

  changeMembers(
    change: MembersRequest,
    options: { readonly timeoutMs: number; readonly force: boolean },
  ): Promise<MembersAnswer | Failure> {
    const { timeoutMs, force } = options
    const request = encodeMemberRequest({ change, force, waitMs: timeoutMs })
    // The leader answers by itself in that time; what is on its way then gets a little more.
    const deadlineMs = this.#deadline({ timeoutMs: timeoutMs + MEMBERS_GRACE_MS })
    return new Promise((resolve) => {
      this.#replica.calls.ask({ type: 'change_members', change: request }, deadlineMs, (reply) => {
        if (reply.type === 'failed') return resolve(failure(reply.code))
        if (reply.type !== 'members_changed') return resolve(failure('unknown'))
        const { result } = reply
        if (!result.ok) return resolve(result)
        const { index: revision, leader, warnings } = result
        resolve({ ok: true, revision, leader, warnings })
      })
    })
  }

  snapshot(): Promise<{ readonly ok: true; readonly index: number } | Failure> {
    if (this.#replica.identity.witness) return Promise.resolve(NO_STATE)
    if (this.#replica.custody.fence.reason !== null) return Promise.resolve(failure('fenced'))
    return new Promise((resolve) => {
      this.#replica.takeSnapshot((snapshot) => {
        resolve(snapshot === null ? NO_SNAPSHOT : { ok: true, index: snapshot.index })
      })
    })
  }

  metrics(): ReadonlyMap<string, number> {
    return new Map([...metricsOf(this.#replica), ...this.#options.metrics()])
  }

  #deadline(options: { readonly timeoutMs: number }): number {
    return this.#replica.ports.clock().nowMs + options.timeoutMs
  }
}
