import type { Cluster, ClusterOptions } from '../support/cluster.ts'

export interface Figure {
  readonly what: string
  readonly value: string
  readonly unit: string
}

/** A scenario has a fresh cluster, made as it wishes; `seconds` is how long each load lasts. */
export interface Scenario {
  readonly cluster?: ClusterOptions
  run(cluster: Cluster, seconds: number): Promise<Figure[]>
}

export function figure(what: string, value: number, unit: string): Figure {
  return { what, value: value.toLocaleString('en-US', { maximumFractionDigits: 1 }), unit }
}

/** The value below which so many percent lie, of values in any order. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? 0
}
