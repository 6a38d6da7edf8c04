/** What peers say to each other, decoded. `codec.ts` maps it to frames. */
import type { Incarnation, LogIndex, Message, NodeId } from '../raft/types.ts'

/** An RPC between replicas, beside the messages of the core. One hop at most. */
export type PeerRequest =
  /** Follower → leader: a parsed, encoded command (`state/codec.ts`). */
  | { readonly type: 'propose'; readonly command: Uint8Array }
  /** Follower → leader: renewals gathered for a few milliseconds. */
  | { readonly type: 'heartbeats'; readonly beats: readonly Beat[] }
  /** Follower → leader: the index a read must wait for, confirmed by lease or by a round. */
  | { readonly type: 'read_index'; readonly mode: 'lease' | 'linearizable' }
  /** Follower → leader: when the lease runs out, for an answer's `expiresInMs`. */
  | { readonly type: 'cluster_info' }

export interface Beat {
  readonly lease: string
}

export type PeerResponse =
  /** The outcome, encoded by `state/codec.ts`. */
  | { readonly type: 'outcome'; readonly outcome: Uint8Array }
  | { readonly type: 'beats'; readonly results: readonly BeatResult[] }
  | { readonly type: 'read_at'; readonly index: LogIndex; readonly mode: 'lease' | 'linearizable' }
  | { readonly type: 'cluster_info'; readonly info: Uint8Array }
  /**
   * `not_leader`: nothing was appended, it may be sent again elsewhere.
   * `unknown`: appended, and its fate is open.
   */
  | { readonly type: 'refused'; readonly code: 'not_leader' | 'too_many_requests' | 'unknown' }

/** One renewal: what remains, or null where the lease is unknown or expired. */
export type BeatResult = { readonly ttlMs: number; readonly expiresInMs: number } | null

export type PeerMessage =
  | { readonly type: 'raft'; readonly message: Message }
  | { readonly type: 'request'; readonly id: number; readonly request: PeerRequest }
  | { readonly type: 'response'; readonly id: number; readonly response: PeerResponse }

/** What a node says of itself when a link opens (DESIGN §7, §9). */
export interface PeerIdentity {
  readonly id: NodeId
  readonly incarnation: Incarnation
  /** Null while it is empty: it belongs to no cluster yet. */
  readonly clusterId: string | null
  /** The `--cluster` list it was started with, as one canonical text; null without one. */
  readonly foundingList: string | null
  readonly url: string | null
  /** The release, such as `0.1.0`. */
  readonly version: string
}
