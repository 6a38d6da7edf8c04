import type { Need } from './machine.ts'
import type { Run } from './run.ts'

/** One way to hurt a cluster, from its start to its judgement. */
export interface Scenario {
  readonly name: string
  /** One line for `--scenarios`. */
  readonly about: string
  /** What the machine must have; without it the scenario is skipped, and counted so. */
  readonly needs: readonly Need[]
  /** How long one run usually does harm. */
  readonly seconds: number
  /** How often it comes up in a soak, in relation to others. */
  readonly weight: number
  /** Throws where a promise was broken. */
  run(run: Run): Promise<void>
}
