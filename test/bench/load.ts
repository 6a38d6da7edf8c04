/** The words in which both systems' loads are told. */

/** What one load of one system showed. */
export interface Load {
  /** Requests that were answered. */
  readonly count: number
  readonly seconds: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  /** What was not as it must be: refusals, lost connections, answers or writes that are not there. */
  readonly faults: readonly string[]
}

/** A load, and what it cost the servers. */
export interface Measured extends Load {
  /** User and system time of all servers. */
  readonly cpuSeconds: number
  /** Of the largest server, when the load was over. */
  readonly residentMiB: number
}

/** Makes one load, again and again, at one number of requests in flight. */
export interface Loader {
  /** Once, before anything is measured. */
  warmUp(): Promise<void>
  run(seconds: number): Promise<Load>
  /** The program and how it was told to keep so many in flight; known after the warm-up. */
  how(): string
  /** What the warm-up tried, and what came of it; where it tried anything. */
  tried?(): string
}

/** Ours divided by etcd's. */
export interface Goal {
  readonly ratio: number
  /** Counts as done, where less than `ratio` does. */
  readonly least?: number
  /** The median takes no longer than so many `fdatasync`s of this disk, and half a millisecond. */
  readonly syncs?: number
}

/** One line of the table: the same work for both systems. `O` and `E` are their clusters. */
export interface Row<O, E> {
  readonly what: string
  /** What etcd does meanwhile; null where it has nothing of the kind. */
  readonly against: string | null
  readonly inFlight: number
  /** Things done by one request. */
  readonly each?: number
  readonly goal: Goal | null
  /** Things a second that ours must reach, where there is no peer to be compared with. */
  readonly floor?: number
  /** Fills the cluster with what the load needs. */
  ours(cluster: O): Promise<Loader>
  etcd: ((cluster: E) => Promise<Loader>) | null
}

/** Before each load, at its own number in flight. */
export const WARM_UP_SECONDS = 2
/**
 * A server whose code is compiled while it runs needs some ten thousand requests for it: the first
 * ones take five times the CPU of later ones. Those of both systems are let pass unmeasured.
 */
const WARM_REQUESTS = 20_000
const WARM_RUNS_MAX = 5

/** Makes a cluster that has just started as fast as one that runs for long. */
export async function warm(loader: Loader): Promise<void> {
  await loader.warmUp()
  let count = 0
  for (let i = 0; i < WARM_RUNS_MAX && count < WARM_REQUESTS; i++) {
    count += (await loader.run(WARM_UP_SECONDS)).count
  }
}

export function rateOf({ count, seconds }: Load, each = 1): number {
  return seconds > 0 ? (count * each) / seconds : 0
}

/** The same load with what else was found wrong. */
export function withFaults(load: Load, more: readonly string[]): Load {
  return { ...load, faults: [...load.faults, ...more] }
}
