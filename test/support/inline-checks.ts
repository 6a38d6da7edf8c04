import type { ValueChecks, ValueJob, ValueVerdict } from '../../src/http/config/value-checks.ts'
import { runValueJob } from '../../src/runtime/value-jobs.ts'

/** What a worker would do, in this very process: nothing ends it. */
export class InlineChecks implements ValueChecks {
  /** All that was asked for, in order. */
  readonly jobs: ValueJob[] = []
  /** When set, every job ends with it. */
  verdict: ValueVerdict | null = null
  /** Runs while a job is under way. */
  meanwhile: (() => void) | null = null

  async run(job: ValueJob): Promise<ValueVerdict> {
    this.jobs.push(job)
    const { meanwhile } = this
    this.meanwhile = null
    meanwhile?.()
    return this.verdict ?? runValueJob(job)
  }
}
