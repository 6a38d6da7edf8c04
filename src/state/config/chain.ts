/**
 * The versions of a config key, as a chain through the event table: the key's row names its newest
 * event, and each event the one before it. An index over the table would do as well, and cost every
 * write a page more; a link costs a few bytes.
 *
 * Besides, each event names one further back, so that any version is found in O(log n) steps: the
 * jump pointers of skew-binary random access lists (Myers, An applicative random-access stack, 1983).
 * Where a jump leads follows from the depth alone:
 *
 * ```
 *   depth  1   2   3   4   5   6   7   8   9 …
 *   jump   –   1   –   3   4   3   –   7   8 …
 * ```
 * Invariant: a trim removes a key's events from the oldest on, so of those that a link leads to, the
 * ones that are there are the newer ones.
 *
 * Events from before clusterVersion 3 have no links, those of a cluster's first second among them:
 * the one before is looked for among a bounded number of events.
 *
 * @module
 */
import { assert, present } from '../../lib/assert.ts'
import { type ConfigLinks, decodeConfigBody } from './event.ts'
import { type SpineLinks, Spines } from './spines.ts'
import { EVENT_KINDS } from '../events/event.ts'
import type { EventPlace } from '../reader.ts'
import type { ConfigVersion, ConfigVersionValue } from '../rows.ts'
import type { ConfigRecord } from '../tables/schema.ts'
import type { Sql, Statement } from '../tables/sql.ts'

/** An event of a key, with its links. */
interface Chained extends ConfigVersion {
  readonly ns: string
  readonly topic: string
  readonly links: ConfigLinks | null
}

type Head = Pick<ConfigRecord, 'ns' | 'key' | 'eventRevision' | 'eventN'>

/** Events that are looked through for the one before an event without links. */
const LOOK_BACK_MAX = 1_000

export class ConfigChain {
  readonly #event: Statement
  readonly #value: Statement
  readonly #unlinked: Statement
  /** Told of all that happens to the events of keys. */
  readonly spines = new Spines((place) => this.#find(place)?.links)

  constructor(sql: Sql) {
    this.#event = sql.prepare(
      `SELECT ns, topic, kind, at_ms, body, length(value) FROM event WHERE revision = ?1 AND n = ?2`,
    )
    this.#value = sql.prepare('SELECT value FROM event WHERE revision = ?1 AND n = ?2')
    this.#unlinked = sql.prepare(
      `SELECT revision, n FROM (
         SELECT revision, n, ns, topic FROM event WHERE revision < ?1
         ORDER BY revision DESC, n DESC LIMIT ${LOOK_BACK_MAX})
       WHERE ns = ?2 AND topic = ?3 ORDER BY revision DESC, n DESC LIMIT 1`,
    )
  }

  /** The links of the key's next event; `stored`: its row until then. */
  linksAfter(stored: Head | null): SpineLinks {
    if (stored === null) return { depth: 1, prev: null, jump: null }
    const prev = { revision: stored.eventRevision, n: stored.eventN }
    const head = this.spines.head(prev)
    if (head === null) return { depth: 1, prev, jump: null } // It is older than links are.
    const depth = head.depth + 1
    const to = jumpDepth(depth)
    if (to === 0) return { depth, prev, jump: null }
    if (to === head.depth) return { depth, prev, jump: head }
    // Two spans of one length become one.
    return { depth, prev, jump: this.spines.secondJump(head) }
  }

  /** Newest first, deletions too: at most `limit` of those before `before`. */
  page(
    stored: Head,
    { before, limit }: { readonly before: EventPlace | null; readonly limit: number },
  ): readonly ConfigVersion[] {
    const versions: ConfigVersion[] = []
    let event = before === null ? this.newest(stored) : this.#before(stored, before)
    while (event !== null && versions.length < limit) {
      versions.push(shown(event))
      event = this.#prevOf(event)
    }
    return versions
  }

  /** A cursor may be anybody's invention: it leads on only from an event of this key. */
  #before({ ns, key }: Head, place: EventPlace): Chained | null {
    const event = this.#find(place)
    return event?.ns === ns && event.topic === `config/${key}` ? this.#prevOf(event) : null
  }

  newest({ eventRevision: revision, eventN: n }: Head): Chained {
    return present(this.#find({ revision, n }), 'a key points to its newest event')
  }

  /** The oldest that is kept. */
  oldest(stored: Head): Chained {
    return this.#furthest(this.newest(stored), () => true)
  }

  /** What was written as that version; null: there is none, or it is no longer kept. */
  version(
    stored: Head & Pick<ConfigRecord, 'version'>,
    version: number,
  ): ConfigVersionValue | null {
    if (version < 1 || version > stored.version) return null
    // A deletion has the version of what it deleted, and comes after it.
    const found = this.first(stored, version)
    if (found === null || found.version !== version || found.deleted) return null
    const row = present(
      this.#value.get(found.revision, found.n),
      'an event that was found is there',
    )
    return { ...shown(found), value: row[0] as Uint8Array }
  }

  /** The first event of at least that version, of those that are kept; null: all are older. */
  first(stored: Head, version: number): Chained | null {
    const newest = this.newest(stored)
    if (newest.version < version) return null
    return this.#furthest(newest, (event) => event.version >= version)
  }

  /** From `event` on towards older ones, up to `limit`. */
  olderFrom(event: Chained, limit: number): readonly Chained[] {
    const events: Chained[] = []
    let next: Chained | null = event
    while (next !== null && events.length < limit) {
      events.push(next)
      next = this.#prevOf(next)
    }
    return events
  }

  /** `holds` is true of newer events up to one, and false of all that are older. */
  #furthest(newest: Chained, holds: (event: Chained) => boolean): Chained {
    let event = newest
    for (;;) {
      const { links } = event
      const jumped = this.#follow(links?.jump)
      if (jumped !== null && holds(jumped)) {
        event = jumped
        continue
      }
      const prev = this.#prevOf(event)
      if (prev === null || !holds(prev)) return event
      event = prev
    }
  }

  #prevOf(event: Chained): Chained | null {
    if (event.links !== null) return this.#follow(event.links.prev)
    if (event.version === 1 && !event.deleted) return null
    const place = this.#unlinked.get(event.revision, event.ns, event.topic)
    if (place === null) return null
    const [revision, n] = place as readonly number[]
    return this.#follow({ revision: present(revision, 'a place'), n: present(n, 'a place') })
  }

  #follow(place: EventPlace | null | undefined): Chained | null {
    return place === null || place === undefined ? null : this.#find(place)
  }

  #find({ revision, n }: EventPlace): Chained | null {
    const row = this.#event.get(revision, n)
    if (row === null) return null
    const [ns, topic, kind, atMs, body, size] = row
    const isPut = kind === EVENT_KINDS['config.put']
    const isDeletion = kind === EVENT_KINDS['config.deleted']
    if (!isPut && !isDeletion) return null
    const { version, contentType, by, comment, links } = decodeConfigBody(body as Uint8Array)
    return {
      ns: ns as string,
      topic: topic as string,
      version,
      revision,
      n,
      atMs: atMs as number,
      by,
      comment,
      deleted: isDeletion,
      size: (size as number | null) ?? 0,
      contentType,
      links,
    }
  }
}

/** At which depth the jump of an event at `depth` ends; 0: before the first. */
export function jumpDepth(depth: number): number {
  assert(depth > 0, 'depths count from 1')
  let rest = depth
  let span = 0
  // In skew binary a number is a sum of 2^k - 1, greatest first: a jump leaves out the last of them.
  while (rest > 0) {
    span = 1
    while (2 * span + 1 <= rest) span = 2 * span + 1
    rest -= span
  }
  return depth - span
}

/** What readers see of an event. */
function shown(event: Chained): ConfigVersion {
  const { version, revision, n, atMs, by, comment, deleted, size, contentType } = event
  return { version, revision, n, atMs, by, comment, deleted, size, contentType }
}
