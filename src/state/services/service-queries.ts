import { decode } from '../../lib/msgpack.ts'
import { health, instanceStatus } from '../codec/fields.ts'
import type { TopicChange } from '../changes.ts'
import { instanceRow, overridesOf } from './instance.ts'
import { ServiceViews } from './service-views.ts'
import { compareBytes, pageStart, prefixEnd } from '../tables/prefix.ts'
import type { Page } from '../reader.ts'
import type { InstanceRow, ServiceSummary, ServiceView } from '../rows.ts'
import type { Scopes } from '../scope.ts'
import type { InstanceRecord } from '../tables/schema.ts'
import type { Sql, SqlValue, Statement } from '../tables/sql.ts'
import type { Tables } from '../tables/tables.ts'
import { list, text } from '../codec/wire.ts'

const UP = instanceStatus.to('up', 'status') as number
const CRITICAL = health.to('critical', 'health') as number
const tagList = list(text)

/** The next name of a table that lists services, without reading the rows in between. */
interface NextName {
  readonly at: Statement
  readonly after: Statement
}

function nextName(sql: Sql, from: { readonly table: string; readonly column: string }): NextName {
  const { table, column } = from
  const select = (comparison: string) =>
    sql.prepare(
      `SELECT ${column} FROM ${table}
       WHERE ns = ?1 AND ${column} ${comparison} ?2 AND ${column} < ?3
       ORDER BY ${column} LIMIT 1`,
    )
  return { at: select('>='), after: select('>') }
}

/** Reads over services and their instances. */
export class ServiceQueries {
  readonly #tables: Tables
  readonly #scopes: Scopes
  readonly #instances: Tables['instancesOnNode']
  readonly #names: readonly NextName[]
  readonly #counts: Statement
  readonly #tags: Statement
  readonly #views: ServiceViews

  constructor(sql: Sql, tables: Tables, scopes: Scopes) {
    this.#tables = tables
    this.#scopes = scopes
    this.#instances = tables.instance.query('WHERE ns = ?1 AND service = ?2 ORDER BY id')
    this.#names = [
      nextName(sql, { table: 'instance', column: 'service' }),
      nextName(sql, { table: 'service', column: 'name' }),
    ]
    // The same rule as `isAvailable` in view.ts; a test holds the two together.
    this.#counts = sql.prepare(
      `SELECT count(*), coalesce(sum(
         coalesce(o.status, h.override_status, i.status) = ${UP} AND i.health <> ${CRITICAL}), 0)
       FROM instance i
       LEFT JOIN override o ON o.ns = i.ns AND o.service = i.service AND o.id = i.id
       LEFT JOIN node h ON h.ns = i.ns AND h.name = i.node
       WHERE i.ns = ?1 AND i.service = ?2`,
    )
    this.#tags = sql.prepare(
      'SELECT DISTINCT tags FROM instance WHERE ns = ?1 AND service = ?2 ORDER BY tags',
    )
    this.#views = new ServiceViews({
      instances: (ns, service) => this.#instances(ns, service).map((record) => this.#row(record)),
      instance: (ns, service, id) => {
        const record = tables.instance.find(ns, service, id)
        return record === null ? null : this.#row(record)
      },
      revision: (ns, service) => scopes.revision(ns, `services/${service}`),
      protectThreshold: (ns, service) => tables.service.find(ns, service)?.protectThreshold ?? 0,
    })
  }

  view(ns: string, service: string): ServiceView {
    return this.#views.get(ns, service)
  }

  /** A batch was applied: what was remembered follows. */
  applied(topics: readonly TopicChange[]): void {
    this.#views.applied(topics)
  }

  #row(record: InstanceRecord): InstanceRow {
    return instanceRow(record, overridesOf(this.#tables, record))
  }

  services(ns: string, page: Page): readonly ServiceSummary[] {
    const summaries: ServiceSummary[] = []
    const end = prefixEnd(page.prefix)
    let { from, inclusive } = pageStart(page.prefix, page.after)
    while (summaries.length < page.limit) {
      const name = this.#next(inclusive ? 'at' : 'after', [ns, from, end])
      if (name === null) break
      summaries.push(this.#summary(ns, name))
      from = name
      inclusive = false
    }
    return summaries
  }

  /** The least name of both tables; a service may have instances, settings, or both. */
  #next(side: keyof NextName, params: readonly SqlValue[]): string | null {
    const names = this.#names
      .map((next) => next[side].get(...params)?.[0] as string | undefined)
      .filter((name) => name !== undefined)
    const [one, other] = names
    if (one === undefined || other === undefined) return one ?? null
    return compareBytes(one, other) <= 0 ? one : other
  }

  #summary(ns: string, service: string): ServiceSummary {
    const [instances, available] = this.#counts.get(ns, service) as [number, number]
    const tags = new Set<string>()
    for (const [blob] of this.#tags.all(ns, service)) {
      for (const tag of tagList.from(decode(blob as Uint8Array), 'tags')) tags.add(tag)
    }
    return {
      service,
      instances,
      available,
      tags: [...tags].sort(compareBytes),
      revision: this.#scopes.revision(ns, `services/${service}`),
    }
  }
}
