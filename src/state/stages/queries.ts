import { assert, present } from '../../lib/assert.ts'
import type { ConfigQueries } from '../config/queries.ts'
import { pageStart, prefixEnd } from '../tables/prefix.ts'
import type { Page, StageReader } from '../reader.ts'
import type { StageMeta, StageRow } from '../rows.ts'
import type { ConfigStageRecord } from '../tables/schema.ts'
import type { Sql, Statement } from '../tables/sql.ts'
import { stageMeta } from './stage.ts'
import { isStagedFor } from './rule.ts'
import type { Labels } from './rule.ts'
import type { Tables } from '../tables/tables.ts'

/** Reads over what is staged. */
export class StageQueries implements StageReader {
  readonly #tables: Tables
  readonly #configs: ConfigQueries
  readonly #value: Statement
  readonly #keysAt: Statement
  readonly #keysAfter: Statement

  constructor(sql: Sql, tables: Tables, configs: ConfigQueries) {
    this.#tables = tables
    this.#configs = configs
    this.#value = sql.prepare('SELECT value FROM event WHERE revision = ?1 AND n = ?2')
    const keys = (comparison: string) =>
      sql.prepare(
        `SELECT DISTINCT key FROM config_stage
         WHERE ns = ?1 AND key ${comparison} ?2 AND key < ?3 ORDER BY key LIMIT ?4`,
      )
    this.#keysAt = keys('>=')
    this.#keysAfter = keys('>')
  }

  of(ns: string, key: string): readonly StageMeta[] {
    return this.#tables.stagesOf(ns, key).map(stageMeta)
  }

  find(ns: string, key: string, name: string): StageRow | null {
    const record = this.#tables.stage.find(ns, key, name)
    return record === null ? null : this.#row(record)
  }

  list(ns: string, page: Page): readonly StageMeta[] {
    const { from, inclusive } = pageStart(page.prefix, page.after)
    const keys = inclusive ? this.#keysAt : this.#keysAfter
    return keys
      .all(ns, from, prefixEnd(page.prefix), page.limit)
      .flatMap(([key]) => this.of(ns, key as string))
  }

  /** Of several that match, the first by name. */
  seenBy(ns: string, key: string, labels: Labels): StageRow | null {
    if (labels.size === 0) return null
    const record = this.#tables
      .stagesOf(ns, key)
      .find(({ name: stage, rule }) => isStagedFor(rule, { ns, key, stage }, labels))
    return record === undefined ? null : this.#row(record)
  }

  revisionFor(ns: string, key: string, labels: Labels): number {
    const own = this.#configs.revision(ns, key)
    if (labels.size === 0) return own
    // Marks are newer than the key's version: that has dropped all there were.
    const mark = this.#tables
      .stageMarksOf(ns, key)
      .find(({ name: stage, rule }) => isStagedFor(rule, { ns, key, stage }, labels))
    return Math.max(own, mark?.revision ?? 0)
  }

  #row(record: ConfigStageRecord): StageRow {
    const found = this.#value.get(record.eventRevision, record.eventN)
    const [value] = present(found, 'a stage points to the event that holds its value')
    assert((value as Uint8Array).length === record.size, 'a staged value has its size')
    return { ...stageMeta(record), value: value as Uint8Array }
  }
}
