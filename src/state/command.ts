/**
 * What the log carries. Every kind has a number for ever (DESIGN §1.7): the numbers are the
 * format on disk and on the wire, the names are for reading. Fields travel as MessagePack arrays
 * in the order of `codec/codec.ts`; a kind is never changed, only followed by a new one.
 */

import type { LockCommand } from './locks/command.ts'

/** `If-Match` and `If-None-Match` of a write, judged at apply. */
export interface Expect {
  /** The write passes only where the resource has this ETag number; '*': where it exists. */
  readonly match: readonly number[] | '*' | null
  /** The write passes only where the resource does not exist. */
  readonly absent: boolean
}

export interface PortAddress {
  readonly address: string
  readonly port: number
}

export type InstanceStatus = 'starting' | 'up' | 'draining' | 'down'
export type Health = 'passing' | 'warning' | 'critical'

/** What an instance declares of itself; `PATCH` may change any of it. */
export interface InstanceSpec {
  readonly address: string
  readonly port: number | null
  readonly ports: Readonly<Record<string, number>>
  readonly addresses: Readonly<Record<string, PortAddress>>
  readonly tags: readonly string[]
  readonly metadata: Readonly<Record<string, string>>
  readonly weight: number
  readonly status: InstanceStatus
  readonly zone: string | null
  readonly node: string | null
  readonly cluster: string | null
  /** Null: persistent, it never lapses. */
  readonly ttlMs: number | null
  /** After the TTL ran out: 0 removes at once, null never. */
  readonly removeAfterMs: number | null
}

/** Who a command is about. Names were validated at the edge. */
export interface InstanceKey {
  readonly ns: string
  readonly service: string
  readonly id: string
}

export interface OverrideSpec {
  readonly status: InstanceStatus | null
  readonly weight: number | null
  readonly reason: string
}

export interface LeaseRef {
  readonly id: string
  /** Set by every registration: a renewal guarded by it cannot hit a successor (DESIGN §5.2). */
  readonly leaseRevision: number
}

/** What is kept of the event table, by the flags of the leader that proposes a trim. */
export interface HistoryPolicy {
  /** Of each config key: so many of its newest versions stay, whatever their age; at least 1. */
  readonly versions: number
  /** Versions beyond them stay while they are younger than this, by the cluster's clock. */
  readonly ageMs: number
  /** The change feed goes back so far, by the cluster's clock, */
  readonly feedMs: number
  /** and over no more revisions than these; at least 1. */
  readonly feedRevisions: number
}

export type Command =
  | {
      readonly type: 'instance_put'
      readonly key: InstanceKey
      readonly spec: InstanceSpec
      readonly expect: Expect | null
    }
  | {
      readonly type: 'instance_patch'
      readonly key: InstanceKey
      readonly patch: InstancePatch
      readonly expect: Expect | null
    }
  | { readonly type: 'instance_delete'; readonly key: InstanceKey; readonly expect: Expect | null }
  /** From a heartbeat that reported another health than before. */
  | {
      readonly type: 'instance_health'
      readonly key: InstanceKey
      /** Null: as it is; only the note is news. */
      readonly health: Health | null
      readonly note: string | null
    }
  | {
      readonly type: 'override_put'
      readonly key: InstanceKey
      readonly override: OverrideSpec
      readonly by: string
      readonly expect: Expect | null
    }
  | { readonly type: 'override_delete'; readonly key: InstanceKey; readonly expect: Expect | null }
  | {
      readonly type: 'node_override_put'
      readonly ns: string
      readonly node: string
      readonly override: OverrideSpec
      readonly by: string
      readonly expect: Expect | null
    }
  | {
      readonly type: 'node_override_delete'
      readonly ns: string
      readonly node: string
      readonly expect: Expect | null
    }
  | {
      readonly type: 'service_put'
      readonly ns: string
      readonly service: string
      readonly settings: ServiceSettings
      readonly expect: Expect | null
    }
  | {
      readonly type: 'service_delete'
      readonly ns: string
      readonly service: string
      readonly expect: Expect | null
    }
  /** `id` is random, drawn by the edge before the proposal. */
  | {
      readonly type: 'lease_grant'
      readonly ns: string
      readonly id: string
      readonly ttlMs: number
      readonly owner: string | null
    }
  | { readonly type: 'lease_revoke'; readonly ns: string; readonly id: string }
  /** The leader's own: the TTL of each ran out. Applied to those whose row still holds. */
  | { readonly type: 'lease_expire'; readonly leases: readonly LeaseRef[] }
  /** The leader's own: lapsed instances whose `removeAfter` ran out as well. */
  | { readonly type: 'lease_remove'; readonly leases: readonly LeaseRef[] }
  /** The leader's own: past two thirds of the TTL, with what remains (DESIGN §5.3). */
  | {
      readonly type: 'lease_suspect'
      readonly leases: readonly (LeaseRef & { readonly remainingMs: number })[]
    }
  /** The leader's own: a beat came for a suspect lease, or for a lapsed instance (revival). */
  | { readonly type: 'lease_clear'; readonly leases: readonly LeaseRef[] }
  | {
      readonly type: 'config_put'
      readonly ns: string
      readonly key: string
      readonly contentType: string
      readonly value: Uint8Array
      readonly comment: string | null
      readonly by: string | null
      readonly lease: string | null
      readonly expect: Expect | null
    }
  | {
      readonly type: 'config_delete'
      readonly ns: string
      readonly key: string
      readonly by: string | null
      readonly expect: Expect | null
    }
  /** Makes a new version of the bytes and the type that version `to` has; on no lease. */
  | {
      readonly type: 'config_rollback'
      readonly ns: string
      readonly key: string
      readonly to: number
      readonly comment: string | null
      readonly by: string | null
      readonly expect: Expect | null
    }
  /** A JSON Schema for the values of all keys that begin with `prefix`; '' is all of them. */
  | {
      readonly type: 'config_schema_put'
      readonly ns: string
      readonly prefix: string
      /** As it was written: JSON. Checked before it was proposed. */
      readonly schema: Uint8Array
      readonly by: string | null
      readonly expect: Expect | null
    }
  | {
      readonly type: 'config_schema_delete'
      readonly ns: string
      readonly prefix: string
      readonly expect: Expect | null
    }
  /** The leader's own: old events go, a bounded number at a time (`config/history.ts`). */
  | ({ readonly type: 'history_trim' } & HistoryPolicy & {
        /** About so many rows are looked at, and no more are removed, by this command. */
        readonly rows: number
      })
  /** A value for the callers that match `rule`; all others see no trace of it. */
  | {
      readonly type: 'config_stage_put'
      readonly ns: string
      readonly key: string
      readonly stage: string
      /** Canonical (`stages/rule.ts`). */
      readonly rule: string
      readonly contentType: string
      readonly value: Uint8Array
      readonly comment: string | null
      readonly by: string | null
      /** Of the stage: its ETag is its revision. */
      readonly expect: Expect | null
    }
  | {
      readonly type: 'config_stage_delete'
      readonly ns: string
      readonly key: string
      readonly stage: string
      readonly by: string | null
      readonly expect: Expect | null
    }
  /** Makes the staged bytes the key's next version, and ends the stage. */
  | {
      readonly type: 'config_stage_promote'
      readonly ns: string
      readonly key: string
      readonly stage: string
      /** Of the bytes that were checked; null: whatever is staged. */
      readonly stageRevision: number | null
      readonly comment: string | null
      readonly by: string | null
      /** Of the key; null: it must be at the version at which this was staged. */
      readonly expect: Expect | null
    }
  /** The leader's own, once every member reports it (DESIGN §1.7). */
  | { readonly type: 'cluster_version'; readonly version: number }
  /** The leader's own: every node notes the hash of its state as of this entry (DESIGN §4). */
  | { readonly type: 'state_check' }
  /** The leader's own: what a majority of the data voters had at that check. */
  | {
      readonly type: 'state_verdict'
      /** Of the check. */
      readonly index: number
      /** 16 hex digits, as `StateMachine.stateHash` gives them. */
      readonly hash: string
      /** The schema that it is a hash of: others are not compared. */
      readonly schema: number
    }
  /**
   * A write that its caller may repeat: applied once within the window, and answered alike as often
   * as it comes (`keyed.ts`). What it holds is any write of a client, but no other `keyed`.
   */
  | {
      readonly type: 'keyed'
      /** Whose key it is; empty while callers have no identity. */
      readonly caller: string
      readonly key: string
      /** Of the request as the edge read it: what random ids the edge drew is no part of it. */
      readonly requestHash: Uint8Array
      readonly command: Command
    }
  /** A write that counts only where all that it names still holds (`guarded.ts`). */
  | {
      readonly type: 'guarded'
      readonly ns: string
      readonly fences: readonly Fence[]
      readonly schemas: readonly SchemaGuard[]
      /** A `txn` or a plain write. */
      readonly command: Command
    }
  /** All of one branch or nothing of it, at one revision (`txn.ts`). */
  | {
      readonly type: 'txn'
      /** Of the conditions and the reads; a write names its own. */
      readonly ns: string
      readonly conditions: readonly Condition[]
      /** Done where every condition holds; else `whenFalse`. */
      readonly whenTrue: readonly TxnOp[]
      readonly whenFalse: readonly TxnOp[]
    }
  | LockCommand

/** Passes iff the token is a current holder of the lock when the entry is applied (DESIGN §8). */
export interface Fence {
  readonly name: string
  readonly token: number
}

/** The schema that a value was checked against; null: none governed the key. */
export interface SchemaGuard {
  readonly key: string
  readonly revision: number | null
}

export type Condition =
  /** 0: the key is absent. */
  | { readonly type: 'config_version'; readonly key: string; readonly version: number }
  | { readonly type: 'config_value'; readonly key: string; readonly value: Uint8Array }
  | { readonly type: 'lock'; readonly name: string; readonly token: number }
  | {
      readonly type: 'instance'
      readonly service: string
      readonly id: string
      readonly exists: boolean
    }
  | { readonly type: 'lease'; readonly id: string; readonly exists: boolean }

export type TxnOp =
  /** A plain write: nothing that wraps another, and nothing of the leader's own. */
  | { readonly type: 'write'; readonly command: Command }
  /** The value of a config key, as the operations before it left it. */
  | { readonly type: 'read'; readonly key: string }

/** RFC 7396: absent leaves, null resets to the default, maps merge by key, at every depth. */
export type InstancePatch = {
  readonly [K in keyof InstanceSpec]?: InstanceSpec[K] extends Readonly<Record<string, infer V>>
    ? Readonly<Record<string, PatchOf<V> | null>> | null
    : InstanceSpec[K] | null
}
type PatchOf<V> = V extends object ? { readonly [P in keyof V]?: V[P] | null } : V
export type PortAddressPatch = PatchOf<PortAddress>

/** A service's own settings; it may exist without instances. */
export interface ServiceSettings {
  readonly metadata: Readonly<Record<string, string>>
  /** Below this share of available instances, lookups stop filtering out the rest; 0 is off. */
  readonly protectThreshold: number
}

export type CommandType = Command['type']
export type CommandOf<T extends CommandType> = Extract<Command, { type: T }>
