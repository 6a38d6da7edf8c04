/** One run of one scenario: its seed, its account, and what has to be undone when it is over. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { prng, type Random } from '../../src/lib/prng.ts'
import type { Cluster, ClusterNode } from '../support/cluster.ts'
import type { Seen } from './seen.ts'

/** What the summary counts, in its order. */
export const COUNTED = [
  'kills',
  'power_losses',
  'pauses',
  'restarts',
  'link_faults',
  'disk_faults',
  'full_disks',
  'damages',
  'clock_faults',
  'member_changes',
  'snapshots',
  'ops',
] as const

export type Counted = (typeof COUNTED)[number]
export type Counts = Record<Counted, number>

export function noCounts(): Counts {
  return Object.fromEntries(COUNTED.map((name) => [name, 0])) as Counts
}

export interface RunOptions {
  readonly scenario: string
  readonly seed: number
  /** How long harm is done; starting, healing and judging come on top. */
  readonly seconds: number
  /** How many sync calls a sweep over them covers. */
  readonly syncs: number
  readonly counts: Counts
  /** Aborted when somebody wants the whole thing to end. */
  readonly signal: AbortSignal
}

/** What has been promised was not kept. */
export class Violation extends Error {
  override readonly name = 'Violation'
}

/** Lines of the diary of one run; the oldest go first. */
const NOTES_MAX = 10_000

export class Run {
  readonly scenario: string
  readonly seed: number
  readonly syncs: number
  readonly random: Random
  /** Below the system's temporary folder; gone when the run is over. */
  readonly folder: string
  /** Those that are there just now. */
  readonly clusters: Cluster[] = []
  /** Nodes that were removed from them: their logs still tell. */
  readonly gone: ClusterNode[] = []
  /** All that clients saw, of every cluster of this run. */
  readonly history: Seen[] = []
  readonly notes: string[] = []
  readonly #counts: Counts
  readonly #signal: AbortSignal
  readonly #startMs = performance.now()
  readonly #endMs: number
  readonly #undo: (() => unknown)[] = []

  constructor({ scenario, seed, seconds, syncs, counts, signal }: RunOptions) {
    this.scenario = scenario
    this.seed = seed
    this.syncs = syncs
    this.random = prng(seed)
    this.folder = mkdtempSync(join(tmpdir(), 'rollcall-chaos-run-'))
    this.#counts = counts
    this.#signal = signal
    this.#endMs = this.#startMs + seconds * 1_000
  }

  get isOver(): boolean {
    return this.#signal.aborted || performance.now() >= this.#endMs
  }

  get isAborted(): boolean {
    return this.#signal.aborted
  }

  count(name: Counted, more = 1): void {
    this.#counts[name] += more
  }

  /** A line of the diary, with the milliseconds since the beginning. */
  note(text: string): void {
    this.notes.push(`${(performance.now() - this.#startMs).toFixed(1)} ${text}`)
    if (this.notes.length > NOTES_MAX) this.notes.shift()
  }

  /** A whole number from `min` to `max`, both included. */
  between(min: number, max: number): number {
    return min + this.random(max - min + 1)
  }

  oneOf<T>(choices: readonly T[]): T {
    const choice = choices[this.random(choices.length)]
    if (choice === undefined) throw new Error('there is nothing to choose from')
    return choice
  }

  /** Done when the run is over, newest first, however it ends. */
  defer(undo: () => unknown): void {
    this.#undo.push(undo)
  }

  /** Everything up to here stays when a part of the run is undone by itself. */
  get depth(): number {
    return this.#undo.length
  }

  async undo(depth: number): Promise<void> {
    const errors: unknown[] = []
    while (this.#undo.length > depth) {
      try {
        await this.#undo.pop()?.()
      } catch (error) {
        errors.push(error) // The rest is undone all the same.
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, 'not everything could be undone')
  }

  async close(): Promise<void> {
    try {
      await this.undo(0)
    } finally {
      rmSync(this.folder, { recursive: true, force: true })
    }
  }
}
