import type { Cluster, ClusterOptions } from '../support/cluster.ts'

export interface Figure {
  readonly what: string
  readonly value: string
  readonly unit: string
  /** What is to be reached, where that is said. */
  readonly goal?: string
}

/** How something changes as something else grows. */
export interface Grid {
  readonly title: string
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** A scenario has a fresh cluster, made as it wishes; `seconds` is how long each load lasts. */
export interface Scenario {
  readonly cluster?: ClusterOptions
  run(cluster: Cluster, seconds: number): Promise<Figure[] | Grid>
}

/** One that makes its clusters itself. */
export interface Series {
  readonly cluster: null
  run(seconds: number): Promise<Figure[] | Grid>
}

export function figure(what: string, value: number, unit: string, goal?: string): Figure {
  const text = value.toLocaleString('en-US', { maximumFractionDigits: 1 })
  return { what, value: text, unit, ...(goal === undefined ? {} : { goal }) }
}

/** The value below which so many percent lie, of values in any order. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? 0
}
