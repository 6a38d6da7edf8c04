/** What many seeds came to. */
import type { Result } from './run.ts'

export interface Tally {
  seeds: number
  simulatedMs: number
  events: number
  violations: number
  /** Sums over all seeds, by name. */
  readonly counts: Map<string, number>
}

export function emptyTally(): Tally {
  return { seeds: 0, simulatedMs: 0, events: 0, violations: 0, counts: new Map() }
}

export function addTo(tally: Tally, result: Result): void {
  tally.seeds += 1
  tally.simulatedMs += result.simulatedMs
  tally.events += result.events
  if (result.violation !== null) tally.violations += 1
  for (const [name, count] of result.counts) {
    tally.counts.set(name, (tally.counts.get(name) ?? 0) + count)
  }
}
