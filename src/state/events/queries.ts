import { assert } from '../../lib/assert.ts'
import { EVENT_VALUE_MAX, type StoredEvent } from './event.ts'
import type { Sql, SqlRow, Statement } from '../tables/sql.ts'

export interface EventPage {
  /** About so many events; a revision is never split, so the last one may go beyond it. */
  readonly limit: number
  /** Whether config values up to {@link EVENT_VALUE_MAX} are read as well. */
  readonly values: boolean
}

interface Statements {
  readonly after: Statement
  readonly rest: Statement
}

/** Reads over the change feed: how a watch catches up. */
export class EventQueries {
  readonly #plain: Statements
  readonly #withValues: Statements

  constructor(sql: Sql) {
    this.#plain = statements(sql, 'NULL')
    this.#withValues = statements(
      sql,
      `CASE WHEN length(value) <= ${EVENT_VALUE_MAX} THEN value ELSE NULL END`,
    )
  }

  /**
   * The events after `revision` in their order, each revision whole. Fewer than `limit` means that
   * there are no more.
   */
  after(revision: number, { limit, values }: EventPage): readonly StoredEvent[] {
    assert(limit > 0, 'a page holds something')
    const { after, rest } = values ? this.#withValues : this.#plain
    const events = after.all(revision, limit).map(eventOf)
    const last = events.at(-1)
    if (last === undefined || events.length < limit) return events
    for (const row of rest.all(last.revision, last.n)) events.push(eventOf(row))
    return events
  }
}

/** `length()` of a BLOB is read from its header: a large value's pages are not touched. */
function statements(sql: Sql, value: string): Statements {
  const select = `SELECT revision, n, ns, topic, kind, at_ms, body, length(value), ${value} FROM event`
  return {
    after: sql.prepare(`${select} WHERE revision > ?1 ORDER BY revision, n LIMIT ?2`),
    rest: sql.prepare(`${select} WHERE revision = ?1 AND n > ?2 ORDER BY n`),
  }
}

function eventOf(row: SqlRow): StoredEvent {
  const [revision, n, ns, topic, kind, atMs, body, size, value] = row
  return { revision, n, ns, topic, kind, atMs, body, size, value } as StoredEvent
}
