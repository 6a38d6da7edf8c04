/** How much of a log's front may go (DESIGN §4): all of compaction. */
import type { LogIndex } from '../raft/mod.ts'
import type { Opening } from './replay.ts'

/** What decides it. */
export interface CompactionBounds {
  /** The durable applied index: nothing above it ever goes. */
  readonly durable: LogIndex
  /** What live followers hold already: above it entries stay, up to `bytesMax`. */
  readonly needed: LogIndex
  /** So much of the end stays in any case. */
  readonly tailBytes: number
  /** Past it, followers that still need what goes are left to a snapshot. */
  readonly bytesMax: number
}

/** A segment of the log, and where it begins. */
export interface SegmentInUse extends Opening {
  readonly capacity: number
}

/**
 * How many segments may go at once from the front: up to the next one that the log can start with.
 * The caller removes them one by one, oldest first, and asks again.
 */
export function droppable(
  segments: readonly SegmentInUse[],
  { durable, needed, tailBytes, bytesMax }: CompactionBounds,
  log: { readonly usedBytes: number; readonly isOpeningDurable: boolean },
): number {
  const at = segments.findIndex(({ isVoid }, i) => i > 0 && !isVoid)
  const next = segments[at]
  if (next === undefined || next.after.index > durable) return 0
  // Without a durable opening it could not stand on its own.
  if (at === segments.length - 1 && !log.isOpeningDurable) return 0
  let dropped = 0
  for (const { capacity } of segments.slice(0, at)) dropped += capacity
  if (log.usedBytes - dropped < tailBytes) return 0
  return next.after.index <= needed || log.usedBytes > bytesMax ? at : 0
}
