/** Rows as the rest of the program sees them. Times are milliseconds; revisions are log indexes. */
import type {
  Health,
  InstanceKey,
  InstanceSpec,
  InstanceStatus,
  ServiceSettings,
} from './command.ts'

interface Revisions {
  readonly revision: number
  readonly createdRevision: number
  /** Wall clock of the leader, for display only. */
  readonly createdAtMs: number
  readonly updatedAtMs: number
}

export interface InstanceRow extends InstanceKey, Revisions {
  readonly spec: InstanceSpec
  readonly health: Health
  /** Why `health` is what it is: `ttl` once the lease lapsed, or the note of a heartbeat. */
  readonly healthReason: string | null
  /** Its lease, or null for a persistent instance. */
  readonly lease: string | null
  readonly override: OverrideRow | null
  /** The override of the host it runs on; the instance's own wins, field by field. */
  readonly nodeOverride: OverrideRow | null
}

export interface OverrideRow extends Revisions {
  readonly status: InstanceStatus | null
  readonly weight: number | null
  readonly reason: string
  readonly by: string
}

export interface ServiceRow extends Revisions {
  readonly ns: string
  readonly service: string
  readonly settings: ServiceSettings
}

/**
 * A service as look-ups need it. Immutable, and another object after every change of the service; an
 * instance that did not change is the same object as before.
 */
export interface ServiceView {
  /** Of the service's last change. */
  readonly revision: number
  readonly protectThreshold: number
  /** By id. */
  readonly instances: readonly InstanceRow[]
  /** Of this view alone: whoever kept what was made of a view knows by it that it still holds. */
  readonly stamp: object
}

/** One line of `GET /v1/services`. */
export interface ServiceSummary {
  readonly service: string
  readonly instances: number
  readonly available: number
  /** Sorted, each once. */
  readonly tags: readonly string[]
  readonly revision: number
}

/** The only thing with a deadline (DESIGN §4). */
export interface LeaseRow {
  readonly id: string
  readonly ns: string
  readonly ttlMs: number
  readonly leaseRevision: number
  readonly removeAfterMs: number | null
  /** What happens when it runs out: `remove` what hangs on it, or first `lapse` (critical). */
  readonly onLapse: 'remove' | 'lapse'
  readonly owner: string | null
  /** What remained when it was marked suspect; null where it is not. */
  readonly suspectMs: number | null
  /** Ran out, and waits for `removeAfterMs`. */
  readonly lapsed: boolean
}

/** What hangs on a lease. */
export interface LeaseHoldings {
  readonly instances: readonly InstanceKey[]
  readonly config: readonly string[]
  readonly locks: readonly { readonly name: string; readonly token: number }[]
}

export interface ConfigMeta extends Revisions {
  readonly ns: string
  readonly key: string
  readonly contentType: string
  readonly version: number
  readonly size: number
  readonly lease: string | null
  readonly updatedBy: string | null
}

/** A staged value, as its list shows it. */
export interface StageMeta extends Revisions {
  readonly ns: string
  readonly key: string
  readonly stage: string
  /** Canonical (`stages/rule.ts`). */
  readonly rule: string
  readonly contentType: string
  /** The key's version when this was staged; 0: there was none. */
  readonly baseVersion: number
  readonly size: number
  readonly comment: string | null
  readonly updatedBy: string | null
}

export interface StageRow extends StageMeta {
  readonly value: Uint8Array
}

export interface ConfigRow extends ConfigMeta {
  readonly value: Uint8Array
}

/** One line of a key's history: a write, or a deletion. */
export interface ConfigVersion {
  /** Of a deletion, that of the value that was deleted. */
  readonly version: number
  /** Where it stands in the event table. */
  readonly revision: number
  readonly n: number
  /** Wall clock of the leader, for display only. */
  readonly atMs: number
  readonly by: string | null
  readonly comment: string | null
  readonly deleted: boolean
  readonly size: number
  readonly contentType: string
}

export interface ConfigVersionValue extends ConfigVersion {
  readonly value: Uint8Array
}

export interface ConfigSchemaMeta extends Revisions {
  readonly ns: string
  readonly prefix: string
  readonly size: number
  readonly updatedBy: string | null
}

export interface ConfigSchemaRow extends ConfigSchemaMeta {
  /** JSON, as it was written. */
  readonly schema: Uint8Array
}
