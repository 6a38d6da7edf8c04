/** Instances that beat in another process (`beaters.ts`), and what it says of them. */
import { fileURLToPath } from 'node:url'
import type { ClusterNode } from '../support/cluster.ts'
import type { BeatersHear, BeatersSay } from './beaters.ts'
import { endingWith } from './ending.ts'

/** What `fillInstances` is to call the services of those that beat, and how many are in each. */
export const BEATING = 'beating'
export const PER_SERVICE = 100

export interface Beats {
  readonly count: number
  /** How many beat in one request. */
  readonly batch: number
  readonly everyMs: number
  readonly connections: number
}

/** What was said in a time. */
export interface Beaten {
  readonly renewed: number
  readonly refused: number
  readonly lateMs: number
  readonly medianMs: number
}

export class Beating {
  readonly #child: Bun.Subprocess<'ignore', 'inherit', 'inherit'>
  #said: BeatersSay[] = []

  constructor(port: number, { count, batch, everyMs, connections }: Beats) {
    const script = fileURLToPath(new URL('./beaters.ts', import.meta.url))
    const numbers = [port, count, batch, everyMs, connections].map(String)
    this.#child = Bun.spawn([process.execPath, script, ...numbers], {
      stdio: ['ignore', 'inherit', 'inherit'],
      ipc: (said: BeatersSay) => void this.#said.push(said),
    })
  }

  /** From now on those below that number beat. */
  only(below: number): void {
    if (this.#child.exitCode !== null) throw new Error('the beaters have ended')
    this.#child.send({ below } satisfies BeatersHear)
  }

  /** What has been said since this was last asked. */
  take(): Beaten {
    const said = this.#said
    this.#said = []
    return {
      renewed: said.reduce((sum, one) => sum + one.renewed, 0),
      refused: said.reduce((sum, one) => sum + one.refused, 0),
      lateMs: Math.max(0, ...said.map((one) => one.lateMs)),
      medianMs: Math.max(0, ...said.map((one) => one.medianMs)),
    }
  }

  close(): void {
    this.#child.kill('SIGKILL')
  }
}

export function withBeats<T>(
  { port }: ClusterNode,
  beats: Beats,
  body: (beating: Beating) => Promise<T>,
): Promise<T> {
  const beating = new Beating(port, beats)
  return endingWith(
    () => beating.close(),
    () => body(beating),
  )
}
