import type { Disk, DiskFile } from './disk.ts'
import { BLOCK_BYTES, roundDown } from './layout.ts'

/** A segment under construction: never part of the log before it is renamed. */
export const UNFINISHED_SEGMENT = 'wal-next.tmp'

const NAME = /^wal-(\d{10})\.log$/

/** One pre-zeroed file of the log. */
export interface Segment {
  /** From 1 on, without gaps. */
  readonly number: number
  readonly name: string
  readonly file: DiskFile
  /** Bytes that batches may fill: whole blocks. */
  readonly capacity: number
}

export function segmentName(number: number): string {
  return `wal-${String(number).padStart(10, '0')}.log`
}

/** The number in a segment's name, or null for any other name. */
function segmentNumber(name: string): number | null {
  const digits = NAME.exec(name)?.[1]
  return digits === undefined ? null : Number(digits)
}

/** The segments in the directory, in order of their numbers. All other files are not ours. */
export function openSegments(disk: Disk): Segment[] {
  const segments: Segment[] = []
  for (const name of disk.list()) {
    const number = segmentNumber(name)
    if (number === null) continue
    const file = disk.open(name, { create: false })
    if (file !== null) segments.push(segmentOf(number, file))
  }
  return segments.sort((a, b) => a.number - b.number)
}

export function segmentOf(number: number, file: DiskFile): Segment {
  return { number, name: segmentName(number), file, capacity: roundDown(file.size()) }
}

/** Zero bytes written at once while a segment is filled or cut: about 0.1 ms of the event loop. */
export const ZEROS = new Uint8Array(64 * BLOCK_BYTES)

/** The first segment is small, so that a new node starts at once. */
const FIRST_SEGMENT_BYTES = 1024 * 1024
/** How much larger each following one is, up to `segmentBytes`: a young log costs little disk. */
const GROWTH = 4

/** Of the first segment of a log whose full size is `segmentBytes`. */
export function firstSegmentBytes(segmentBytes: number): number {
  return Math.min(segmentBytes, FIRST_SEGMENT_BYTES)
}

/** Of the segment behind one of `capacity` bytes, which may have been cut short from outside. */
export function nextSegmentBytes(capacity: number, segmentBytes: number): number {
  const usual = Math.max(capacity, firstSegmentBytes(segmentBytes))
  return Math.min(segmentBytes, usual * GROWTH)
}
