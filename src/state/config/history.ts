/**
 * What is let go of the event table, which is the change feed and the history of configuration at
 * once. Trimming is a command of the leader: it names what is to be kept, and everything it goes by
 * lies in the state, so all replicas let go of the same rows.
 *
 * ```
 *        history_trimmed       feed_trimmed        feed_floor                  revision
 *   ────────────┼────────────────────┼─────────────────┼───────────────────────────┤
 *    versions that are kept alone  …and events to be…   all events: watches may begin
 *    (and what stages point to)     …removed next
 * ```
 * Two sweeps follow the floors, each with its place in `setting`. The feed's removes whatever is no
 * version of a key. That of versions comes by each of them once, when it is old enough, and removes
 * what its key has too many of: so every write pays for one removal, and no table is ever scanned.
 *
 * Invariants: a key's newest version stays, and so do `versions` of them; `feed_floor` is raised
 * before a row below it goes; one command looks at a bounded number of rows and bytes.
 *
 * @module
 */
import { assert, present } from '../../lib/assert.ts'
import type { CommandOf, HistoryPolicy } from '../command.ts'
import { decodeConfigBody } from './event.ts'
import type { Context } from '../context.ts'
import type { SweptEvent } from '../events/sweep.ts'
import { EVENT_KINDS } from '../events/event.ts'
import { ageFloor, isMarkDue, mark } from './history-marks.ts'
import type { Outcome } from '../outcome.ts'
import { setting, writeSetting } from '../settings.ts'
import type { Tables } from '../tables/tables.ts'

/** Every event of this revision and later is kept. */
export const FEED_FLOOR = 'feed_floor'
/** Up to here, exclusive, the feed's sweep has come, */
const FEED_TRIMMED = 'feed_trimmed'
/** and up to here that of versions. */
const HISTORY_TRIMMED = 'history_trimmed'
/** Of the values removed by one command: its rows are hashed whole, which takes some 4 ms. */
const BYTES_MAX = 1_048_576
/** The floor by revisions moves in steps: a trim's own entry must not be what makes it move. */
const STEPS = 64
const CONFIG_TOPIC = 'config/'
/** A key is trimmed once in `versions` / SLACK writes. */
const SLACK = 8

interface Budget {
  rows: number
  bytes: number
}

interface Floors {
  readonly feed: number
  readonly history: number
}

type Now = Pick<Context, 'revision' | 'clusterMs'>

/** Both only ever rise, whatever the flags of the next leader are. */
function floorsOf(tables: Tables, policy: HistoryPolicy, now: Now): Floors {
  const { feedMs, feedRevisions, ageMs } = policy
  const step = Math.max(1, Math.floor(feedRevisions / STEPS))
  const byCount = Math.floor((now.revision - feedRevisions) / step) * step
  const byAge = ageFloor(tables, now.clusterMs - feedMs)
  const feed = Math.max(setting(tables, FEED_FLOOR), byCount, byAge)
  const history = ageMs === 0 ? feed : Math.min(feed, ageFloor(tables, now.clusterMs - ageMs))
  return { feed, history }
}

/** Whether a trim would do something now: so that an idle cluster writes nothing. */
export function isTrimDue(tables: Tables, policy: HistoryPolicy, now: Now): boolean {
  if (isMarkDue(tables, policy, now.clusterMs)) return true
  const { feed, history } = floorsOf(tables, policy, now)
  const swept = setting(tables, FEED_TRIMMED)
  if (tables.events.any(swept, feed)) return true
  return tables.events.any(setting(tables, HISTORY_TRIMMED), Math.min(history, swept))
}

export function historyTrim(context: Context, trim: CommandOf<'history_trim'>): Outcome {
  mark(context, trim)
  const { tables } = context
  const floors = floorsOf(tables, trim, context)
  writeSetting(context, FEED_FLOOR, floors.feed)
  const budget: Budget = { rows: trim.rows, bytes: BYTES_MAX }
  sweepFeed(context, floors.feed, budget)
  const below = Math.min(floors.history, setting(tables, FEED_TRIMMED))
  sweepVersions(context, { below, versions: trim.versions }, budget)
  return context.ok(false, null)
}

function sweepFeed(context: Context, below: number, budget: Budget): void {
  const { tables } = context
  const from = setting(tables, FEED_TRIMMED)
  const events = tables.events.page({ from, below, limit: budget.rows })
  let next = events.length < budget.rows ? Math.max(from, below) : from
  for (const event of events) {
    if (budget.bytes <= 0) {
      next = event.revision
      break
    }
    if (!isVersion(event) && !tables.events.isPinned(event)) remove(context, event, budget)
    next = Math.max(next, event.revision + 1)
  }
  writeSetting(context, FEED_TRIMMED, next)
}

/** What a stage pinned that the feed's sweep has passed by: nobody else would let go of it. */
export function unpin({ tables }: Context, revision: number, n: number): void {
  if (revision >= setting(tables, FEED_TRIMMED)) return // That sweep will come by.
  tables.event.delete(present(tables.event.find(revision, n), 'what is pinned is there'))
}

function isVersion({ kind }: SweptEvent): boolean {
  return kind === EVENT_KINDS['config.put'] || kind === EVENT_KINDS['config.deleted']
}

interface Kept {
  readonly below: number
  readonly versions: number
}

function sweepVersions(context: Context, kept: Kept, budget: Budget): void {
  const { tables } = context
  const from = setting(tables, HISTORY_TRIMMED)
  if (from >= kept.below || budget.rows <= 0) return // The feed's sweep comes first.
  const limit = budget.rows
  const events = tables.events.page({ from, below: kept.below, limit })
  let next = events.length < limit ? kept.below : from
  for (const event of events) {
    // A stage's event that the feed's sweep left is passed by: nothing else would end that page.
    if (isVersion(event) && !removeSurplus(context, event, kept, budget)) {
      next = event.revision // There is more of its key to remove: this is where it goes on.
      break
    }
    next = Math.max(next, event.revision + 1)
  }
  writeSetting(context, HISTORY_TRIMMED, next)
}

/**
 * Removes what a key has too many of, oldest first. False: the budget ended before that did. Looked
 * at once in so many versions: so a key may keep an eighth more of them than it should.
 */
function removeSurplus(
  context: Context,
  event: SweptEvent,
  { below, versions }: Kept,
  budget: Budget,
): boolean {
  const { tables } = context
  const { ns, topic } = event
  const { version } = decodeConfigBody(event.body)
  assert(topic.startsWith(CONFIG_TOPIC), 'a version is one of a config key')
  const key = topic.slice(CONFIG_TOPIC.length)
  const record = present(tables.config.find(ns, key), 'a key that has a version has a row')
  const surplus = record.version - versions
  assert(surplus < record.version, 'at least one version is kept')
  if (surplus < 1 || version % Math.max(1, Math.floor(versions / SLACK)) !== 0) return true
  const oldest = tables.chain.oldest(record)
  if (oldest.version > surplus) return true
  const upTo = Math.min(surplus, oldest.version + budget.rows)
  const next = present(tables.chain.first(record, upTo + 1), 'newer versions are kept')
  const older = tables.chain.olderFrom(next, 2 * (budget.rows + 2)).slice(1)
  tables.chain.spines.forget({ revision: record.eventRevision, n: record.eventN })
  for (const old of older.toReversed()) {
    if (old.revision >= below) return true
    if (budget.rows <= 0 || budget.bytes <= 0) return false
    assert(old.revision !== record.eventRevision || old.n !== record.eventN, 'not the newest')
    remove(context, { ...old, bytes: old.size }, budget)
  }
  return upTo === surplus
}

function remove(
  { tables }: Context,
  { revision, n, bytes }: Pick<SweptEvent, 'revision' | 'n' | 'bytes'>,
  budget: Budget,
): void {
  const row = present(tables.event.find(revision, n), 'an event that was found is there')
  assert((row.value?.length ?? 0) === bytes, 'its value is as long as it was')
  budget.rows -= 1
  budget.bytes -= bytes + row.body.length
  tables.event.delete(row)
}
