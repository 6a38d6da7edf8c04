/**
 * The simulator's command line.
 *
 *     npm run sim -- --seeds N [--start S]   seeds S … S+N−1 (S is 1 by default)
 *     npm run sim -- --seed S                one seed, with a readable trace
 *     npm run sim -- --minutes M             fresh seeds until the time is up
 *     npm run sim -- --mutant NAME           plants a bug and stops at the first violation
 *     npm run sim -- --mutants               the names, one a line
 *
 * `--jobs N` says how many processes share the seeds (all cores by default; what comes out is the
 * same), `--stats` how often each interesting situation came about.
 *
 * Exit 0: no violation; 1: a violation (with `--mutant`: the bug was found); 2: wrong usage. The
 * last line on stdout: `seeds=N hours=H events=E rate=R violations=V`.
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { MUTANTS, plant } from './mutants/mod.ts'
import type { Result } from './run.ts'
import type { SeedsOptions } from './seeds.ts'
import { neverMet } from './sometimes/situations.ts'
import { addTo, emptyTally, type Tally } from './tally.ts'

/** Where `--minutes` and `--mutant` look when nobody says how far. */
const MUTANT_SEEDS = 50_000
const HOUR_MS = 3_600_000

interface Options {
  readonly seeds: number | null
  readonly start: number | null
  readonly seed: number | null
  readonly minutes: number | null
  readonly jobs: number
  readonly mutant: string | null
  readonly mutants: boolean
  readonly stats: boolean
}

class UsageError extends Error {}

function parse(args: readonly string[]): Options {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  let values
  try {
    const options = {
      seeds: text,
      start: text,
      seed: text,
      minutes: text,
      jobs: text,
      mutant: text,
      mutants: flag,
      stats: flag,
    }
    values = parseArgs({ args: [...args], options, strict: true }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
  const options: Options = {
    seeds: whole('seeds', values.seeds, 1),
    start: whole('start', values.start, 0),
    seed: whole('seed', values.seed, 0),
    minutes: positive('minutes', values.minutes),
    jobs: whole('jobs', values.jobs, 1) ?? availableParallelism(),
    mutant: values.mutant ?? null,
    mutants: values.mutants ?? false,
    stats: values.stats ?? false,
  }
  check(options)
  return options
}

function whole(name: string, text: string | undefined, least: number): number | null {
  if (text === undefined) return null
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (Number.isSafeInteger(value * 64) && value >= least) return value
  throw new UsageError(`--${name} is a whole number from ${least} on, not "${text}"`)
}

function positive(name: string, text: string | undefined): number | null {
  if (text === undefined) return null
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value
  throw new UsageError(`--${name} is a positive number, not "${text}"`)
}

function check({ seeds, start, seed, minutes, mutant, mutants }: Options): void {
  const ways = [seeds, seed, minutes].filter((given) => given !== null).length
  if (ways > 1) throw new UsageError('--seeds, --seed and --minutes exclude each other')
  if (mutants && (ways > 0 || mutant !== null)) throw new UsageError('--mutants stands alone')
  if (ways === 0 && mutant === null && !mutants) {
    throw new UsageError('say --seeds N, --seed S, --minutes M, --mutant NAME or --mutants')
  }
  if (start !== null && seed !== null) throw new UsageError('--start does not go with --seed')
  if (mutant !== null && !MUTANTS.some(({ name }) => name === mutant)) {
    throw new UsageError(`there is no mutant "${mutant}"; --mutants lists them`)
  }
}

function describe({ seed, violation, traceHash }: Result): string {
  if (violation === null) return `seed ${seed}: no violation, trace ${traceHash}`
  const { rule, detail, atMs } = violation
  const replay = `replay: npm run sim -- --seed ${seed}`
  return `seed ${seed}: VIOLATION of "${rule}" at ${atMs.toFixed(3)} ms: ${detail}\n  ${replay}`
}

function seedsOptions(options: Options, startedMs: number): SeedsOptions {
  const { minutes, mutant } = options
  const endMs = minutes === null ? Infinity : startedMs + minutes * 60_000
  // Fresh seeds: of this soak alone. Which ones they were is in the output.
  const fresh = minutes === null ? 1 : Math.floor(Date.now() / 1_000) * 1_000
  const start = options.seed ?? options.start ?? fresh
  if (minutes !== null) console.log(`seeds from ${start} on`)
  let count = options.seed === null ? options.seeds : 1
  count ??= minutes === null ? MUTANT_SEEDS : Infinity
  return {
    start,
    count,
    jobs: options.jobs,
    mutant,
    isLate: () => performance.now() >= endMs,
    stopsAtViolation: mutant !== null,
    onResult: (result) => {
      if (result.violation === null) return
      const plus = mutant === null ? '' : ` --mutant ${mutant}`
      console.log(describe(result) + plus)
    },
  }
}

/** Written down first, loaded last: a mutant must be in place before anything of `src/`. */
async function simulate(options: Options): Promise<number> {
  const mutant = MUTANTS.find(({ name }) => name === options.mutant)
  if (mutant !== undefined) plant(mutant)
  const startedMs = performance.now()
  if (options.seed !== null) return await replay(options.seed, startedMs)
  const { runSeeds } = await import('./seeds.ts')
  const tally = await runSeeds(seedsOptions(options, startedMs))
  if (options.stats) {
    for (const [name, count] of [...tally.counts].sort()) console.log(`${name}: ${count}`)
  }
  if (mutant === undefined) {
    for (const situation of neverMet(tally.seeds, tally.counts)) {
      tally.violations += 1
      console.log(`NEVER MET in ${tally.seeds} seeds: ${situation}`)
    }
  }
  finish(tally, startedMs)
  return tally.violations > 0 ? 1 : 0
}

async function replay(seed: number, startedMs: number): Promise<number> {
  const { run } = await import('./run.ts')
  const result = run(seed, (line) => console.log(line))
  console.log(describe(result))
  const tally = emptyTally()
  addTo(tally, result)
  finish(tally, startedMs)
  return tally.violations > 0 ? 1 : 0
}

function finish({ seeds, simulatedMs, events, violations }: Tally, startedMs: number): void {
  const seconds = (performance.now() - startedMs) / 1_000
  const hours = (simulatedMs / HOUR_MS).toFixed(2)
  const rate = (seeds / seconds).toFixed(1)
  console.log(
    `seeds=${seeds} hours=${hours} events=${events} rate=${rate} violations=${violations}`,
  )
}

async function main(args: readonly string[]): Promise<number> {
  try {
    const options = parse(args)
    if (!options.mutants) return await simulate(options)
    for (const { name } of MUTANTS) console.log(name)
    return 0
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    console.error(`sim: ${error.message}`)
    return 2
  }
}

process.exitCode = await main(process.argv.slice(2))
