/** What clients saw: operations on registers, with the revisions that they were told. */
import type { ConfigOperation } from '../support/config-history.ts'

export type Kind = 'config' | 'instance'

export type Consistency = 'lease' | 'linearizable' | 'stale'

export interface Seen extends ConfigOperation {
  /** Of what `key` names. A version of an instance is its revision. */
  readonly kind: Kind
  /** The node that was asked. */
  readonly node: string
  /** Of a read, as it was asked for; null for a write. */
  readonly consistency: Consistency | null
  /** `Rollcall-Revision` of the answer; null where there was none. */
  readonly revision: number | null
}

/** Reads that may be old are held against revisions alone. */
export function isStale({ consistency }: Seen): boolean {
  return consistency === 'stale'
}
