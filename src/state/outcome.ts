/**
 * What a command came to, as data: every replica computes the same. It travels to the node that
 * asked, so it holds nothing but plain values.
 */
import type {
  ConfigMeta,
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
  | { readonly type: 'stage'; readonly stage: StageMeta }

/** A command that was decided and changed nothing. `code` is one of API.md's. */
export type Refusal = {
  readonly ok: false
  readonly revision: number
} & (
  | { readonly code: 'not_found'; readonly detail: string }
  | { readonly code: 'version_mismatch'; readonly detail: string; readonly current: number | null }
  | { readonly code: 'conflict'; readonly detail: string }
  | { readonly code: 'invalid_request'; readonly detail: string; readonly path: string }
)
