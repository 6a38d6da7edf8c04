import { parseArgs } from 'node:util'

export interface Options {
  /** How long to go on; null: one run. */
  readonly minutes: number | null
  readonly scenario: string | null
  readonly scenarios: boolean
  readonly seed: number
  readonly syncs: number
  readonly keep: boolean
}

/** The command line is wrong: exit 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

const MINUTES_MAX = 14 * 24 * 60
const SYNCS = 40
const SYNCS_MAX = 2_000

/** @throws {UsageError} with what is wrong, for whoever typed it. */
export function parseOptions(args: readonly string[], names: readonly string[]): Options {
  const { minutes, scenario, scenarios = false, seed, syncs, keep = false } = valuesOf(args)
  if (scenarios && args.length > 1) throw new UsageError('--scenarios stands alone')
  if (scenario !== undefined && !names.includes(scenario)) {
    throw new UsageError(`there is no scenario "${scenario}"; --scenarios lists them`)
  }
  if (!scenarios && minutes === undefined && scenario === undefined) {
    throw new UsageError('say --minutes M, --scenario NAME, or --scenarios')
  }
  return {
    minutes: minutes === undefined ? null : minutesOf(minutes),
    scenario: scenario ?? null,
    scenarios,
    seed: seed === undefined ? freshSeed() : whole('seed', seed, { min: 0, max: 2 ** 47 }),
    syncs: syncs === undefined ? SYNCS : whole('syncs', syncs, { min: 1, max: SYNCS_MAX }),
    keep,
  }
}

function valuesOf(args: readonly string[]) {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  const options = {
    minutes: text,
    scenario: text,
    seed: text,
    syncs: text,
    scenarios: flag,
    keep: flag,
  }
  try {
    return parseArgs({ args: [...args], options, strict: true }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function minutesOf(text: string): number {
  const minutes = Number(text)
  if (text.trim() !== '' && minutes > 0 && minutes <= MINUTES_MAX) return minutes
  throw new UsageError(`--minutes is a positive number up to ${MINUTES_MAX}, not "${text}"`)
}

function whole(
  name: string,
  text: string,
  { min, max }: { readonly min: number; readonly max: number },
): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw new UsageError(`--${name} is a whole number from ${min} to ${max}, not "${text}"`)
}

/** Different each time; printed, so that a run can be repeated. */
function freshSeed(): number {
  return Math.floor(Date.now() / 1_000) * 1_000
}
