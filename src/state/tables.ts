import type { MultisetHash } from '../lib/hash.ts'
import * as schema from './schema.ts'
import type { Sql } from './sql.ts'
import { Table } from './table.ts'

/** The tables that commands and queries of today use, with their statements prepared. */
export interface Tables {
  readonly lease: Table<schema.LeaseRecord>
  readonly node: Table<schema.NodeRecord>
  readonly service: Table<schema.ServiceRecord>
  readonly instance: Table<schema.InstanceRecord>
  readonly override: Table<schema.OverrideRecord>
  readonly config: Table<schema.ConfigRecord>
  readonly stage: Table<schema.ConfigStageRecord>
  readonly stageMark: Table<schema.StageMarkRecord>
  readonly event: Table<schema.EventRecord>
  readonly scope: Table<schema.ScopeRecord>
  readonly membership: Table<schema.MembershipRecord>
  readonly setting: Table<schema.SettingRecord>
  readonly instancesOnNode: (ns: string, node: string) => readonly schema.InstanceRecord[]
  readonly configOfLease: (lease: string) => readonly schema.ConfigRecord[]
  /** By name. */
  readonly stagesOf: (ns: string, key: string) => readonly schema.ConfigStageRecord[]
  /** Newest first. */
  readonly stageMarksOf: (ns: string, key: string) => readonly schema.StageMarkRecord[]
}

export function openTables(sql: Sql, hash: MultisetHash): Tables {
  const instance = new Table(sql, hash, schema.INSTANCE)
  const config = new Table(sql, hash, schema.CONFIG)
  const onNode = instance.query('WHERE ns = ?1 AND node = ?2 ORDER BY service, id')
  const stage = new Table(sql, hash, schema.CONFIG_STAGE)
  const stageMark = new Table(sql, hash, schema.STAGE_MARK)
  const stagesOf = stage.query('WHERE ns = ?1 AND key = ?2 ORDER BY name')
  const marksOf = stageMark.query('WHERE ns = ?1 AND key = ?2 ORDER BY revision DESC, name, rule')
  const ofLease = config.query('WHERE lease = ?1 ORDER BY ns, key')
  return {
    lease: new Table(sql, hash, schema.LEASE),
    node: new Table(sql, hash, schema.NODE),
    service: new Table(sql, hash, schema.SERVICE),
    instance,
    override: new Table(sql, hash, schema.OVERRIDE),
    config,
    stage,
    stageMark,
    event: new Table(sql, hash, schema.EVENT),
    scope: new Table(sql, hash, schema.SCOPE),
    membership: new Table(sql, hash, schema.MEMBERSHIP),
    setting: new Table(sql, hash, schema.SETTING),
    instancesOnNode: (ns, node) => onNode(ns, node),
    configOfLease: (lease) => ofLease(lease),
    stagesOf: (ns, key) => (stage.mayHoldRows ? stagesOf(ns, key) : []),
    stageMarksOf: (ns, key) => (stageMark.mayHoldRows ? marksOf(ns, key) : []),
  }
}
