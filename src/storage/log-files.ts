import { assert } from '../lib/assert.ts'
import type { Entry, LogIndex } from '../raft/mod.ts'
import type { BatchIndex, BatchPosition } from './batch-index.ts'
import type { Disk } from './disk.ts'
import { WalDamaged } from './errors.ts'
import { decodeRecords } from './records.ts'
import { SegmentScanner } from './scan.ts'
import { segmentName, segmentOf } from './segment.ts'
import type { Segment } from './segment.ts'

const WINDOW_MIN_BYTES = 16 * 1024
const WINDOW_MAX_BYTES = 1024 * 1024

/**
 * Reads entries back from the segments. Holds at most one older segment open: whoever needs old
 * entries reads on from where it was.
 */
export class LogFiles {
  readonly #disk: Disk
  readonly #index: BatchIndex
  #older: Segment | null = null

  constructor(disk: Disk, index: BatchIndex) {
    this.#disk = disk
    this.#index = index
  }

  /** As `LogReader.read`. `current` is the segment that is being written. */
  read(
    range: { readonly from: LogIndex; readonly to: LogIndex; readonly bytesMax: number },
    current: Segment,
  ): Entry[] {
    const { from, to, bytesMax } = range
    assert(from >= 1 && from <= to, 'a range of entries')
    const entries: Entry[] = []
    let bytes = 0
    let next = from
    let scanner: SegmentScanner | null = null
    while (next <= to) {
      const at = this.#index.find(next)
      // One for all batches in a row, so that its window serves them all.
      if (scanner?.segment.number !== at.segment) {
        scanner = this.#scanner(at.segment, current, bytesMax)
      }
      for (const entry of this.#entriesIn(scanner, at)) {
        if (entry.index < next || entry.index > at.last || entry.index > to) continue
        bytes += entry.data.length
        if (entries.length > 0 && bytes > bytesMax) return entries
        assert(entry.index === from + entries.length, 'entries are read without a gap')
        entries.push(entry)
      }
      next = at.last + 1
    }
    assert(entries.length > 0, 'at least one entry is read')
    return entries
  }

  /** Segments before `number` are about to be removed. */
  drop(number: number): void {
    this.#index.dropBefore(number)
    if (this.#older !== null && this.#older.number < number) this.close()
  }

  close(): void {
    this.#older?.file.close()
    this.#older = null
  }

  /** The entries that the batch at `at` left in the log when it was written. */
  #entriesIn(scanner: SegmentScanner, at: BatchPosition): Entry[] {
    const found = scanner.batchAt(at.offset)
    if (found.type === 'none') {
      const { expected, actual } = found
      throw new WalDamaged({ file: segmentName(at.segment), offset: at.offset, expected, actual })
    }
    const entries: Entry[] = []
    for (const record of decodeRecords(found.payload)) {
      if (record.type !== 'entries') continue
      while (entries.length > 0 && (entries.at(-1) as Entry).index >= record.first) entries.pop()
      entries.push(...record.entries)
    }
    return entries
  }

  #scanner(number: number, current: Segment, bytesMax: number): SegmentScanner {
    const windowBytes = Math.max(WINDOW_MIN_BYTES, Math.min(bytesMax, WINDOW_MAX_BYTES))
    if (number === current.number) return new SegmentScanner(current, windowBytes)
    if (this.#older?.number !== number) {
      this.close()
      const file = this.#disk.open(segmentName(number), { create: false })
      if (file === null) {
        const missing = { file: segmentName(number), offset: 0 }
        throw new WalDamaged({ ...missing, expected: 'a segment', actual: 'no file' })
      }
      this.#older = segmentOf(number, file)
    }
    assert(this.#older !== null, 'the segment is open')
    return new SegmentScanner(this.#older, windowBytes)
  }
}
