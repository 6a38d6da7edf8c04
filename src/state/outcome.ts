/**
 * What a command came to, as data: every replica computes the same. It travels to the node that
 * asked, so it holds nothing but plain values.
 */
import type { LockGrantRow } from './locks/rows.ts'
import type {
  ConfigMeta,
  ConfigSchemaMeta,
  InstanceRow,
  LeaseRow,
  OverrideRow,
  ServiceRow,
  StageMeta,
} from './rows.ts'

export type Outcome =
  | {
      readonly ok: true
      /** Of the entry that decided; a write that changed nothing has it as well. */
      readonly revision: number
      /** Whether the thing came into being by this write: 201 rather than 200. */
      readonly created: boolean
      readonly result: OutcomeResult | null
    }
  | Refusal

/** The thing as it is right after the write, for the answer. */
export type OutcomeResult =
  | { readonly type: 'instance'; readonly instance: InstanceRow }
  | { readonly type: 'override'; readonly override: OverrideRow }
  | { readonly type: 'service'; readonly service: ServiceRow }
  | { readonly type: 'lease'; readonly lease: LeaseRow }
  | { readonly type: 'config'; readonly config: ConfigMeta }
  | { readonly type: 'config_schema'; readonly schema: ConfigSchemaMeta }
  | { readonly type: 'lock'; readonly grant: LockGrantRow }
  /** Not granted yet: it waits at that place (`LockWaiterRow.place`). */
  | { readonly type: 'lock_queued'; readonly place: number }
  | { readonly type: 'stage'; readonly stage: StageMeta }
  | {
      readonly type: 'txn'
      /** Whether every condition held. */
      readonly succeeded: boolean
      /** By position in the branch that was done. */
      readonly results: readonly TxnResult[]
    }

/** What one operation of a transaction came to. */
export interface TxnResult {
  readonly created: boolean
  /** Of the thing after it; null where it has none, or is not there. */
  readonly version: number | null
  readonly revision: number | null
  /** What a read found; null for a write, and for a key that is not there. */
  readonly content: { readonly contentType: string; readonly value: Uint8Array } | null
}

/** A command that was decided and changed nothing. `code` is one of API.md's. */
export type Refusal = {
  readonly ok: false
  readonly revision: number
  /** Of a transaction: the position of the operation that was refused. */
  readonly failed?: number
} & (
  | { readonly code: 'not_found'; readonly detail: string }
  | { readonly code: 'version_mismatch'; readonly detail: string; readonly current: number | null }
  | { readonly code: 'conflict'; readonly detail: string }
  | { readonly code: 'invalid_request'; readonly detail: string; readonly path: string }
  | { readonly code: 'stale_token'; readonly detail: string }
  | { readonly code: 'too_large'; readonly detail: string }
  /** The key stands for another request. */
  | { readonly code: 'idempotency_key_reused'; readonly detail: string }
  /** A table of the state is full. Like `schema_changed` it is kept under no key. */
  | { readonly code: 'too_many_requests'; readonly detail: string }
  /** For the edge, which checks the value again and asks once more. */
  | { readonly code: 'schema_changed'; readonly detail: string }
)
