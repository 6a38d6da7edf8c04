/** What clients saw: operations on configuration keys, with the revisions that they were told. */
import type { ConfigOperation } from '../support/config-history.ts'

export type Consistency = 'lease' | 'linearizable' | 'stale'

export interface Seen extends ConfigOperation {
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
