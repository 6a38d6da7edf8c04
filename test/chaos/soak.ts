/** Run after run until the time is up, with an account that is printed every minute. */
import { prng } from '../../src/lib/prng.ts'
import { missing } from './machine.ts'
import { COUNTED, noCounts, Run, Violation } from './run.ts'
import { saveRun } from './save.ts'
import type { Scenario } from './scenario.ts'

/** After so many broken promises the next one says nothing new, and disks are not endless. */
const VIOLATIONS_MAX = 5
const PROGRESS_MS = 60_000

export interface SoakOptions {
  readonly scenarios: readonly Scenario[]
  readonly seed: number
  /** Null: each scenario once. */
  readonly minutes: number | null
  readonly syncs: number
  /** Traces and disk images of a run that broke a promise are saved, too. */
  readonly keep: boolean
  readonly signal: AbortSignal
}

export interface Account {
  runs: number
  violations: number
  readonly skipped: Set<string>
  readonly counts: ReturnType<typeof noCounts>
}

export async function soak(options: SoakOptions): Promise<Account> {
  const account = { runs: 0, violations: 0, skipped: new Set<string>(), counts: noCounts() }
  const startMs = performance.now()
  const endMs = options.minutes === null ? Infinity : startMs + options.minutes * 60_000
  const timer = setInterval(() => {
    console.log(`${Math.round((performance.now() - startMs) / 60_000)} min: ${summary(account)}`)
  }, PROGRESS_MS)
  try {
    const deck = deckOf(await possible(options.scenarios, account), options)
    for (let seed = options.seed; ; seed++) {
      const scenario = deck.next()
      if (scenario === null) break
      const leftMs = endMs - performance.now()
      if (leftMs <= 0 || options.signal.aborted) break
      if (account.violations >= VIOLATIONS_MAX) {
        console.log(`stopped after ${VIOLATIONS_MAX} violations`)
        break
      }
      const seconds = Math.min(scenario.seconds, leftMs / 1_000)
      await once({ scenario, seed, seconds, options, account })
    }
  } finally {
    clearInterval(timer)
  }
  return account
}

/** What the machine cannot do is named, once, and counted. */
async function possible(
  scenarios: readonly Scenario[],
  account: Account,
): Promise<readonly Scenario[]> {
  const able: Scenario[] = []
  for (const scenario of scenarios) {
    const lacks = await Promise.all(scenario.needs.map(missing))
    const why = lacks.filter((lack) => lack !== null)
    if (why.length === 0) able.push(scenario)
    else {
      account.skipped.add(scenario.name)
      console.log(`skipped ${scenario.name}: ${why.join('; ')}`)
    }
  }
  return able
}

/** Scenarios in a random order, each as often as its weight says, then all over again. */
function deckOf(
  scenarios: readonly Scenario[],
  { seed, minutes }: SoakOptions,
): { next(): Scenario | null } {
  const random = prng(seed)
  const full = scenarios.flatMap((scenario) =>
    Array.from({ length: minutes === null ? 1 : scenario.weight }, () => scenario),
  )
  const cards = [...full]
  return {
    next: () => {
      if (cards.length === 0 && minutes !== null) cards.push(...full)
      return cards.splice(random(Math.max(1, cards.length)), 1)[0] ?? null
    },
  }
}

interface Once {
  readonly scenario: Scenario
  readonly seed: number
  readonly seconds: number
  readonly options: SoakOptions
  readonly account: Account
}

async function once({ scenario, seed, seconds, options, account }: Once): Promise<void> {
  const { syncs, signal, keep } = options
  const { counts } = account
  const run = new Run({ scenario: scenario.name, seed, seconds, syncs, counts, signal })
  const aborted = Promise.withResolvers<void>()
  const onAbort = (): void => aborted.resolve()
  signal.addEventListener('abort', onAbort)
  try {
    await Promise.race([scenario.run(run), aborted.promise])
    if (!signal.aborted) account.runs += 1
  } catch (error) {
    if (signal.aborted) return
    account.runs += 1
    account.violations += 1
    // A cluster that does not heal, or a harness that does not understand, is no pass either.
    const text = error instanceof Error && !(error instanceof Violation) ? error.stack : null
    const problem = text ?? (error instanceof Error ? error.message : String(error))
    const where = await saveRun(run, { problem, keep })
    const again = `npm run chaos -- --scenario ${scenario.name} --seed ${seed}`
    console.log(
      `VIOLATION in ${scenario.name}, seed ${seed}: ${problem}\n  saved: ${where}\n  again: ${again}`,
    )
  } finally {
    signal.removeEventListener('abort', onAbort)
    await run.close()
  }
}

export function summary({ runs, counts, skipped, violations }: Account): string {
  const counted = COUNTED.map((name) => `${name}=${counts[name]}`)
  return `runs=${runs} ${counted.join(' ')} skipped=${skipped.size} violations=${violations}`
}
