/** How large an entry may be: it lies in one batch, and a batch in one segment. */
import { EMPTY_BYTES } from '../lib/bytes.ts'
import { entryBytes } from '../raft/mod.ts'
import { HEADER_BYTES } from './layout.ts'
import { ENTRIES_HEADER_BYTES } from './records.ts'
import { firstSegmentBytes, nextSegmentBytes } from './segment.ts'
import { OPENING_BYTES_MAX } from './write-queue.ts'

const NO_COMMAND = {
  type: 'command',
  index: 1,
  term: 1,
  clusterMs: 0,
  wallMs: 0,
  data: EMPTY_BYTES,
} as const

/** With its header: what the second segment of a young log has room for. */
export function entryBytesMax(segmentBytes: number): number {
  const overhead = HEADER_BYTES + OPENING_BYTES_MAX + ENTRIES_HEADER_BYTES
  return nextSegmentBytes(firstSegmentBytes(segmentBytes), segmentBytes) - overhead
}

/** The largest command that can be written: larger ones are refused before they are appended. */
export function commandBytesMax(segmentBytes: number): number {
  return entryBytesMax(segmentBytes) - entryBytes(NO_COMMAND)
}
