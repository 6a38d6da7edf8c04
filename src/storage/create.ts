import { assert } from '../lib/assert.ts'
import { utf8 } from '../lib/bytes.ts'
import { crc32 } from '../lib/crc32.ts'
import { openingRecords } from './appender.ts'
import { BatchBuilder } from './batch-builder.ts'
import type { Disk } from './disk.ts'
import { FORMAT_VERSION } from './layout.ts'
import type { Identity } from './records.ts'
import { firstSegmentBytes, segmentName, segmentOf, UNFINISHED_SEGMENT, ZEROS } from './segment.ts'
import type { Segment } from './segment.ts'

/**
 * Makes the first segment: zeros, and one batch that says whose log this is. When this returns,
 * it is durable under its name: the incarnation is on disk before anybody hears it (DESIGN §7).
 * `secret` is random text that is told to nobody.
 */
export function createLog(
  disk: Disk,
  log: { readonly identity: Identity; readonly segmentBytes: number; readonly secret: string },
): void {
  const opening = firstBatch(log.identity, crc32(utf8(log.secret)))
  createSegment(disk, {
    number: 1,
    bytes: firstSegmentBytes(log.segmentBytes),
    opening,
  }).file.close()
}

/** Makes a segment of zeros behind `opening`. Durable under its name when this returns. */
export function createSegment(
  disk: Disk,
  made: { readonly number: number; readonly bytes: number; readonly opening: Uint8Array },
): Segment {
  const file = disk.open(UNFINISHED_SEGMENT, { create: true })
  assert(file !== null, 'a created file is open')
  try {
    file.truncate(0)
    for (let at = 0; at < made.bytes; at += ZEROS.length) {
      file.write(at, ZEROS.subarray(0, Math.min(ZEROS.length, made.bytes - at)))
    }
    file.write(0, made.opening)
    file.syncNow()
    disk.rename(UNFINISHED_SEGMENT, segmentName(made.number))
    disk.syncDirectory()
  } catch (error) {
    file.close()
    throw error
  }
  return segmentOf(made.number, file)
}

function firstBatch(identity: Identity, salt: number): Uint8Array {
  const nothing = { index: 0, term: 0 }
  const hardState = { term: 0, votedFor: null, promiseMs: 0 }
  const builder = new BatchBuilder()
  builder.begin()
  const records = openingRecords({ identity, hardState, snapshot: nothing, last: nothing })
  for (const record of records) builder.add(record)
  return builder.finish({
    formatVersion: FORMAT_VERSION,
    sequence: 1,
    segment: 1,
    salt,
    durableUpTo: 0,
    predecessor: 0,
  }).bytes
}
