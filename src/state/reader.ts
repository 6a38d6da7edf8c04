/** The questions that can be asked of the state: read-only, synchronous, at the applied index. */
import type { InstanceKey } from './command.ts'
import type {
  ConfigMeta,
  ConfigRow,
  InstanceRow,
  LeaseHoldings,
  LeaseRow,
  OverrideRow,
  ServiceRow,
  ServiceSummary,
  StageMeta,
  StageRow,
} from './rows.ts'
import type { Labels } from './stage-rule.ts'

/** A page begins after `after` (exclusive, null: from the start) and holds at most `limit` rows. */
export interface Page {
  readonly prefix: string
  readonly after: string | null
  readonly limit: number
}

/** Names and keys sort by their bytes (memcmp). Revisions are 0 where nothing ever was. */
export interface StateReader {
  /** The applied index: what the whole store's revision is here. */
  readonly revision: number

  instance(key: InstanceKey): InstanceRow | null
  /** Of its last change, its removal included. */
  instanceRevision(key: InstanceKey): number
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

  /** What is staged for a key, by name. */
  stages(ns: string, key: string): readonly StageMeta[]
  stage(ns: string, key: string, name: string): StageRow | null
  /** Of up to `limit` keys under a prefix, by key and name. */
  stageList(ns: string, page: Page): readonly StageMeta[]
  /** The staged value that a caller with these labels is given; null: the key's own. */
  stageFor(ns: string, key: string, labels: Labels): StageRow | null
  /** Of the last change of a key that such a caller could see. */
  configRevisionFor(ns: string, key: string, labels: Labels): number

  lease(id: string): LeaseRow | null
  leaseHoldings(id: string): LeaseHoldings
}
