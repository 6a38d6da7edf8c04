/** What a node says of itself: `GET /v1/status`. Alone here, since `createNode` promises it too. */
export interface NodeStatus {
  readonly id: string
  readonly url: string | null
  readonly version: string
  readonly sqlite: string
  readonly role: 'leader' | 'follower' | 'candidate' | 'learner' | 'witness'
  readonly term: number
  /** The leader's id, and where clients reach it; null while none is known. */
  readonly leader: string | null
  readonly leaderUrl: string | null
  readonly commitIndex: number
  readonly appliedIndex: number
  readonly recovery: 'idle' | 'fetching_snapshot' | 'applying_log' | 'synced'
  /** Bytes of the snapshot, or entries of the log; null where nothing is caught up with. */
  readonly recoveryProgress: { readonly done: number; readonly total: number } | null
  readonly leaseRemainingMs: number | null
  readonly uptimeMs: number
  readonly storage: {
    readonly walBytes: number
    readonly snapshotIndex: number
    readonly stateBytes: number
  }
  /** While it waits to be founded: for whom, and why; null afterwards. */
  readonly waitingFor: string | null
  /** Why nothing is answered from the state of this node; null where it is trusted. */
  readonly fenced: string | null
  /** Of a leader: that states differ and nobody can tell which is right; null otherwise. */
  readonly alarm: string | null
}
