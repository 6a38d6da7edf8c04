/** Many seeds, one after the other, and what they came to. */
import { run, type Result } from './run.ts'

export interface Tally {
  seeds: number
  simulatedMs: number
  events: number
  violations: number
  readonly counts: Map<string, number>
}

export interface SeedsOptions {
  readonly start: number
  /** How many; `Infinity`: until `isLate` says so. */
  readonly count: number
  isLate(): boolean
  readonly stopsAtViolation: boolean
  onResult(result: Result): void
}

export function runSeeds(options: SeedsOptions): Tally {
  const tally: Tally = { seeds: 0, simulatedMs: 0, events: 0, violations: 0, counts: new Map() }
  for (let i = 0; i < options.count && !options.isLate(); i++) {
    const result = run(options.start + i)
    tally.seeds += 1
    tally.simulatedMs += result.simulatedMs
    tally.events += result.events
    for (const [name, count] of result.counts) {
      tally.counts.set(name, (tally.counts.get(name) ?? 0) + count)
    }
    options.onResult(result)
    if (result.violation === null) continue
    tally.violations += 1
    if (options.stopsAtViolation) break
  }
  return tally
}
