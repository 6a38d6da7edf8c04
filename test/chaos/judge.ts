/** Everything that a recorded history is held against; a verdict is a list of what is wrong. */
import { judgeConfig, type ConfigOperation } from '../support/config-history.ts'
import type { Verdict } from '../support/linearizable.ts'
import { judgeInstance } from './registers.ts'
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
  const strict = Map.groupBy(
    history.filter((seen) => !isStale(seen)),
    ({ key }) => key,
  )
  return [...strict].flatMap(([key, operations]) => {
    const verdict = verdictOf(operations)
    if (verdict.type === 'linearizable') return []
    if (verdict.type === 'undecided') {
      const all = operations.length
      return [`${key}: no order of ${all} operations was found in ${verdict.steps} steps`]
    }
    const last = words(verdict.order.slice(-3))
    const stuck = words(verdict.stuck)
    return [`${key} is not linearizable: after ${last}, none of these may follow: ${stuck}`]
  })
}

/** Every register on its own: no call here touches two (P-compositionality). */
function verdictOf(operations: readonly Seen[]): Verdict<ConfigOperation> {
  if (operations[0]?.kind === 'instance') return judgeInstance(operations)
  const [only] = judgeConfig(operations)
  return only?.verdict ?? { type: 'linearizable' }
}

/** They are those that were handed over, so they say all that was seen. */
function words(operations: readonly ConfigOperation[]): string {
  return operations.map((operation) => describe(operation as Seen)).join('; ')
}
