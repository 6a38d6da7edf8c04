/**
 * How old an event is, by the cluster's clock: now and then a trim notes which revision it was at
 * what time. Events carry the leader's wall clock, which is for display: it may jump.
 */
import type { HistoryPolicy } from '../command.ts'
import type { Context } from '../context.ts'
import type { Tables } from '../tables/tables.ts'

/** So many lie in the longest age: what is kept is kept for up to 1/64 longer than asked for. */
const MARKS_PER_WINDOW = 64

type Ages = Pick<HistoryPolicy, 'ageMs' | 'feedMs'>

function windowMs({ ageMs, feedMs }: Ages): number {
  return Math.max(ageMs, feedMs)
}

/** All revisions below this were applied by that time, as far as is known. */
export function ageFloor(tables: Tables, clusterMs: number): number {
  const mark = tables.marks.newestAt(Math.floor(clusterMs))
  return mark === null ? 0 : mark.upTo + 1
}

/** Whether something happened since the last mark, long enough ago that another one is worth it. */
export function isMarkDue(tables: Tables, ages: Ages, clusterMs: number): boolean {
  const newest = tables.marks.newest()
  if (tables.events.newestRevision() <= (newest?.upTo ?? 0)) return false
  return newest === null || isSpaced(newest.clusterMs, ages, clusterMs)
}

function isSpaced(lastMs: number, ages: Ages, clusterMs: number): boolean {
  return Math.floor(clusterMs) - lastMs >= windowMs(ages) / MARKS_PER_WINDOW
}

/** Notes this entry's time, and lets go of marks that tell no more than a later one. */
export function mark(context: Context, ages: Ages): void {
  const { tables, revision } = context
  const clusterMs = Math.floor(context.clusterMs)
  const newest = tables.marks.newest()
  if (newest === null || isSpaced(newest.clusterMs, ages, clusterMs)) {
    tables.historyMark.insert({
      upTo: revision,
      clusterMs,
      createdRevision: revision,
      revision,
      attributes: null,
    })
  }
  const past = tables.marks.newestAt(clusterMs - windowMs(ages))
  if (past === null) return
  for (const old of tables.marks.before(past.upTo)) tables.historyMark.delete(old)
}
