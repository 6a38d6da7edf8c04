import type { BatchAt } from './chain.ts'
import type { Disk } from './disk.ts'
import type { SegmentScanner } from './scan.ts'
import { UNFINISHED_SEGMENT, ZEROS } from './segment.ts'

/**
 * Before anything is appended or answered, all that was read is made durable and all that was not
 * is made to stay away: an old batch behind a new one would be found again after the next cut.
 */
export function repair(
  disk: Disk,
  plan: {
    readonly inUse: readonly SegmentScanner[]
    readonly leftovers: readonly SegmentScanner[]
    readonly unconfirmed: readonly BatchAt[]
    readonly recordedUpTo: number
    readonly end: number
    /** Segments before it were left behind when the log was restarted. */
    readonly firstNumber: number
  },
): void {
  const last = plan.inUse.at(-1) as SegmentScanner
  const touched = new Set([last.segment])
  for (const batch of plan.unconfirmed) {
    if (batch.sequence <= plan.recordedUpTo) continue
    rewrite(batch)
    touched.add(batch.segment)
  }
  last.eachWrittenStretch(plan.end, (at, length) => {
    last.segment.file.write(at, ZEROS.subarray(0, length))
  })
  for (const segment of touched) segment.file.syncNow()
  for (const { segment } of plan.leftovers.toReversed()) {
    segment.file.close()
    disk.remove(segment.name)
  }
  if (disk.list().includes(UNFINISHED_SEGMENT)) disk.remove(UNFINISHED_SEGMENT)
  // Always: a process that was killed may have renamed the last segment without this.
  disk.syncDirectory()
  for (const { segment } of plan.inUse) {
    if (segment.number >= plan.firstNumber) continue
    segment.file.close()
    disk.remove(segment.name)
    disk.syncDirectory() // Front first, so that no gap can be seen after a power cut.
  }
}

/**
 * Writes a batch over itself: after a failed fsync the kernel may hold it as clean and never
 * write it, and the process that was told is gone. Now it is dirty again, so the fdatasync counts.
 */
function rewrite(batch: BatchAt): void {
  const { file } = batch.segment
  file.write(batch.offset, file.read(batch.offset, batch.bytes))
}
