/**
 * The words of the core: identities, entries, membership, messages, inputs and outputs.
 * All of it is plain data, so a recorded list of inputs replays a node exactly.
 */
import type { Flavor } from '../lib/flavor.ts'

/** A member's name, `--id`. Not its address. */
export type NodeId = Flavor<string, 'NodeId'>
/** Random, made once for each data directory: a node that lost its disk is somebody else. */
export type Incarnation = Flavor<string, 'Incarnation'>
/** Leadership epoch (Raft §5.1). A safe integer ≥ 0. */
export type Term = Flavor<number, 'Term'>
/** 1-based position in the log; 0 stands before the first entry. A safe integer. */
export type LogIndex = Flavor<number, 'LogIndex'>
/** Names one proposal or one read of this process; chosen by the host, never reused. */
export type RequestId = Flavor<number, 'RequestId'>
/** Numbers the broadcasts of a leader; grows over terms too, so an old answer never fits. */
export type Round = Flavor<number, 'Round'>

export interface EntryId {
  readonly term: Term
  readonly index: LogIndex
}

/**
 * `noop` opens a term (Raft §8, Thesis §6.4), `command` belongs to the state machine,
 * `membership` holds an encoded {@link Membership}, `withheld` is a `command` as a witness keeps
 * it: in its place, without its payload. A data node never holds one (`witness.ts`).
 */
export type EntryType = 'noop' | 'command' | 'membership' | 'withheld'

export interface Entry extends EntryId {
  readonly type: EntryType
  /** The cluster's clock: the previous entry's plus the leader's monotonic time since. */
  readonly clusterMs: number
  /** The leader's wall clock, for display only; nothing may be decided by it. */
  readonly wallMs: number
  /** Opaque here: encoded once, when proposed, and passed on as bytes from then on. */
  readonly data: Uint8Array
}

/** What must survive a crash; written as one record, so no crash can separate its parts. */
export interface HardState {
  readonly term: Term
  readonly votedFor: NodeId | null
  /**
   * The longest time for which this node ever promised a leader to refuse votes (DESIGN §6).
   * After a boot it refuses for that long, since it forgot when it last heard that leader.
   */
  readonly promiseMs: number
}

export interface Member {
  readonly id: NodeId
  /** Null for a learner that was never in contact: nothing is sent to it, nothing counted. */
  readonly incarnation: Incarnation | null
  /** Where clients and peers reach it; null for one that only dials. */
  readonly url: string | null
  /**
   * A witness votes and stores no payloads (Thesis §11.7.2); all others are data nodes. Settled
   * with the data directory: whoever changes its kind is another node, of another incarnation.
   */
  readonly witness: boolean
}

/** Sorted lists without doubles. */
export interface Configuration {
  readonly voters: readonly NodeId[]
  readonly learners: readonly NodeId[]
}

/** Who decides. In force from the moment its entry is appended (Raft §6). */
export interface Membership extends Configuration {
  /** Sorted by id. Every voter and learner is in it. */
  readonly members: readonly Member[]
  /** Sorted. Of C_new, while joint. */
  readonly voters: readonly NodeId[]
  /**
   * Sorted; C_old while joint, else null. A name in it that is a learner too lost its disk: it
   * still counts among those of whom a majority is needed, and nobody speaks for it any more.
   */
  readonly outgoing: readonly NodeId[] | null
  /** Sorted; none of them votes. */
  readonly learners: readonly NodeId[]
  /** Where the cluster is going, so that any leader goes on; null once it is there. */
  readonly wanted: Configuration | null
}

/** A membership to change to; the joint configuration on the way is the core's business. */
export type MembershipTarget = Omit<Membership, 'outgoing'>

interface Envelope {
  readonly from: NodeId
  /** Of the sender. Votes and acknowledgements under another one do not count (DESIGN §7). */
  readonly incarnation: Incarnation
  readonly to: NodeId
  readonly term: Term
}

/** Candidate → voters (Raft §5.2). A pre-vote names the term it would campaign in (Thesis §9.6). */
export interface VoteRequest extends Envelope {
  readonly type: 'vote_request'
  readonly preVote: boolean
  readonly lastTerm: Term
  readonly lastIndex: LogIndex
  /** Set when the old leader asked for it by TimeoutNow: passes a promise to refuse. */
  readonly transfer: boolean
}

export interface VoteResponse extends Envelope {
  readonly type: 'vote_response'
  readonly preVote: boolean
  readonly granted: boolean
}

/** Leader → follower (Raft §5.3). Without entries it is a heartbeat. */
export interface Append extends Envelope {
  readonly type: 'append'
  readonly prevIndex: LogIndex
  readonly prevTerm: Term
  readonly entries: readonly Entry[]
  readonly commit: LogIndex
  readonly round: Round
  /** The receiver refuses votes for this long from now (DESIGN §6). */
  readonly promiseMs: number
  /** The newest round of which the receiver's own acknowledgement has come; 0: none. */
  readonly heardRound: Round
  /**
   * How long before that acknowledgement came `commit` was surely all that any leader had
   * committed; null where it may not be. Together they date `commit` on the receiver's clock,
   * however long this message took.
   */
  readonly confirmedAgeMs: number | null
}

export interface AppendResponse extends Envelope {
  readonly type: 'append_response'
  readonly round: Round
  /**
   * Accepted: the last index that this append covered, durable here; never more than that
   * (CCF "ack covers what was verified"). Refused: where to look next.
   */
  readonly result:
    | { readonly ok: true; readonly match: LogIndex }
    | {
        readonly ok: false
        /** The `prevIndex` that did not fit, so that a late refusal can be told apart. */
        readonly rejected: LogIndex
        /** Fast back-up (Raft §5.3): the term found there, and where that term begins here. */
        readonly conflictTerm: Term | null
        readonly conflictIndex: LogIndex
      }
}

/** Leader → target of a transfer (Thesis §3.10); void in any other term. */
export interface TimeoutNow extends Envelope {
  readonly type: 'timeout_now'
}

/**
 * Leader → a follower that needs entries which are gone (Raft §7): the state up to `snapshot` can
 * be fetched from this node. The bytes travel elsewhere; an {@link AppendResponse} says that it
 * was installed, or was not needed. Repeated with the heartbeats.
 */
export interface InstallSnapshot extends Envelope {
  readonly type: 'install_snapshot'
  readonly snapshot: EntryId
  /** In force there: the entry that brought it, and its bytes. */
  readonly membershipIndex: LogIndex
  readonly membership: Uint8Array
}

export type Message =
  VoteRequest | VoteResponse | Append | AppendResponse | TimeoutNow | InstallSnapshot

/** A whole state of this node that others may fetch. */
export interface SnapshotMeta {
  readonly snapshot: EntryId
  readonly membershipIndex: LogIndex
  readonly membership: Uint8Array
}

/** The host's two clocks, read once for each input. */
export interface Clock {
  /** Monotonic milliseconds, any origin. The only time that decides anything. */
  readonly nowMs: number
  /** Wall clock, milliseconds since 1970. It can void a lease, never lengthen one. */
  readonly wallMs: number
}

/** Everything that can happen to a node. */
export type Input =
  | { readonly type: 'tick' }
  | { readonly type: 'message'; readonly message: Message }
  | {
      readonly type: 'propose'
      readonly id: RequestId
      readonly data: Uint8Array
      /** The leader's own (expiry, say): has a lane that clients' load cannot fill. */
      readonly own: boolean
    }
  | { readonly type: 'read_index'; readonly id: RequestId }
  /** All writes up to this number are durable. */
  | { readonly type: 'persisted'; readonly write: number }
  | { readonly type: 'applied'; readonly index: LogIndex }
  /**
   * Changes the membership (Raft §6). `after` is the index of the membership that the target was
   * made from: whoever changed it meanwhile is not overruled.
   */
  | {
      readonly type: 'propose_membership'
      readonly id: RequestId
      readonly after: LogIndex
      readonly target: MembershipTarget
    }
  /**
   * Hand leadership to that voter, or to the one that is furthest (Thesis §3.10). Void elsewhere,
   * and where that one cannot take over.
   */
  | { readonly type: 'transfer'; readonly to?: NodeId | null }
  /** The log on disk starts after this entry now; all before it is applied durably. */
  | { readonly type: 'compacted'; readonly at: EntryId }
  /** Others may fetch this; null: the one before is gone. */
  | { readonly type: 'snapshot_ready'; readonly meta: SnapshotMeta | null }
  /** The state is this snapshot now, and the log on disk starts after it: both durable. */
  | {
      readonly type: 'snapshot_installed'
      readonly snapshot: EntryId
      readonly clusterMs: number
      readonly membership: { readonly index: LogIndex; readonly membership: Membership }
    }
  /** Founding (DESIGN §7): entry 1 of an empty log. The host made sure that nobody else founds. */
  | { readonly type: 'bootstrap'; readonly membership: Membership }

/** What to make durable, in one piece. */
export interface LogWrite {
  /** Echoed by `persisted`. Grows by one. */
  readonly write: number
  readonly hardState: HardState | null
  /** Contiguous. Entries at or above the first index that were stored before are replaced. */
  readonly entries: readonly Entry[]
}

/**
 * Of a membership alone: `term_not_committed`: no entry of this term is committed yet (Ongaro,
 * raft-dev 2015); `change_under_way`: the last change is not committed, or still joint;
 * `membership_changed`: it is not the one that the target was made from.
 */
export type RefusalCode =
  | 'not_leader'
  | 'too_many_requests'
  | 'term_not_committed'
  | 'change_under_way'
  | 'membership_changed'

/** How a request fared. A refusal is an ordinary value: the core throws only on its own bugs. */
export type Answer = { readonly id: RequestId } & (
  | { readonly type: 'appended'; readonly at: EntryId }
  | { readonly type: 'read_at'; readonly index: LogIndex }
  | {
      readonly type: 'refused'
      readonly code: RefusalCode
      readonly leader: NodeId | null
    }
)

/**
 * What the host owes the core. Every message in it may leave at once: those that depend on a
 * write still under way are kept inside until `persisted` (Thesis §3.8; DESIGN §1.4).
 */
export interface Ready {
  readonly messages: readonly Message[]
  readonly write: LogWrite | null
  /** Committed, and durable on this node, so the database never runs ahead of the log. */
  readonly committed: readonly Entry[]
  readonly answers: readonly Answer[]
}

export type Role = 'leader' | 'follower' | 'pre_candidate' | 'candidate'

/** Older entries than memory keeps, read from disk. Asked only for what was persisted. */
export interface LogReader {
  /** Entries from `from` on, at most up to `to`, at least one, about `bytesMax` at most. */
  read(from: LogIndex, to: LogIndex, bytesMax: number): readonly Entry[]
}
