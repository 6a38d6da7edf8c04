import type { EntryId } from '../raft/mod.ts'

/** What the log is opened with: by whom, and what the database next to it already holds. */
export interface WalOptions {
  /** Of every segment but the first. A whole number of blocks. */
  readonly segmentBytes: number
  /** As given by a flag. A new directory without one gets `newNodeId()`. */
  readonly nodeId: string | null
  newNodeId(): string
  /** The log of a witness; a directory keeps its kind. The default is a data node's. */
  readonly witness?: boolean
  /** Random text; called twice for a new directory, for its incarnation and for a secret. */
  newIncarnation(): string
  /** Up to where the database has applied: the log held that durably and must still hold it. */
  readonly appliedIndex: number
  /** The term of that entry, where the database knows it: a sharper check. */
  readonly appliedTerm?: number | null
  /**
   * The snapshot that the database still is, exactly; null where there is none. Where the log does
   * not hold that entry, an install was cut off, and is finished: see `restart`.
   */
  readonly installed?: EntryId | null
  /**
   * The cluster that was founded anew with that snapshot (`rollcall recover`): the log belongs to
   * it from the restart on. Null: the snapshot came from the log's own cluster.
   */
  readonly foundedAnew?: string | null
  /** A write or an fsync failed. Called once; the process must end (DESIGN §1.4). */
  onFailure(error: Error): void
}

export interface WalStats {
  /** Of all segments on disk, the one in reserve included. */
  readonly walBytes: number
  readonly segments: number
  /** Since the log was opened. */
  readonly batches: number
  readonly syncs: number
  readonly bytesWritten: number
}
