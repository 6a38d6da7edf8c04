/**
 * Many seeds, in this process or in several. However many those are, results are told in the order
 * of the seeds, and the first violation is that of the lowest seed: the same run gives the same
 * output.
 */
import { fileURLToPath } from 'node:url'
import { present } from '../../src/lib/assert.ts'
import type { Result } from './run.ts'
import { addTo, emptyTally, type Tally } from './tally.ts'

export interface SeedsOptions {
  readonly start: number
  /** How many; `Infinity`: until `isLate` says so. */
  readonly count: number
  /** How many processes. */
  readonly jobs: number
  /** The planted bug, or null. With one job it is planted in this process already. */
  readonly mutant: string | null
  isLate(): boolean
  readonly stopsAtViolation: boolean
  onResult(result: Result): void
}

/** Seeds given to a process before it has answered: it never waits for the next one. */
const AHEAD = 2
/** How far the fastest may be ahead of the slowest; bounds what waits to be told. */
const SPREAD_MAX = 512

export async function runSeeds(options: SeedsOptions): Promise<Tally> {
  const jobs = Math.min(options.jobs, options.count)
  return jobs > 1 ? await new Pool(options, jobs).run() : await runHere(options)
}

async function runHere(options: SeedsOptions): Promise<Tally> {
  const { run } = await import('./run.ts')
  const tally = emptyTally()
  for (let i = 0; i < options.count && !options.isLate(); i++) {
    const result = run(options.start + i)
    addTo(tally, result)
    options.onResult(result)
    if (options.stopsAtViolation && result.violation !== null) break
  }
  return tally
}

type Child = ReturnType<typeof Bun.spawn>

class Pool {
  readonly #options: SeedsOptions
  readonly #jobs: number
  readonly #tally = emptyTally()
  readonly #children: Child[] = []
  /** Results of seeds above one that is still missing. */
  readonly #early = new Map<number, Result>()
  /** The next seed to hand out, and the next to tell. */
  #next: number
  #told: number
  /** Children that may take another seed, once for each that they may take. */
  #waiting: Child[] = []
  readonly #ended: PromiseWithResolvers<Tally> = Promise.withResolvers()
  #over = false

  constructor(options: SeedsOptions, jobs: number) {
    this.#options = options
    this.#jobs = jobs
    this.#next = this.#told = options.start
  }

  async run(): Promise<Tally> {
    for (let i = 0; i < this.#jobs; i++) {
      const child = this.#spawn()
      this.#children.push(child)
      for (let ahead = 0; ahead < AHEAD; ahead++) this.#waiting.push(child)
    }
    this.#handOut()
    try {
      return await this.#ended.promise
    } finally {
      this.#over = true
      for (const child of this.#children) child.kill()
      await Promise.all(this.#children.map(({ exited }) => exited))
    }
  }

  #spawn(): Child {
    const worker = fileURLToPath(new URL('worker.ts', import.meta.url))
    return Bun.spawn([process.execPath, worker, this.#options.mutant ?? ''], {
      stdio: ['ignore', 'ignore', 'inherit'],
      ipc: (result: Result, child) => {
        this.#waiting.push(child)
        this.#early.set(result.seed, result)
        this.#tell()
        this.#handOut()
      },
      onExit: (_, code, signal) => {
        if (this.#over) return
        const how = signal === null ? `exit code ${code}` : `signal ${signal}`
        const seeds = `among the seeds from ${this.#told} to ${this.#next - 1}`
        this.#ended.reject(new Error(`a process of the simulator ended with ${how}, ${seeds}`))
      },
    })
  }

  #handOut(): void {
    const { start, count, isLate } = this.#options
    while (this.#waiting.length > 0 && this.#next - this.#told < SPREAD_MAX) {
      if (this.#next - start >= count || isLate()) break
      present(this.#waiting.shift() ?? null, 'somebody is free').send(this.#next)
      this.#next += 1
    }
    if (this.#told === this.#next) this.#ended.resolve(this.#tally)
  }

  #tell(): void {
    for (let result = this.#early.get(this.#told); result !== undefined && !this.#over;) {
      this.#early.delete(this.#told)
      this.#told += 1
      addTo(this.#tally, result)
      this.#options.onResult(result)
      if (this.#options.stopsAtViolation && result.violation !== null) {
        this.#over = true
        this.#ended.resolve(this.#tally)
      }
      result = this.#early.get(this.#told)
    }
  }
}
