/**
 * What the routes need of the node behind them. The replica satisfies it without knowing; a test
 * passes an object literal. Nothing here rejects: failures are values with a code of API.md.
 */
import type { MemberChange } from '../replica/members/member-change.ts'
import type { Watch, WatchRequest, WatchSink } from '../replica/watch/watch.ts'
import type { Survey } from '../replica/peers/surveys.ts'
import type { Command } from '../state/command.ts'
import type { LockGrantRow } from '../state/locks/rows.ts'
import type { Outcome, Refusal } from '../state/outcome.ts'
import type { StateReader } from '../state/reader.ts'
import type { NodeStatus } from './cluster/node-status.ts'

export type { NodeStatus } from './cluster/node-status.ts'

export type Consistency = 'lease' | 'linearizable' | 'stale'

/** Why a request could not be served. Nothing was applied but for `outcome_unknown`. */
export interface Failure {
  readonly ok: false
  readonly failure:
    | 'no_leader'
    | 'too_stale'
    | 'too_many_requests'
    | 'outcome_unknown'
    | 'fenced'
    /** The cluster is not ready for it: some member runs an older release. */
    | 'conflict'
  readonly detail: string
}

export interface ReadOptions {
  readonly consistency: Consistency
  /** Of a `stale` read: older than this is refused; null: any age. */
  readonly maxStalenessMs: number | null
  /** Answered once this node has applied it; 0: at once. */
  readonly minRevision: number
  readonly timeoutMs: number
}

/** How a read was really served: what the response headers say. */
export interface ReadStamp {
  readonly consistency: Consistency
  readonly revision: number
  /** Of a `stale` read; null where no quorum was ever confirmed. */
  readonly stalenessMs: number | null
}

export type ReadAnswer<T> =
  { readonly ok: true; readonly value: T; readonly stamp: ReadStamp } | Failure

/** Who answers, and who leads: named in every answer. */
export interface Self {
  readonly id: string
  /** Null: no leader is known, or it has no URL. */
  readonly leaderUrl: string | null
}

export interface Renewal {
  readonly ttlMs: number
  readonly expiresInMs: number
}

/** Asks for a lock, and waits for it. */
export interface LockRequest {
  readonly ns: string
  readonly name: string
  /** A `lock_acquire` as it is proposed, or what wraps one. */
  readonly command: Command
  /** A repeat of it has the same outcome, so its place in the queue outlives the connection. */
  readonly isKeyed: boolean
  /** As in the command; above 0 where `waitMs` is. */
  readonly waiterTtlMs: number
  readonly waitMs: number
  /** For each step beside the wait. */
  readonly timeoutMs: number
  /** The client hung up. */
  readonly gone: AbortSignal
  /** This node ends. */
  readonly closing: AbortSignal | null
}

export type LockAnswer =
  | { readonly ok: true; readonly type: 'granted'; readonly grant: LockGrantRow }
  | {
      readonly ok: true
      readonly type: 'not_granted'
      /** `lost`: it was granted or queued, and has lapsed or been given up since. */
      readonly why: 'waited' | 'lost'
      readonly revision: number
    }
  /** Nobody is there to be answered. */
  | { readonly ok: true; readonly type: 'left' }
  | Refusal
  | Failure

/** A resource that can be waited for; see `state/changes.ts` for topics. */
export interface WaitTarget {
  readonly ns: string
  readonly topic: string
  /** Whether every topic that begins with `topic` counts. */
  readonly prefix: boolean
  /** Another topic whose changes may be its own: `current` tells. */
  readonly also?: string
}

export interface MemberView {
  readonly id: string
  readonly url: string | null
  readonly role: 'voter' | 'learner' | 'witness'
  readonly leader: boolean
  readonly reachable: boolean
  readonly matchIndex: number
  readonly lagEntries: number
  readonly lastContactMs: number | null
  readonly version: string | null
  /** The newest clusterVersion that its program knows; null where it is not connected. */
  readonly clusterVersionMax: number | null
}

export interface ClusterView {
  readonly clusterId: string | null
  readonly clusterVersion: number
  /** A newer one that the leader knows; null where there is none. */
  readonly upgrade: UpgradeView | null
  readonly term: number
  readonly leader: string | null
  readonly revision: number
  readonly members: readonly MemberView[]
  /** Fewer data nodes than a quorum hold all that is committed; known to the leader alone. */
  readonly degraded: boolean
  /** What that means, as a sentence; null where it is not. */
  readonly degradedDetail: string | null
  /** The change of the members that is under way; null where none is. */
  readonly change: ChangeView | null
  /** What the leader does about members that it does not reach; null: nothing, by itself. */
  readonly deadMembers: DeadMembersView | null
}

/** `--remove-dead-after`, as the leader goes by it. */
export interface DeadMembersView {
  readonly removeAfterMs: number
  readonly silent: readonly {
    readonly id: string
    /** As this leader saw it itself. */
    readonly silentMs: number
    /** Why it stays all the same, as a sentence. */
    readonly keptBy: string | null
  }[]
  /** By this leader, since its process started; the last ones. */
  readonly removed: readonly {
    readonly id: string
    readonly silentMs: number
    readonly removedAt: string
  }[]
}

export interface UpgradeView {
  /** The clusterVersion that comes next. */
  readonly to: number
  /** Which members hold it up and why, as sentences; known to the leader alone. */
  readonly blockedBy: readonly string[]
}

export interface ChangeView {
  /** New voters catch up first; then old and new voters decide together, for a moment. */
  readonly phase: 'catching_up' | 'joint'
  readonly voters: readonly string[]
  readonly learners: readonly string[]
  /** What it waits for, as sentences; known to the leader alone. */
  readonly blockedBy: readonly string[]
}

/** What is wanted of the members, or of the leadership. */
export type MembersRequest =
  | MemberChange
  /** To that voter, or to the one that is furthest. */
  | { readonly type: 'transfer'; readonly to: string | null }

export type MembersAnswer =
  | {
      readonly ok: true
      /** Of the entry that holds the change, or of the membership that was so already. */
      readonly revision: number
      readonly leader: string | null
      readonly warnings: readonly string[]
    }
  | {
      readonly ok: false
      readonly code: 'conflict' | 'not_found' | 'invalid_request'
      readonly detail: string
    }

/** A watch that cannot begin there: the reader must read anew, and watch from then on. */
export interface Compacted {
  readonly ok: false
  readonly failure: 'revision_compacted'
  readonly detail: string
  /** The least `since` that a watch can begin at. */
  readonly oldest: number
}

export interface WatchOptions extends Omit<WatchRequest, 'since'> {
  /** Null: from now on. */
  readonly since: number | null
  readonly timeoutMs: number
}

export interface Registry {
  /** Proposes here or at the leader, waits for a leader within the time. */
  propose(command: Command, options: { readonly timeoutMs: number }): Promise<Outcome | Failure>

  /**
   * Waits until this node may answer at that consistency, then asks `query`: again where what it
   * rested on ended meanwhile.
   */
  read<T>(options: ReadOptions, query: (state: StateReader) => T): Promise<ReadAnswer<T>>
  /** The same where nothing has to be waited for; null: it is `read` that must be asked. */
  readNow<T>(options: ReadOptions, query: (state: StateReader) => T): ReadAnswer<T> | null

  /**
   * Renews a lease where that can be answered in this very turn, as most beats can that the leader is
   * sent; null: `heartbeat` must be asked.
   */
  renewNow(lease: string): Renewal | null
  /** Renews leases; null where one is unknown or expired. In the order asked. */
  heartbeat(
    leases: readonly string[],
    options: { readonly timeoutMs: number },
  ): Promise<{ readonly ok: true; readonly renewals: readonly (Renewal | null)[] } | Failure>

  /**
   * Ends when the target has a revision above `since` in this node's applied state, when
   * `waitMs` have passed, when the signal aborts, or at once where `since` lies in the future.
   * A failure: too many wait already.
   * `current` gives the target's revision now.
   */
  wait(
    target: WaitTarget,
    options: {
      readonly since: number
      readonly waitMs: number
      readonly signal: AbortSignal
      readonly current: (state: StateReader) => number
    },
  ): Promise<Failure | null>

  /**
   * Events of this node's applied state after `since`, in their order, to `sink`, until either side
   * ends it. Waits within the time until `since` is applied here. The sink is first called after
   * this has resolved.
   */
  watch(
    options: WatchOptions,
    sink: WatchSink,
  ): Promise<{ readonly ok: true; readonly watch: Watch } | Failure | Compacted>

  /** Ends when it is granted and renewed, or the waiting is over and nothing is left of it. */
  acquireLock(request: LockRequest): Promise<LockAnswer>

  /**
   * Asks the edge of every member that keeps data, this node's too; a member that did not answer
   * within the time is named. A failure: too many such questions are open.
   */
  survey(
    question: Uint8Array,
    options: { readonly timeoutMs: number },
  ): Promise<({ readonly ok: true } & Survey) | Failure>
  /** From now on `answer` answers such questions here. It must not throw. */
  answerSurveys(answer: (question: Uint8Array) => Uint8Array): void

  /** On the leader: what remains of a lease; null elsewhere and for an unknown one. */
  expiresInMs(lease: string): number | null
  /** The local state as it is, for what needs no promise (heartbeat bodies, metrics). */
  readonly local: StateReader
  /** Asked for every answer's headers: without IO or a query, and nothing is made for it. */
  self(): Self
  /** Without IO or a query, but for the sizes on disk, which are asked for when they are read. */
  status(): NodeStatus
  /** Asks the leader for what only it knows, within the time; else as known here. */
  cluster(options: { readonly timeoutMs: number }): Promise<ClusterView>
  /**
   * Changes the members at the leader: waits within the time for what stands in the way, and for
   * the first step to be committed. `force`: also where the quorum would be lost.
   */
  changeMembers(
    request: MembersRequest,
    options: { readonly timeoutMs: number; readonly force: boolean },
  ): Promise<MembersAnswer | Failure>
  /** Takes a snapshot of this node's state now; ends when it is there. */
  snapshot(): Promise<{ readonly ok: true; readonly index: number } | Failure>
  /** Counters and gauges by name, for `/metrics`. */
  metrics(): ReadonlyMap<string, number>
}
