/**
 * A registry of one node without consensus: a command passes through its encoding into a real
 * state machine at once. Nothing lapses unless a test says so.
 */
import type * as http from '../../src/http/registry.ts'
import { REPLICA_DEFAULTS, type ReplicaConfig, type WatchSink } from '../../src/replica/mod.ts'
import { WatchHub } from '../../src/replica/watch/hub.ts'
import { setTimer } from '../../src/lib/timer.ts'
import { acquireLock } from '../../src/replica/mod.ts'
import { openSql } from '../../src/runtime/sqlite.ts'
import { encodeCommand, sinceClusterVersion, StateMachine } from '../../src/state/mod.ts'
import type {
  Command,
  KeyRules,
  LeaseRow,
  Outcome,
  StateReader,
  TopicChange,
} from '../../src/state/mod.ts'

interface Waiter {
  readonly target: http.WaitTarget
  readonly isDue: () => boolean
  readonly wake: () => void
}

export class LocalRegistry implements http.Registry {
  readonly local: StateMachine
  readonly watches: WatchHub
  /** Everything that was proposed, in order. */
  readonly proposed: Command[] = []
  /** How reads were asked for, in order. */
  readonly reads: http.ReadOptions[] = []
  /** When set, every proposal, read and heartbeat ends with it. */
  failure: http.Failure | null = null
  fenced: string | null = null
  /** Members that answer no survey. */
  missing: { readonly id: string; readonly why: string }[] = []
  #answer: (question: Uint8Array) => Uint8Array = () => new Uint8Array(0)
  isLeader = true
  /** False: every beat has to wait. */
  answersAtOnce = true
  readonly #waiters = new Set<Waiter>()

  private constructor(state: StateMachine, config: Partial<ReplicaConfig>) {
    this.local = state
    const host = {
      state,
      nowMs: () => this.nowMs,
      defer: (run: () => void) => void setImmediate(run),
      setTimer: (_: number, run: () => void) => {
        this.#timers.add(run)
        return () => void this.#timers.delete(run)
      },
    }
    this.watches = new WatchHub(host, { ...REPLICA_DEFAULTS, ...config })
  }

  static async open(config: Partial<ReplicaConfig> = {}, rules?: KeyRules): Promise<LocalRegistry> {
    const sql = await openSql({ driver: null, path: ':memory:' })
    return new LocalRegistry(StateMachine.open(sql, rules), config)
  }

  /** Over a state that the test holds. */
  static over(state: StateMachine): LocalRegistry {
    return new LocalRegistry(state, {})
  }

  /** What watches take for the time: it passes when a test says so. */
  nowMs = 0
  readonly #timers = new Set<() => void>()

  /** Lets so much time pass, and runs the timers that are set. */
  pass(ms: number): void {
    this.nowMs += ms
    for (const run of Array.from(this.#timers)) {
      this.#timers.delete(run)
      run()
    }
  }

  get waiting(): number {
    return this.#waiters.size
  }

  async propose(command: Command): Promise<Outcome | http.Failure> {
    this.proposed.push(command)
    return this.failure ?? this.apply(command)
  }

  /** Applies a command as its own batch; a cluster of one has whatever clusterVersion it needs. */
  apply(command: Command): Outcome {
    const since = sinceClusterVersion(command)
    if (since > this.local.clusterVersion) this.apply({ type: 'cluster_version', version: since })
    const index = this.local.appliedIndex + 1
    const data = encodeCommand(command)
    const times = { clusterMs: index, wallMs: 1_800_000_000_000 + index }
    const { outcomes, topics, events } = this.local.applyBatch([
      { type: 'command', term: 1, index, ...times, data },
    ])
    this.#wake(topics)
    this.watches.applied(events, index)
    const [outcome] = outcomes
    if (outcome == null) throw new Error('a command has an outcome')
    return outcome
  }

  #wake(topics: readonly TopicChange[]): void {
    for (const { target, isDue, wake } of this.#waiters) {
      const hit = topics.some(
        ({ ns, topic }) =>
          ns === target.ns &&
          (topic === target.also ||
            (target.prefix ? topic.startsWith(target.topic) : topic === target.topic)),
      )
      if (hit && isDue()) wake()
    }
  }

  async read<T>(options: http.ReadOptions, query: (state: StateReader) => T) {
    this.reads.push(options)
    return this.#answerRead(options, query)
  }

  /** Like a follower, which has to ask the leader first, where it is none. */
  readNow<T>(options: http.ReadOptions, query: (state: StateReader) => T) {
    if (!this.isLeader && options.consistency !== 'stale') return null
    this.reads.push(options)
    return this.#answerRead(options, query)
  }

  #answerRead<T>(options: http.ReadOptions, query: (state: StateReader) => T): http.ReadAnswer<T> {
    if (this.failure !== null) return this.failure
    const stalenessMs = options.consistency === 'stale' ? 7 : null
    const { revision } = this.local
    const stamp = { consistency: options.consistency, revision, stalenessMs }
    return { ok: true, value: query(this.local), stamp } as const
  }

  /** As the leader does: what has to be logged for a beat takes longer than a turn. */
  renewNow(id: string): http.Renewal | null {
    const lease = this.failure === null && this.answersAtOnce ? this.local.lease(id) : null
    return lease === null || lease.lapsed ? null : this.#renew(lease)
  }

  async heartbeat(leases: readonly string[]) {
    if (this.failure !== null) return this.failure
    return { ok: true, renewals: leases.map((id) => this.#renew(this.local.lease(id))) } as const
  }

  #renew(lease: LeaseRow | null): http.Renewal | null {
    if (lease === null) return null
    const { id, leaseRevision } = lease
    if (lease.lapsed) this.apply({ type: 'lease_clear', leases: [{ id, leaseRevision }] })
    return { ttlMs: lease.ttlMs, expiresInMs: lease.ttlMs }
  }

  /** What the leader does when a TTL ran out. */
  lapse(id: string): void {
    const leaseRevision = this.local.lease(id)?.leaseRevision ?? 0
    this.apply({ type: 'lease_expire', leases: [{ id, leaseRevision }] })
  }

  acquireLock(request: http.LockRequest): Promise<http.LockAnswer> {
    return acquireLock(
      {
        local: this.local,
        propose: (command) => this.propose(command),
        read: (options, query) => this.read(options, query),
        wait: (target, options) => this.wait(target, options),
        heartbeat: (leases) => this.heartbeat(leases),
        nowMs: () => performance.now(),
        setTimer,
      },
      request,
    )
  }

  /** Without timers: it ends when something changes or somebody gives up. */
  wait(target: http.WaitTarget, options: Parameters<http.Registry['wait']>[1]): Promise<null> {
    if (options.current(this.local) > options.since) return Promise.resolve(null)
    if (options.since > this.local.revision || options.signal.aborted) return Promise.resolve(null)
    const { promise, resolve } = Promise.withResolvers<null>()
    const isDue = (): boolean => options.current(this.local) > options.since
    const waiter = { target, isDue, wake: () => resolve(null) }
    this.#waiters.add(waiter)
    options.signal.addEventListener('abort', () => resolve(null))
    return promise.finally(() => this.#waiters.delete(waiter))
  }

  /** Of this one store: what lies ahead of it is of another. */
  async watch({ since, ...options }: http.WatchOptions, sink: WatchSink) {
    if (this.failure !== null) return this.failure
    const { revision, oldestRevision: oldest } = this.local
    if (since !== null && (since > revision || since < oldest)) {
      const detail = `${since} is not to be had`
      return { ok: false, failure: 'revision_compacted', detail, oldest } as const
    }
    const watch = this.watches.open({ ...options, since: since ?? revision }, sink)
    return { ok: true, watch } as const
  }

  /** Of a cluster of one. */
  async survey(question: Uint8Array) {
    if (this.failure !== null) return this.failure
    const answers = [{ id: 'n1', answer: this.#answer(question) }]
    return { ok: true, answers, missing: this.missing } as const
  }

  answerSurveys(answer: (question: Uint8Array) => Uint8Array): void {
    this.#answer = answer
  }

  expiresInMs(lease: string): number | null {
    return this.isLeader ? (this.local.lease(lease)?.ttlMs ?? null) : null
  }

  self(): http.Self {
    const { id, leaderUrl } = this.status()
    return { id, leaderUrl }
  }

  status(): http.NodeStatus {
    const index = this.local.appliedIndex
    const leader = this.failure?.failure === 'no_leader' ? null : 'n1'
    return {
      id: 'n1',
      url: 'http://127.0.0.1:7401',
      version: '1.2.3',
      sqlite: 'bun',
      role: leader === null ? 'candidate' : 'leader',
      term: 1,
      leader,
      leaderUrl: leader === null ? null : 'http://127.0.0.1:7401',
      commitIndex: index,
      appliedIndex: index,
      recovery: leader === null ? 'idle' : 'synced',
      recoveryProgress: null,
      leaseRemainingMs: leader === null ? null : 500,
      uptimeMs: 1_500,
      storage: { walBytes: 64, snapshotIndex: 0, stateBytes: 128 },
      waitingFor: null,
      fenced: this.fenced,
      alarm: null,
    }
  }

  async cluster(): Promise<http.ClusterView> {
    const { revision } = this.local
    return {
      clusterId: 'c1',
      clusterVersion: 1,
      upgrade: null,
      term: 1,
      leader: 'n1',
      revision,
      members: [],
      degraded: false,
      degradedDetail: null,
      change: null,
      deadMembers: null,
    }
  }

  /** What was asked of the members. */
  readonly memberRequests: (Parameters<http.Registry['changeMembers']>[0] & { force: boolean })[] =
    []
  memberAnswer: http.MembersAnswer = { ok: true, revision: 9, leader: 'n2', warnings: [] }

  async changeMembers(
    request: http.MembersRequest,
    { force }: { readonly force: boolean },
  ): Promise<http.MembersAnswer | http.Failure> {
    this.memberRequests.push({ ...request, force })
    return this.failure ?? this.memberAnswer
  }

  async snapshot(): Promise<{ readonly ok: true; readonly index: number }> {
    return { ok: true, index: this.local.revision }
  }

  metrics(): ReadonlyMap<string, number> {
    return new Map([
      ['heartbeats_total', 3],
      ['log.bytes', 64],
    ])
  }
}
