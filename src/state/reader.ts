/** The questions that can be asked of the state: read-only, synchronous, at the applied index. */
import type { InstanceKey } from './command.ts'
import type { LockReader } from './locks/queries.ts'
import type {
  ConfigMeta,
  ConfigRow,
  ConfigSchemaMeta,
  ConfigSchemaRow,
  ConfigVersion,
  ConfigVersionValue,
  InstanceRow,
  LeaseHoldings,
  LeaseRow,
  OverrideRow,
  ServiceRow,
  ServiceSummary,
  ServiceView,
  StageMeta,
  StageRow,
} from './rows.ts'
import type { Labels } from './stages/rule.ts'

/** A page begins after `after` (exclusive, null: from the start) and holds at most `limit` rows. */
export interface Page {
  readonly prefix: string
  readonly after: string | null
  readonly limit: number
}

/** One event, by its place in the table. */
export interface EventPlace {
  readonly revision: number
  readonly n: number
}

/** Names and keys sort by their bytes (memcmp). Revisions are 0 where nothing ever was. */
export interface StateReader {
  /** The applied index: what the whole store's revision is here. */
  readonly revision: number
  /** Watches begin here or later: what happened up to then is not all to be had. */
  readonly oldestRevision: number

  instance(key: InstanceKey): InstanceRow | null
  /** Of its last change, its removal included. */
  instanceRevision(key: InstanceKey): number
  /** The same object until the service changes. */
  service(ns: string, service: string): ServiceView
  /** All of a service, by id. */
  instances(ns: string, service: string): readonly InstanceRow[]
  serviceRevision(ns: string, service: string): number
  services(ns: string, page: Page): readonly ServiceSummary[]
  servicesRevision(ns: string): number
  serviceSettings(ns: string, service: string): ServiceRow | null
  override(key: InstanceKey): OverrideRow | null
  nodeOverride(ns: string, node: string): OverrideRow | null

  /** The current value; null for an absent or deleted key. */
  config(ns: string, key: string): ConfigRow | null
  /** Of its last change, its deletion included. */
  configRevision(ns: string, key: string): number
  configList(ns: string, page: Page): readonly ConfigMeta[]
  configPrefixRevision(ns: string, prefix: string): number
  /** The number of the newest version, also of a deleted key; 0 where there never was one. */
  configNewestVersion(ns: string, key: string): number
  /** What was written as that version, deleted since or not; null: never, or no longer kept. */
  configVersion(ns: string, key: string, version: number): ConfigVersionValue | null
  /** What is kept of a key's versions and deletions, newest first, from before that event on. */
  configHistory(
    ns: string,
    key: string,
    page: { readonly before: EventPlace | null; readonly limit: number },
  ): readonly ConfigVersion[]
  configSchema(ns: string, prefix: string): ConfigSchemaRow | null
  configSchemas(ns: string, page: Page): readonly ConfigSchemaMeta[]
  /** All whose prefix the key begins with: a value must hold under each. Shortest first. */
  configSchemasOf(ns: string, key: string): readonly ConfigSchemaRow[]
  /** Of the last change of any schema of the namespace: what a checked write names. */
  configSchemasRevision(ns: string): number

  readonly locks: LockReader
  readonly stages: StageReader

  lease(id: string): LeaseRow | null
  leaseHoldings(id: string): LeaseHoldings
}

/** What stands beside the keys for some callers (`stages/stage.ts`). */
export interface StageReader {
  /** What is staged for a key, by name. */
  of(ns: string, key: string): readonly StageMeta[]
  find(ns: string, key: string, stage: string): StageRow | null
  /** Of up to `limit` keys under a prefix, by key and name. */
  list(ns: string, page: Page): readonly StageMeta[]
  /** What a caller with these labels is given in place of the key's value; null: nothing. */
  seenBy(ns: string, key: string, labels: Labels): StageRow | null
  /** Of the last change of the key, or of what is staged for it, that such a caller could see. */
  revisionFor(ns: string, key: string, labels: Labels): number
}
