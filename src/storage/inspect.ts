import type { Disk } from './disk.ts'
import type { Identity } from './records.ts'
import { judge, type Expectation } from './recovery.ts'
import type { Recovered } from './replay.ts'

/** What a log holds once `Wal.open` has opened it, an install that was cut off finished. */
export interface LogReport extends Pick<Recovered, 'last' | 'memberships'> {
  readonly identity: Identity
}

/**
 * Looks at the log in `disk` and changes nothing; null where there is none. Throws as `Wal.open`
 * does.
 */
export function inspectLog(
  disk: Disk,
  expected: Omit<Expectation, 'segmentBytes'>,
): LogReport | null {
  // Which spare segment would be kept is nothing that a report says.
  const verdict = judge(disk, { ...expected, segmentBytes: 0 })
  if (verdict === null) return null
  const { replay, restartAt } = verdict
  verdict.close()
  const { identity } = replay
  if (restartAt !== null) return { identity, last: restartAt, memberships: [] }
  const { last, memberships } = replay.recovered()
  return { identity, last, memberships }
}
