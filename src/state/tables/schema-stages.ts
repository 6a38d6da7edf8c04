/** The tables of staged release; `schema.ts` has the rules. */
import { INT, NAME, tail } from './columns.ts'
import type { Tail } from './columns.ts'
import type { TableSpec } from './table.ts'

/** A value of a key for some callers, beside the one that all others see. */
export interface ConfigStageRecord extends Tail {
  ns: string
  key: string
  name: string
  /** Canonical (`../stages/rule.ts`). */
  rule: string
  contentType: string
  /** The key's version when this was staged, 0 without one: what a promotion may replace. */
  baseVersion: number
  size: number
  updatedBy: Uint8Array | null
  comment: Uint8Array | null
  /** The event that holds the value. */
  eventRevision: number
  eventN: number
}

export const CONFIG_STAGE: TableSpec<ConfigStageRecord> = {
  name: 'config_stage',
  number: 12,
  keys: 3,
  columns: {
    ns: NAME,
    key: NAME,
    name: NAME,
    rule: NAME,
    contentType: NAME,
    baseVersion: INT,
    size: INT,
    updatedBy: 'BLOB',
    comment: 'BLOB',
    eventRevision: INT,
    eventN: INT,
    ...tail,
  },
  indexes: [],
}

/**
 * When callers that match `rule` last saw a change of this stage: it outlives the stage and its
 * earlier rules, so that whoever loses a staged value is woken and nobody else is. Dropped by the
 * key's next version, which is a change for all.
 */
export interface StageMarkRecord {
  ns: string
  key: string
  name: string
  rule: string
  createdRevision: number
  revision: number
  attributes: string | null
}

export const STAGE_MARK: TableSpec<StageMarkRecord> = {
  name: 'stage_mark',
  number: 17,
  keys: 4,
  columns: {
    ns: NAME,
    key: NAME,
    name: NAME,
    rule: NAME,
    createdRevision: INT,
    revision: INT,
    attributes: 'TEXT',
  },
  indexes: [],
}
