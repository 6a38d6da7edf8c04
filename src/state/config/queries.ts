import type { TopicChange } from '../changes.ts'
import { configMeta } from './config.ts'
import { configSchemaMeta } from './schemas.ts'
import { pageStart, prefixEnd } from '../tables/prefix.ts'
import { PrefixRevisions } from './prefix-revisions.ts'
import type { EventPlace, Page } from '../reader.ts'
import type {
  ConfigMeta,
  ConfigRow,
  ConfigSchemaMeta,
  ConfigVersion,
  ConfigVersionValue,
} from '../rows.ts'
import type { ConfigRecord } from '../tables/schema.ts'
import { compactedRevision } from '../settings.ts'
import type { Sql, SqlValue, Statement } from '../tables/sql.ts'
import type { Tables } from '../tables/tables.ts'

const CONFIG_TOPIC = 'config/'

type List = (...params: SqlValue[]) => readonly ConfigRecord[]

/** Reads over configuration. */
export class ConfigQueries {
  readonly #tables: Tables
  /** Where nothing is known of a key, this is its revision: what was before it is not known. */
  readonly #floor: number
  readonly #at: List
  readonly #after: List
  readonly #prefixRevision: Statement
  readonly #prefixes = new PrefixRevisions()

  constructor(sql: Sql, tables: Tables) {
    this.#tables = tables
    this.#floor = compactedRevision(tables)
    const list = (comparison: string) =>
      tables.config.query(
        `WHERE ns = ?1 AND key ${comparison} ?2 AND key < ?3 AND deleted = 0
         ORDER BY key LIMIT ?4`,
      )
    this.#at = list('>=')
    this.#after = list('>')
    this.#prefixRevision = sql.prepare(
      'SELECT max(revision) FROM config WHERE ns = ?1 AND key >= ?2 AND key < ?3',
    )
  }

  config(ns: string, key: string): ConfigRow | null {
    const record = this.#tables.config.find(ns, key)
    if (record === null || record.deleted === 1) return null
    return { ...configMeta(record), value: this.#tables.valueOf(record) }
  }

  revision(ns: string, key: string): number {
    return this.#tables.config.find(ns, key)?.revision ?? this.#floor
  }

  list(ns: string, page: Page): readonly ConfigMeta[] {
    const { from, inclusive } = pageStart(page.prefix, page.after)
    const list = inclusive ? this.#at : this.#after
    return list(ns, from, prefixEnd(page.prefix), page.limit).map(configMeta)
  }

  newestVersion(ns: string, key: string): number {
    return this.#tables.config.find(ns, key)?.version ?? 0
  }

  version(ns: string, key: string, version: number): ConfigVersionValue | null {
    const record = this.#tables.config.find(ns, key)
    return record === null ? null : this.#tables.chain.version(record, version)
  }

  history(
    ns: string,
    key: string,
    page: { readonly before: EventPlace | null; readonly limit: number },
  ): readonly ConfigVersion[] {
    const record = this.#tables.config.find(ns, key)
    return record === null ? [] : this.#tables.chain.page(record, page)
  }

  schemas(ns: string, page: Page): readonly ConfigSchemaMeta[] {
    const { from, inclusive } = pageStart(page.prefix, page.after)
    const more = inclusive ? 0 : 1
    return this.#tables
      .schemasFrom(ns, from, page.limit + more)
      .filter(({ prefix }) => prefix.startsWith(page.prefix) && (inclusive || prefix !== from))
      .slice(0, page.limit)
      .map(configSchemaMeta)
  }

  /** Tombstones count: a deletion is a change of the prefix. Reads its keys the first time. */
  prefixRevision(ns: string, prefix: string): number {
    const known = this.#prefixes.get(ns, prefix)
    if (known !== null) return known
    const [newest] = this.#prefixRevision.get(ns, prefix, prefixEnd(prefix)) ?? []
    const revision = (newest as number | null | undefined) ?? this.#floor
    this.#prefixes.set(ns, prefix, revision)
    return revision
  }

  /** A batch was applied: what was remembered follows. */
  applied(topics: readonly TopicChange[]): void {
    for (const change of topics) {
      if (change.topic.startsWith(CONFIG_TOPIC)) {
        this.#prefixes.changed(change.ns, change.topic.slice(CONFIG_TOPIC.length), change.revision)
      }
    }
  }
}
