/** The command line: what it says, or what is wrong with it. */
import { parseArgs } from 'node:util'

export interface Options {
  /** In the order in which they run. */
  readonly scenarios: readonly string[]
  readonly seconds: number
  readonly rounds: number
  readonly json: boolean
}

/** `usage` where nothing is to be run: `error` says why, and is null where help was asked for. */
export type Parsed =
  | { readonly type: 'options'; readonly options: Options }
  | { readonly type: 'usage'; readonly error: string | null }

/** What can be named: scenarios in their order, and groups of them. */
export interface Catalogue {
  readonly scenarios: readonly string[]
  readonly groups: Readonly<Record<string, readonly string[]>>
  /** The group that `--quick` runs where none is named. */
  readonly quick: string
}

const SECONDS = { min: 1, max: 60, usual: 5, quick: 2 }
const ROUNDS = { min: 1, max: 100, usual: 3, quick: 1 }

export function parseOptions(args: readonly string[], catalogue: Catalogue): Parsed {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        scenario: { type: 'string', multiple: true },
        quick: { type: 'boolean', default: false },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    const { quick, json, help } = values
    if (help) return { type: 'usage', error: null }
    const named = values.scenario ?? (quick ? [catalogue.quick] : catalogue.scenarios)
    const size = quick ? 'quick' : 'usual'
    const options = {
      scenarios: chosen(named, catalogue),
      seconds: whole(values.seconds, { name: '--seconds', ...SECONDS, otherwise: SECONDS[size] }),
      rounds: whole(values.rounds, { name: '--rounds', ...ROUNDS, otherwise: ROUNDS[size] }),
      json,
    }
    return { type: 'options', options }
  } catch (error) {
    return { type: 'usage', error: (error as Error).message }
  }
}

export function usage({ scenarios, groups, quick }: Catalogue): string {
  const members = Object.entries(groups).map(([name, names]) => `  ${name}: ${names.join(', ')}`)
  return [
    'npm run bench -- [--scenario NAME]... [--quick] [--rounds N] [--seconds N] [--json]',
    '',
    '  --scenario NAME  one scenario or group; may be repeated; all of them where none is named',
    `  --quick          ${ROUNDS.quick} round of ${SECONDS.quick} s each; "${quick}" alone where none is named`,
    `  --rounds N       how often ours and etcd take turns: ${ROUNDS.min} to ${ROUNDS.max}, ${ROUNDS.usual} unless told`,
    `  --seconds N      how long each load lasts: ${SECONDS.min} to ${SECONDS.max}, ${SECONDS.usual} unless told`,
    '  --json           everything as one JSON object',
    '',
    `scenarios: ${scenarios.join(' ')}`,
    'groups:',
    ...members,
  ].join('\n')
}

/** In the order of the catalogue, each once. */
function chosen(named: readonly string[], { scenarios, groups }: Catalogue): string[] {
  const names = new Set<string>()
  for (const name of named) {
    const group = Object.hasOwn(groups, name) ? groups[name] : undefined
    if (group === undefined && !scenarios.includes(name)) {
      throw new Error(`there is no scenario "${name}"`)
    }
    for (const member of group ?? [name]) names.add(member)
  }
  return scenarios.filter((name) => names.has(name))
}

interface Whole {
  readonly name: string
  readonly min: number
  readonly max: number
  readonly otherwise: number
}

function whole(text: string | undefined, { name, min, max, otherwise }: Whole): number {
  if (text === undefined) return otherwise
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= min && value <= max) return value
  throw new Error(`${name} takes a whole number from ${min} to ${max}, not "${text}"`)
}
