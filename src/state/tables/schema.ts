/**
 * The tables (DESIGN §4). Names are TEXT under SQLite's default collation BINARY, which is memcmp
 * over UTF-8. Free texts and structures lie in BLOBs. Each row knows the revision that made it
 * and the last that changed it, and an `attributes` JSON (NULL: none) that this folder carries
 * over and never reads.
 *
 * A change of this file is a new `SCHEMA_VERSION` and a migration at a log index (DESIGN §1.7).
 */
import { INT, NAME, tail } from './columns.ts'
import type { Tail } from './columns.ts'
import { LOCK, LOCK_GRANT, LOCK_WAITER } from './schema-locks.ts'
import { CONFIG_STAGE, STAGE_MARK } from './schema-stages.ts'
import type { TableShape, TableSpec } from './table.ts'

export type { Tail } from './columns.ts'
export * from './schema-stages.ts'

export const SCHEMA_VERSION = 1

/** What a record takes in memory without its texts. */
const RECORD_BYTES = 512

export interface LeaseRecord extends Tail {
  id: string
  ns: string
  ttlMs: number
  leaseRevision: number
  /** NULL: never. */
  removeAfterMs: number | null
  /** 0 removes what hangs on it, 1 lapses first. */
  onLapse: number
  owner: Uint8Array | null
  suspectMs: number | null
  lapsed: number
}

export const LEASE: TableSpec<LeaseRecord> = {
  name: 'lease',
  number: 1,
  keys: 1,
  columns: {
    id: NAME,
    ns: NAME,
    ttlMs: INT,
    leaseRevision: INT,
    removeAfterMs: 'INTEGER',
    onLapse: INT,
    owner: 'BLOB',
    suspectMs: 'INTEGER',
    lapsed: INT,
    ...tail,
  },
  indexes: [],
  weigh: ({ id, owner }) => RECORD_BYTES + 2 * id.length + (owner?.length ?? 0),
}

export interface NodeRecord extends Tail {
  ns: string
  name: string
  address: string | null
  metadata: Uint8Array | null
  /** The override's status as a number, for SQL; NULL where it names none. */
  overrideStatus: number | null
  override: Uint8Array | null
}

export const NODE: TableSpec<NodeRecord> = {
  name: 'node',
  number: 2,
  keys: 2,
  columns: {
    ns: NAME,
    name: NAME,
    address: 'TEXT',
    metadata: 'BLOB',
    overrideStatus: 'INTEGER',
    override: 'BLOB',
    ...tail,
  },
  indexes: [],
}

export interface ServiceRecord extends Tail {
  ns: string
  name: string
  metadata: Uint8Array
  protectThreshold: number
}

export const SERVICE: TableSpec<ServiceRecord> = {
  name: 'service',
  number: 3,
  keys: 2,
  columns: {
    ns: NAME,
    name: NAME,
    metadata: 'BLOB NOT NULL',
    protectThreshold: 'REAL NOT NULL',
    ...tail,
  },
  indexes: [],
}

export interface InstanceRecord extends Tail {
  ns: string
  service: string
  id: string
  node: string | null
  /** Numbers of `../codec/fields.ts`: what a summary asks in SQL. */
  status: number
  health: number
  healthReason: Uint8Array | null
  tags: Uint8Array
  /** All else that the instance declares. */
  spec: Uint8Array
  lease: string | null
}

export const INSTANCE: TableSpec<InstanceRecord> = {
  name: 'instance',
  number: 4,
  keys: 3,
  columns: {
    ns: NAME,
    service: NAME,
    id: NAME,
    node: 'TEXT',
    status: INT,
    health: INT,
    healthReason: 'BLOB',
    tags: 'BLOB NOT NULL',
    spec: 'BLOB NOT NULL',
    lease: 'TEXT',
    ...tail,
  },
  indexes: ['instance_by_node ON instance (ns, node) WHERE node IS NOT NULL'],
  weigh: ({ id, spec, tags }) => RECORD_BYTES + 2 * id.length + spec.length + tags.length,
}

export interface OverrideRecord extends Tail {
  ns: string
  service: string
  id: string
  status: number | null
  weight: number | null
  /** `[reason, by]`. */
  detail: Uint8Array
}

export const OVERRIDE: TableSpec<OverrideRecord> = {
  name: 'override',
  number: 5,
  keys: 3,
  columns: {
    ns: NAME,
    service: NAME,
    id: NAME,
    status: 'INTEGER',
    weight: 'REAL',
    detail: 'BLOB NOT NULL',
    ...tail,
  },
  indexes: [],
}

export interface ConfigRecord extends Tail {
  ns: string
  key: string
  contentType: string
  /** Goes on after a deletion, so the row stays as a tombstone. */
  version: number
  /** The version that made the key, last time. */
  createdVersion: number
  flags: number
  lease: string | null
  size: number
  updatedBy: Uint8Array | null
  deleted: number
  /** The event that holds the value. */
  eventRevision: number
  eventN: number
}

export const CONFIG: TableSpec<ConfigRecord> = {
  name: 'config',
  number: 6,
  keys: 2,
  columns: {
    ns: NAME,
    key: NAME,
    contentType: NAME,
    version: INT,
    createdVersion: INT,
    flags: INT,
    lease: 'TEXT',
    size: INT,
    updatedBy: 'BLOB',
    deleted: INT,
    eventRevision: INT,
    eventN: INT,
    ...tail,
  },
  indexes: ['config_by_lease ON config (lease) WHERE lease IS NOT NULL'],
  weigh: ({ key, updatedBy }) => RECORD_BYTES + 2 * key.length + (updatedBy?.length ?? 0),
}

/** Append-only, so its own revision is all the history it has. */
export interface EventRecord {
  revision: number
  n: number
  ns: string
  topic: string
  kind: number
  atMs: number
  attributes: string | null
  body: Uint8Array
  /** Last, so that reading a body never touches a large value's pages. */
  value: Uint8Array | null
}

export const EVENT: TableSpec<EventRecord> = {
  name: 'event',
  number: 7,
  keys: 2,
  columns: {
    revision: INT,
    n: INT,
    ns: NAME,
    topic: NAME,
    kind: INT,
    atMs: INT,
    attributes: 'TEXT',
    body: 'BLOB NOT NULL',
    value: 'BLOB',
  },
  indexes: [],
}

export interface ScopeRecord {
  ns: string
  topic: string
  createdRevision: number
  revision: number
  attributes: string | null
}

export const SCOPE: TableSpec<ScopeRecord> = {
  name: 'scope',
  number: 8,
  keys: 2,
  columns: { ns: NAME, topic: NAME, createdRevision: INT, revision: INT, attributes: 'TEXT' },
  indexes: [],
}

export interface MembershipRecord {
  /** Always 1: there is one. */
  id: number
  revision: number
  createdRevision: number
  /** In the core's encoding. */
  data: Uint8Array
  attributes: string | null
}

export const MEMBERSHIP: TableSpec<MembershipRecord> = {
  name: 'membership',
  number: 9,
  keys: 1,
  columns: {
    id: INT,
    revision: INT,
    createdRevision: INT,
    data: 'BLOB NOT NULL',
    attributes: 'TEXT',
  },
  indexes: [],
}

export interface SettingRecord {
  name: string
  value: number
  createdRevision: number
  revision: number
  attributes: string | null
}

export const SETTING: TableSpec<SettingRecord> = {
  name: 'setting',
  number: 10,
  keys: 1,
  columns: { name: NAME, value: INT, createdRevision: INT, revision: INT, attributes: 'TEXT' },
  indexes: [],
}

/** Filled by later commands; they exist so that the row model is one from the start. */
const CHECK: TableShape = {
  name: 'health_check', // CHECK is a word of SQL.
  number: 11,
  keys: 4,
  columns: {
    ns: NAME,
    service: NAME,
    id: NAME,
    name: NAME,
    kind: INT,
    definition: 'BLOB NOT NULL',
    status: INT,
    output: 'BLOB',
    thresholds: 'BLOB',
    lease: 'TEXT',
    ...tail,
  },
  indexes: [],
}

export interface IdempotencyRecord extends Tail {
  /** Empty while callers have no identity. */
  caller: string
  key: string
  requestHash: Uint8Array
  /** As `encodeOutcome` gives it. */
  outcome: Uint8Array
  /** The cluster's clock when it was decided: what the window is judged by. */
  clusterMs: number
}

export const IDEMPOTENCY: TableSpec<IdempotencyRecord> = {
  name: 'idempotency',
  number: 15,
  keys: 2,
  columns: {
    caller: NAME,
    key: NAME,
    requestHash: 'BLOB NOT NULL',
    outcome: 'BLOB NOT NULL',
    clusterMs: 'REAL NOT NULL',
    ...tail,
  },
  indexes: ['idempotency_by_age ON idempotency (created_revision)'],
}

/** A JSON Schema for the values of all keys that begin so. */
export interface ConfigSchemaRecord extends Tail {
  ns: string
  prefix: string
  updatedBy: Uint8Array | null
  /** JSON, as it was written. */
  schema: Uint8Array
}

export const CONFIG_SCHEMA: TableSpec<ConfigSchemaRecord> = {
  name: 'config_schema',
  number: 16,
  keys: 2,
  columns: { ns: NAME, prefix: NAME, updatedBy: 'BLOB', ...tail, schema: 'BLOB NOT NULL' },
  indexes: [],
}

/** When the cluster's clock showed what: how old an event is, is known from these alone. */
export interface HistoryMarkRecord {
  /** All revisions up to this one were applied by then. */
  upTo: number
  clusterMs: number
  createdRevision: number
  revision: number
  attributes: string | null
}

export const HISTORY_MARK: TableSpec<HistoryMarkRecord> = {
  name: 'history_mark',
  number: 21,
  keys: 1,
  columns: { upTo: INT, clusterMs: INT, createdRevision: INT, revision: INT, attributes: 'TEXT' },
  indexes: [],
}

/** All replicated tables: what the state hash covers. */
export const TABLES: readonly TableShape[] = [
  LEASE,
  NODE,
  SERVICE,
  INSTANCE,
  OVERRIDE,
  CONFIG,
  EVENT,
  SCOPE,
  MEMBERSHIP,
  SETTING,
  CHECK,
  CONFIG_STAGE,
  LOCK_GRANT,
  LOCK_WAITER,
  IDEMPOTENCY,
  CONFIG_SCHEMA,
  HISTORY_MARK,
  LOCK,
  STAGE_MARK,
]

/** How far this database is. One row; what it says holds for all tables (one transaction). */
export const CREATE_APPLIED = `CREATE TABLE applied (
  id INTEGER PRIMARY KEY CHECK (id = 1), schema_version INTEGER NOT NULL,
  applied_index INTEGER NOT NULL, applied_term INTEGER NOT NULL, cluster_ms REAL NOT NULL,
  hash_a INTEGER NOT NULL, hash_b INTEGER NOT NULL) STRICT`
