/** The event table as a trim goes through it: in the order of revisions, a page at a time. */
import type { EventPlace } from '../reader.ts'
import type { HistoryMarkRecord } from '../tables/schema.ts'
import type { Sql, SqlRow, Statement } from '../tables/sql.ts'
import type { Table } from '../tables/table.ts'

export interface SweptEvent extends EventPlace {
  readonly ns: string
  readonly topic: string
  readonly kind: number
  readonly body: Uint8Array
  /** Of its value. */
  readonly bytes: number
}

const STAGES = 'stages/'
const COLUMNS = 'revision, n, ns, topic, kind, body, length(value)'

export class EventSweep {
  readonly #page: Statement
  readonly #rest: Statement
  readonly #any: Statement
  readonly #newest: Statement
  readonly #stage: Statement

  constructor(sql: Sql) {
    this.#page = sql.prepare(
      `SELECT ${COLUMNS} FROM event WHERE revision >= ?1 AND revision < ?2
       ORDER BY revision, n LIMIT ?3`,
    )
    this.#rest = sql.prepare(
      `SELECT ${COLUMNS} FROM event WHERE revision = ?1 AND n > ?2 ORDER BY n`,
    )
    this.#any = sql.prepare('SELECT 1 FROM event WHERE revision >= ?1 AND revision < ?2 LIMIT 1')
    this.#newest = sql.prepare('SELECT max(revision) FROM event')
    this.#stage = sql.prepare(
      `SELECT 1 FROM config_stage
       WHERE ns = ?1 AND key = ?2 AND event_revision = ?3 AND event_n = ?4 LIMIT 1`,
    )
  }

  /** Whole revisions: at least `limit` events, where there are so many. */
  page(range: {
    readonly from: number
    readonly below: number
    readonly limit: number
  }): readonly SweptEvent[] {
    const events = this.#page.all(range.from, range.below, range.limit).map(sweptOf)
    const last = events.at(-1)
    if (last === undefined || events.length < range.limit) return events
    return [...events, ...this.#rest.all(last.revision, last.n).map(sweptOf)]
  }

  any(from: number, below: number): boolean {
    return this.#any.get(from, below) !== null
  }

  /** Whether a row lives on it: a staged value stands in its event alone. */
  isPinned({ ns, topic, revision, n }: SweptEvent): boolean {
    if (!topic.startsWith(STAGES)) return false
    return this.#stage.get(ns, topic.slice(STAGES.length), revision, n) !== null
  }

  newestRevision(): number {
    const [newest] = this.#newest.get() ?? []
    return (newest as number | null | undefined) ?? 0
  }
}

function sweptOf(row: SqlRow): SweptEvent {
  const [revision, n, ns, topic, kind, body, bytes] = row
  return { revision, n, ns, topic, kind, body, bytes: bytes ?? 0 } as SweptEvent
}

export class Marks {
  readonly #newestAt: (...params: number[]) => readonly HistoryMarkRecord[]
  readonly #newest: () => readonly HistoryMarkRecord[]
  readonly #before: (...params: number[]) => readonly HistoryMarkRecord[]

  constructor(table: Table<HistoryMarkRecord>) {
    const last = 'ORDER BY up_to DESC LIMIT 1'
    this.#newestAt = table.query(`WHERE cluster_ms <= ?1 ${last}`)
    this.#newest = table.query(last)
    this.#before = table.query('WHERE up_to < ?1 ORDER BY up_to')
  }

  newest(): HistoryMarkRecord | null {
    return this.#newest()[0] ?? null
  }

  newestAt(clusterMs: number): HistoryMarkRecord | null {
    return this.#newestAt(clusterMs)[0] ?? null
  }

  before(upTo: number): readonly HistoryMarkRecord[] {
    return this.#before(upTo)
  }
}
