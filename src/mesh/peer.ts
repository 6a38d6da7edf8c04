/** What peers say to each other, decoded. `codec.ts` maps it to frames. */
import type { EntryId, Incarnation, LogIndex, Message, NodeId } from '../raft/types.ts'

/** An RPC between replicas, beside the messages of the core. One hop at most. */
export type PeerRequest =
  /** Follower → leader: a parsed, encoded command (`state/codec/codec.ts`). */
  | { readonly type: 'propose'; readonly command: Uint8Array }
  /** Follower → leader: renewals gathered for a few milliseconds. */
  | { readonly type: 'heartbeats'; readonly beats: readonly Beat[] }
  /** Follower → leader: the index a read must wait for, confirmed by lease or by a round. */
  | { readonly type: 'read_index'; readonly mode: 'lease' | 'linearizable' }
  /** Follower → leader: when the lease runs out, for an answer's `expiresInMs`. */
  | { readonly type: 'cluster_info' }
  /** Follower → leader: another membership, or another leader; `replica/members/member-codec.ts`. */
  | { readonly type: 'change_members'; readonly change: Uint8Array }
  /**
   * Empty node → any member, which passes it on: who asks is what the handshake proved. Without a
   * role only a name that is known is taken back.
   */
  | { readonly type: 'join'; readonly role: JoinRole | null }
  /** Member → leader: the hash of its state as of the check at `index`. */
  | ({ readonly type: 'report_state' } & StateReport)
  /** Fenced member → leader: a snapshot beyond `after`, to replace its state by. */
  | { readonly type: 'want_state'; readonly after: LogIndex }
  /** Member → any member: what its edge alone knows; `replica/peers/surveys.ts`. */
  | { readonly type: 'ask_edge'; readonly question: Uint8Array }

/** What a member's state was at a check that the log asked for (DESIGN §4). */
export interface StateReport {
  readonly index: LogIndex
  /** 16 hex digits. */
  readonly hash: string
  readonly schema: number
}

/** A snapshot that can be fetched from `from`. */
export interface StateOffer {
  readonly from: NodeId
  readonly snapshot: EntryId
  readonly membershipIndex: LogIndex
  readonly membership: Uint8Array
}

/** What an empty node wants to become. */
export type JoinRole = 'voter' | 'learner'

export interface Beat {
  readonly lease: string
}

export type PeerResponse =
  /** The outcome, encoded by `state/codec/codec.ts`. */
  | { readonly type: 'outcome'; readonly outcome: Uint8Array }
  | { readonly type: 'beats'; readonly results: readonly BeatResult[] }
  | { readonly type: 'read_at'; readonly index: LogIndex; readonly mode: 'lease' | 'linearizable' }
  | { readonly type: 'cluster_info'; readonly info: Uint8Array }
  /** How a change of the members fared; `replica/members/member-codec.ts`. */
  | { readonly type: 'members_changed'; readonly result: Uint8Array }
  | { readonly type: 'report_noted' }
  | ({ readonly type: 'state_offered' } & StateOffer)
  | { readonly type: 'edge_answer'; readonly answer: Uint8Array }
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
  /**
   * The entry of the membership that it knows: 0 while it knows none, so an empty node can be told
   * from a member, and who knows a newer membership from who was removed.
   */
  readonly membershipIndex: LogIndex
  /** As what it asks to be taken in while it is empty (`--join`); null: only as what it was. */
  readonly join: JoinRole | null
  /** It keeps no payloads and no state (DESIGN §7 "Witness"). */
  readonly witness: boolean
  /** The release, such as `0.1.0`. */
  readonly version: string
  /** The newest clusterVersion that it has the behaviour of (DESIGN §1.7). */
  readonly clusterVersionMax: number
}
