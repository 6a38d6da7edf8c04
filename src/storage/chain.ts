import { WalDamaged } from './errors.ts'
import { HEADER_BYTES } from './layout.ts'
import { decodeRecords, RecordError } from './records.ts'
import type { LogRecord } from './records.ts'
import { OPENING_RECORDS, Replay } from './replay.ts'
import type { Batch, NoBatch, SegmentScanner } from './scan.ts'
import type { Segment } from './segment.ts'

export interface BatchAt {
  readonly sequence: number
  readonly segment: Segment
  readonly offset: number
  readonly bytes: number
}

export interface Walk {
  readonly replay: Replay
  readonly sequence: number
  readonly checksum: number
  readonly contentSequence: number
  /** The largest in the chain itself. */
  readonly recordedUpTo: number
  /** How many of the segments the chain reaches. */
  readonly segments: number
  /** Where it ends in the last of them, and what is there instead of a batch. */
  readonly end: number
  readonly broken: NoBatch
  /** The last batches: all that may lie at or behind D. */
  readonly positions: readonly BatchAt[]
}

const END_OF_FILE: NoBatch = {
  type: 'none',
  blank: true,
  expected: 'a batch',
  actual: 'the end of the file',
}

/** Follows the chain from the first batch to the last that fits. */
export function walkChain(scanners: readonly SegmentScanner[], salt: number): Walk {
  const replay = new Replay()
  const walk = { ...beforeFirst(scanners[0]), contentSequence: 0, recordedUpTo: 0 }
  const firstNumber = scanners[0]?.segment.number ?? 1
  let positions: BatchAt[] = []
  let segments = 0
  let end = 0
  let broken: NoBatch = END_OF_FILE
  for (const scanner of scanners) {
    const { segment } = scanner
    if (segment.number !== firstNumber + segments) break
    let at = 0
    let found: Batch | NoBatch = END_OF_FILE
    while (at < scanner.size) {
      found = successorAt(scanner, { at, salt, ...walk })
      if (found.type === 'none') break
      const { sequence, checksum, durableUpTo, payloadBytes } = found.header
      const here = { segment, offset: at }
      const hasContent = apply(replay, found, here)
      walk.sequence = sequence
      walk.checksum = checksum
      walk.recordedUpTo = Math.max(walk.recordedUpTo, durableUpTo)
      if (hasContent) walk.contentSequence = sequence
      if (positions.length > 64) positions = positions.filter((p) => p.sequence > durableUpTo)
      positions.push({ ...here, sequence, bytes: HEADER_BYTES + payloadBytes })
      at = found.end
    }
    if (at === 0) {
      if (segments === 0) broken = found as NoBatch
      break
    }
    segments += 1
    end = at
    broken = found.type === 'none' ? found : END_OF_FILE
  }
  return { ...walk, replay, segments, end, broken, positions }
}

/**
 * What the first batch that is left continues. Where segments were removed in front of it nothing
 * is there to compare it with: its own checksum, the salt and the owner speak for it.
 */
function beforeFirst(scanner: SegmentScanner | undefined): {
  sequence: number
  checksum: number
} {
  const found = scanner !== undefined && scanner.segment.number > 1 ? scanner.batchAt(0) : null
  if (found === null || found.type === 'none') return { sequence: 0, checksum: 0 }
  return { sequence: found.header.sequence - 1, checksum: found.header.predecessor }
}

function successorAt(
  scanner: SegmentScanner,
  chain: {
    readonly at: number
    readonly salt: number
    readonly sequence: number
    readonly checksum: number
  },
): Batch | NoBatch {
  const found = scanner.batchAt(chain.at)
  if (found.type === 'none') return found
  const { header } = found
  const fits =
    header.salt === chain.salt &&
    header.segment === scanner.segment.number &&
    header.sequence === chain.sequence + 1 &&
    header.predecessor === chain.checksum
  if (fits) return found
  const expected = `batch ${chain.sequence + 1} of segment ${scanner.segment.number}`
  const actual = `batch ${header.sequence} of segment ${header.segment}, which does not follow`
  return { type: 'none', blank: false, expected, actual }
}

/** Returns whether the batch says anything that is not said before it. */
function apply(
  replay: Replay,
  batch: Batch,
  at: { readonly segment: Segment; readonly offset: number },
): boolean {
  const records = recordsOf(batch, at)
  try {
    replay.apply(records, { segment: at.segment.number, offset: at.offset })
    return records.length > (at.offset === 0 ? OPENING_RECORDS : 0)
  } catch (error) {
    throw asDamage(error, at)
  }
}

export function recordsOf(
  batch: Batch,
  at: { readonly segment: Segment; readonly offset: number },
): LogRecord[] {
  try {
    return decodeRecords(batch.payload)
  } catch (error) {
    throw asDamage(error, at)
  }
}

function asDamage(
  error: unknown,
  at: { readonly segment: Segment; readonly offset: number },
): unknown {
  if (!(error instanceof RecordError)) return error
  const { segment, offset } = at
  const expected = 'records of this log'
  return new WalDamaged(
    { file: segment.name, offset, expected, actual: error.message },
    { cause: error },
  )
}

/** What stands at one place instead of a batch. */
export function damageAt(
  at: { readonly segment: Segment; readonly offset: number },
  found: { readonly expected: string; readonly actual: string },
): WalDamaged {
  const { expected, actual } = found
  return new WalDamaged({ file: at.segment.name, offset: at.offset, expected, actual })
}
