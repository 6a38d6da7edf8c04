/**
 * The versions of config keys, in the event table. An index finds a key's events in the order of
 * their revisions; versions only grow along it, so one of them is found by halving.
 */
import { assert, present } from '../lib/assert.ts'
import { decodeConfigBody } from './config-event.ts'
import { EVENT_KINDS } from './event.ts'
import type { EventPlace } from './reader.ts'
import type { ConfigVersion, ConfigVersionValue } from './rows.ts'
import { CONFIG_EVENTS, type ConfigRecord } from './schema.ts'
import type { Sql, SqlRow, Statement } from './sql.ts'

const DELETED = EVENT_KINDS['config.deleted']
const COLUMNS = 'revision, n, kind, at_ms, body, length(value)'
const OF_KEY = `ns = ?1 AND topic = ?2 AND ${CONFIG_EVENTS}`
/** After every event that there is. */
const END: EventPlace = { revision: Number.MAX_SAFE_INTEGER, n: 0 }

/** The part of a key's row that says where its versions are. */
type Key = Pick<ConfigRecord, 'ns' | 'key' | 'version' | 'eventRevision'>

export class ConfigVersions {
  readonly #newest: Statement
  readonly #oldest: Statement
  readonly #at: Statement
  readonly #value: Statement

  constructor(sql: Sql) {
    const newest = `(revision, n) < (?3, ?4) ORDER BY revision DESC, n DESC LIMIT ?5`
    this.#newest = sql.prepare(`SELECT ${COLUMNS} FROM event WHERE ${OF_KEY} AND ${newest}`)
    const oldest = 'ORDER BY revision, n LIMIT ?3'
    this.#oldest = sql.prepare(`SELECT ${COLUMNS} FROM event WHERE ${OF_KEY} ${oldest}`)
    this.#at = sql.prepare(
      `SELECT ${COLUMNS} FROM event WHERE ${OF_KEY} AND revision = ?3 ORDER BY n`,
    )
    this.#value = sql.prepare('SELECT value FROM event WHERE revision = ?1 AND n = ?2')
  }

  /** Newest first, deletions too: at most `limit` of those before `before`. */
  page(
    ns: string,
    key: string,
    { before, limit }: { readonly before: EventPlace | null; readonly limit: number },
  ): readonly ConfigVersion[] {
    const { revision, n } = before ?? END
    return this.#newest.all(ns, topicOf(key), revision, n, limit).map(versionOf)
  }

  /** Oldest first. */
  oldest(ns: string, key: string, limit: number): readonly ConfigVersion[] {
    return this.#oldest.all(ns, topicOf(key), limit).map(versionOf)
  }

  /** What was written as that version; null: there is none, or it is no longer kept. */
  version(of: Key, version: number): ConfigVersionValue | null {
    if (version < 1 || version > of.version) return null
    const revision = this.#revisionOf(of, version)
    if (revision === null) return null
    // A transaction may write a key more than once: its events have the revision in common.
    const events = this.#at.all(of.ns, topicOf(of.key), revision).map(versionOf)
    const found = events.find((event) => event.version === version && !event.deleted)
    if (found === undefined) return null
    const row = present(
      this.#value.get(found.revision, found.n),
      'an event that was found is there',
    )
    return { ...found, value: row[0] as Uint8Array }
  }

  /** The first revision at whose end the key had reached that version; null: it is not kept. */
  #revisionOf({ ns, key, eventRevision }: Key, version: number): number | null {
    const [first] = this.oldest(ns, key, 1)
    if (first === undefined || first.version > version) return null
    if (first.version === version) return first.revision
    let below = first.revision // Its last event may have reached it: a transaction's.
    let reached = eventRevision
    if ((this.#lastAt(ns, key, below)?.version ?? 0) >= version) return below
    while (reached - below > 1) {
      const middle = below + Math.floor((reached - below) / 2)
      const event = present(this.#lastAt(ns, key, middle), 'the oldest event is not after it')
      if (event.version >= version) reached = event.revision
      else below = middle
    }
    assert(reached > below, 'halving ends')
    return reached
  }

  #lastAt(ns: string, key: string, revision: number): ConfigVersion | null {
    const [last] = this.page(ns, key, { before: { revision: revision + 1, n: 0 }, limit: 1 })
    return last ?? null
  }
}

function topicOf(key: string): string {
  return `config/${key}`
}

function versionOf(row: SqlRow): ConfigVersion {
  const [revision, n, kind, atMs, body, size] = row
  const { version, contentType, by, comment } = decodeConfigBody(body as Uint8Array)
  return {
    version,
    revision: revision as number,
    n: n as number,
    atMs: atMs as number,
    by,
    comment,
    deleted: kind === DELETED,
    size: (size as number | null) ?? 0,
    contentType,
  }
}
