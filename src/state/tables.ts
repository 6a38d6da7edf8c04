import type { MultisetHash } from '../lib/hash.ts'
import { ConfigChain } from './config-chain.ts'
import { EventSweep, Marks } from './event-sweep.ts'
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
  readonly event: Table<schema.EventRecord>
  readonly scope: Table<schema.ScopeRecord>
  readonly membership: Table<schema.MembershipRecord>
  readonly setting: Table<schema.SettingRecord>
  readonly configSchema: Table<schema.ConfigSchemaRecord>
  readonly historyMark: Table<schema.HistoryMarkRecord>
  /** The versions of config keys, the events in their order, and what time it was when. */
  readonly chain: ConfigChain
  readonly events: EventSweep
  readonly marks: Marks
  /** Those that govern a key, shortest prefix first. */
  readonly schemasOf: (ns: string, key: string) => readonly schema.ConfigSchemaRecord[]
  /** From a prefix on, in the order of prefixes. */
  readonly schemasFrom: (
    ns: string,
    from: string,
    limit: number,
  ) => readonly schema.ConfigSchemaRecord[]
  readonly instancesOnNode: (ns: string, node: string) => readonly schema.InstanceRecord[]
  readonly configOfLease: (lease: string) => readonly schema.ConfigRecord[]
}

export function openTables(sql: Sql, hash: MultisetHash): Tables {
  const instance = new Table(sql, hash, schema.INSTANCE)
  const config = new Table(sql, hash, schema.CONFIG)
  const configSchema = new Table(sql, hash, schema.CONFIG_SCHEMA)
  const historyMark = new Table(sql, hash, schema.HISTORY_MARK)
  const governing = configSchema.query(
    'WHERE ns = ?1 AND substr(?2, 1, length(prefix)) = prefix ORDER BY prefix',
  )
  const fromPrefix = configSchema.query('WHERE ns = ?1 AND prefix >= ?2 ORDER BY prefix LIMIT ?3')
  const onNode = instance.query('WHERE ns = ?1 AND node = ?2 ORDER BY service, id')
  const ofLease = config.query('WHERE lease = ?1 ORDER BY ns, key')
  return {
    lease: new Table(sql, hash, schema.LEASE),
    node: new Table(sql, hash, schema.NODE),
    service: new Table(sql, hash, schema.SERVICE),
    instance,
    override: new Table(sql, hash, schema.OVERRIDE),
    config,
    event: new Table(sql, hash, schema.EVENT),
    scope: new Table(sql, hash, schema.SCOPE),
    membership: new Table(sql, hash, schema.MEMBERSHIP),
    setting: new Table(sql, hash, schema.SETTING),
    configSchema,
    historyMark,
    chain: new ConfigChain(sql),
    events: new EventSweep(sql),
    marks: new Marks(historyMark),
    schemasOf: (ns, key) => (configSchema.mayHoldRows ? governing(ns, key) : []),
    schemasFrom: (ns, from, limit) => fromPrefix(ns, from, limit),
    instancesOnNode: (ns, node) => onNode(ns, node),
    configOfLease: (lease) => ofLease(lease),
  }
}
