/** Everything that a recorded history is held against; a verdict is a list of what is wrong. */
import { judgeConfig, type ConfigOperation } from '../support/config-history.ts'
import { describe, revisionProblems } from './revisions.ts'
import { isStale, type Seen } from './seen.ts'

/** More than this helps nobody. */
const PROBLEMS_MAX = 20

/**
 * A write that was refused is left out of the history, so a read that saw it has no explanation
 * (W3); what every node held in the end stands in it as reads (W2).
 */
export function judge(history: readonly Seen[]): readonly string[] {
  const problems = [...revisionProblems(history), ...searchProblems(history)]
  return problems.slice(0, PROBLEMS_MAX)
}

function searchProblems(history: readonly Seen[]): readonly string[] {
  const strict = history.filter((seen) => !isStale(seen))
  return judgeConfig(strict).flatMap(({ key, operations, verdict }) => {
    if (verdict.type === 'linearizable') return []
    if (verdict.type === 'undecided') {
      return [`${key}: no order of ${operations} operations was found in ${verdict.steps} steps`]
    }
    const last = words(verdict.order.slice(-3))
    const stuck = words(verdict.stuck)
    return [`${key} is not linearizable: after ${last}, none of these may follow: ${stuck}`]
  })
}

/** They are those that were handed over, so they say all that was seen. */
function words(operations: readonly ConfigOperation[]): string {
  return operations.map((operation) => describe(operation as Seen)).join('; ')
}
