/**
 * What a log on disk is worth. First everything is read and judged, and nothing is changed:
 * a log that is refused stays as it was, byte for byte. Then the cut, if there is one, is made.
 *
 * ```
 *   segment 1             segment 2                       segment 3
 *   ┌────┬────┬────┬────┐ ┌────┬────┬────┬ ─ ─ ┬────┐     ┌ ─ ─ ─ ─
 *   │ 1  │ 2  │ 3  │    │ │ 4  │ 5  │ 6  │  ✗   │ 8  │       all zero
 *   └────┴────┴────┴────┘ └────┴────┴────┴ ─ ─ ┴────┘     └ ─ ─ ─ ─
 *   the chain: sequence, predecessor's checksum ▲
 *                                               └ it ends behind 6. Let D be the largest
 *                                                 durableUpTo in any batch, 8 included:
 *                                                 D ≤ 6: a torn tail, cut. D ≥ 7: damage.
 * ```
 *
 * @module
 */
import { assert } from '../lib/assert.ts'
import type { EntryId } from '../raft/mod.ts'
import { damageAt, walkChain } from './chain.ts'
import type { Walk } from './chain.ts'
import type { Disk } from './disk.ts'
import { WalDamaged, WalMismatch } from './errors.ts'
import { checkOwner } from './owner.ts'
import { repair } from './repair.ts'
import { sameOwner } from './replay.ts'
import type { Opening, Replay } from './replay.ts'
import { SegmentScanner } from './scan.ts'
import { nextSegmentBytes, openSegments, segmentName } from './segment.ts'
import type { Segment } from './segment.ts'

/** Where the next batch goes, and what it continues. */
export interface Chain {
  /** Of the last batch. */
  readonly sequence: number
  readonly checksum: number
  readonly salt: number
  /** Of the last batch that holds a record: what the next `durableUpTo` is there to cover. */
  readonly contentSequence: number
  /** The largest `durableUpTo` on disk. */
  readonly recordedUpTo: number
}

/** A log that may be opened; `repair` must be called before anything else is. */
export interface Verdict {
  readonly replay: Replay
  readonly chain: Chain
  /** Of the log, in order. The last one is written on at `end`. */
  readonly segments: readonly Segment[]
  readonly end: number
  /** An install that was cut off: the log has to be restarted after this entry. */
  readonly restartAt: EntryId | null
  /** A whole empty segment behind the last one. */
  readonly spare: Segment | null
  /** Makes durable what was read, cuts the torn tail, removes leftovers. */
  repair(): void
}

export interface Expectation {
  /** As given by a flag; null takes what the directory says. */
  readonly nodeId: string | null
  readonly witness: boolean
  /** Up to where the database has applied: the log reached that far and must still. */
  readonly appliedIndex: number
  /** The term of that entry, where the database knows it. */
  readonly appliedTerm: number | null
  /**
   * The snapshot that the database still is, exactly. The database is put in place before the log
   * is restarted, so where the log does not hold this entry the install was cut off between the
   * two (DESIGN §4). Null where the database began empty, or has applied more since.
   */
  readonly installed: EntryId | null
  /** An empty segment behind the log is kept if it is as large as one made for this size. */
  readonly segmentBytes: number
}

/** Judges the log in `disk`; null where there is none. Throws `WalDamaged` or `WalMismatch`. */
export function judge(disk: Disk, expected: Expectation): Verdict | null {
  const segments = openSegments(disk)
  if (segments.length === 0) {
    if (expected.appliedIndex > 0) throw behindDatabase(expected, 'no log at all')
    return null
  }
  try {
    return judgeSegments(disk, segments, expected)
  } catch (error) {
    for (const segment of segments) segment.file.close()
    throw error
  }
}

function judgeSegments(disk: Disk, segments: readonly Segment[], expected: Expectation): Verdict {
  const scanners = segments.map((segment) => new SegmentScanner(segment))
  const { identity, salt } = checkOwner(scanners, expected)
  const walk = walkChain(scanners, salt)
  if (walk.segments === 0) {
    throw damageAt({ segment: (scanners[0] as SegmentScanner).segment, offset: 0 }, walk.broken)
  }
  const recordedUpTo = Math.max(walk.recordedUpTo, durableBeyond(scanners, walk, salt))
  if (walk.sequence < recordedUpTo) throw damageAfter(scanners, walk)
  if (walk.replay.start === null) throw damageAfter(scanners, walk) // No start is left.
  const { installed } = expected
  const isCutOff = installed !== null && walk.replay.termAt(installed.index) !== installed.term
  if (isCutOff && installed.index <= walk.replay.snapshot.index) {
    throw behindDatabase(expected, `a log that starts after entry ${walk.replay.snapshot.index}`)
  }
  if (!isCutOff) checkApplied(scanners, walk, expected)
  assert(sameOwner(identity, walk.replay.identity), 'one log has one owner')
  const inUse = scanners.slice(0, walk.segments)
  const next = scanners[walk.segments]
  const spare = next !== undefined && isSpare(next, { segments, walk }, expected) ? next : null
  return {
    replay: walk.replay,
    chain: { ...walk, salt, recordedUpTo },
    segments: inUse
      .map((scanner) => scanner.segment)
      .filter(({ number }) => number >= (walk.replay.openings[0] as Opening).number),
    end: walk.end,
    restartAt: isCutOff ? installed : null,
    spare: spare?.segment ?? null,
    repair: () => {
      const leftovers = scanners.slice(walk.segments + (spare === null ? 0 : 1))
      const { end, positions: unconfirmed } = walk
      const firstNumber = (walk.replay.openings[0] as Opening).number
      repair(disk, { inUse, leftovers, unconfirmed, recordedUpTo, end, firstNumber })
    },
  }
}

function isSpare(
  next: SegmentScanner,
  { segments, walk }: { readonly segments: readonly Segment[]; readonly walk: Walk },
  expected: Expectation,
): boolean {
  const { capacity, number } = segments[walk.segments - 1] as Segment
  if (next.segment.number !== number + 1) return false
  const wanted = nextSegmentBytes(capacity, expected.segmentBytes)
  return next.segment.capacity >= wanted && next.isBlankFrom(0)
}

/** D may be recorded in a batch that the chain does not reach. */
function durableBeyond(scanners: readonly SegmentScanner[], walk: Walk, salt: number): number {
  let durableUpTo = 0
  for (const [i, scanner] of scanners.entries()) {
    if (i < walk.segments - 1) continue
    const from = i === walk.segments - 1 ? walk.end : 0
    durableUpTo = Math.max(durableUpTo, scanner.durableUpToBeyond(from, salt))
  }
  return durableUpTo
}

/** The chain ends before D. Points at where it ends. */
function damageAfter(scanners: readonly SegmentScanner[], walk: Walk): WalDamaged {
  const last = scanners[walk.segments - 1] as SegmentScanner
  const next = scanners[walk.segments]
  const leftEarly = walk.broken.blank
  if (leftEarly && next !== undefined) {
    const number = last.segment.number + 1
    if (next.segment.number !== number) {
      const file = segmentName(number)
      return new WalDamaged({ file, offset: 0, expected: 'a segment', actual: 'no file' })
    }
    const found = next.batchAt(0)
    if (found.type === 'none' && !found.blank)
      return damageAt({ segment: next.segment, offset: 0 }, found)
  }
  return damageAt({ segment: last.segment, offset: walk.end }, walk.broken)
}

/** Whatever the database applied had been durable here before: D covers its batch (DESIGN §3). */
function checkApplied(
  scanners: readonly SegmentScanner[],
  walk: Walk,
  expected: Expectation,
): void {
  const { replay } = walk
  const term = replay.termAt(expected.appliedIndex)
  const isWhole = term !== null
  const isSame = expected.appliedTerm === null || term === null || term === expected.appliedTerm
  if (isWhole && isSame) return
  if (expected.appliedIndex < replay.snapshot.index) {
    throw behindDatabase(expected, `a log that starts after entry ${replay.snapshot.index}`)
  }
  const last = scanners[walk.segments - 1] as SegmentScanner
  if (!last.isBlankFrom(walk.end))
    throw damageAt({ segment: last.segment, offset: walk.end }, walk.broken)
  const found = isWhole
    ? `term ${term} there`
    : `entries ${replay.snapshot.index + 1} to ${replay.index.last}`
  throw behindDatabase(expected, found)
}

function behindDatabase(expected: Expectation, actual: string): WalMismatch {
  const at: EntryId = { index: expected.appliedIndex, term: expected.appliedTerm ?? 0 }
  const term = expected.appliedTerm === null ? '' : ` of term ${at.term}`
  return new WalMismatch('applied_index', {
    what: 'the log does not hold what the database has applied',
    expected: `entry ${at.index}${term}`,
    actual,
  })
}
