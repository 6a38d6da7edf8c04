import { nearest } from '../lib/nearest.ts'
import { present } from '../lib/assert.ts'
import { didYouMean } from './arguments.ts'
import { BadValue, UsageError, messageOf } from './errors.ts'
import { FLAGS, FLAG_NAMES, findFlag, variableOf } from './flags.ts'
import type { Command, Flag, FlagName, FlagValue } from './flags.ts'

/** What a command was told, by whatever way, already read and judged value by value. */
export interface Settings {
  /** The value, or its default; null where there is neither. */
  value<K extends FlagName>(name: K): FlagValue<K> | null
  /** For flags with a default. */
  need<K extends FlagName>(name: K): FlagValue<K>
  /** How the user wrote it: `--id`, `ROLLCALL_ID`, `"id" in FILE`. Where unset: the flag. */
  nameOf(name: FlagName): string
  /** What was given for this command, as text: what `dev` hands on to its nodes. */
  given(name: FlagName): string | null
  /** Variables that are near to one of ours, and none. */
  readonly suspects: readonly string[]
}

export interface SettingSources {
  readonly command: Command
  readonly flags: ReadonlyMap<string, string>
  readonly env: Readonly<Record<string, string | undefined>>
  /** The text of a file; throws where it cannot be read. */
  readonly readFile: (path: string) => string
}

interface Given {
  readonly text: string
  readonly from: string
}

/** The kinds of JSON value that a config file may hold. */
type FileValue = string | number | boolean

/** Gathers flags, then variables, then the config file, then defaults. Throws `UsageError`. */
export function readSettings(sources: SettingSources): Settings {
  const { command } = sources
  const outer = gather(sources, new Map())
  const path = outer.get('config')
  const file = path === undefined ? new Map<string, FileValue>() : readConfig(sources, path)
  const given = path === undefined ? outer : gather(sources, file, path.text)
  const values = new Map<FlagName, unknown>()
  for (const name of FLAG_NAMES) {
    const spec = present(findFlag(name), 'a listed flag exists')
    const text = given.get(name)?.text ?? spec.fallback
    if (!spec.commands.includes(command) || text === null) continue
    values.set(name, judge(spec, text, given.get(name)?.from ?? `--${name}`))
  }
  return {
    // The cast holds because `judge` stored what the flag of this very name has read.
    value: <K extends FlagName>(name: K) => (values.get(name) ?? null) as FlagValue<K> | null,
    need: <K extends FlagName>(name: K) =>
      present(values.get(name) as FlagValue<K> | undefined, `--${name} has a default`),
    nameOf: (name) => given.get(name)?.from ?? `--${name}`,
    given: (name) => given.get(name)?.text ?? null,
    suspects: suspectsIn(sources.env),
  }
}

/** Precedence: flag, then variable, then file. An empty variable counts as unset. */
function gather(
  sources: SettingSources,
  file: ReadonlyMap<string, FileValue>,
  path = '',
): Map<FlagName, Given> {
  const given = new Map<FlagName, Given>()
  for (const name of FLAG_NAMES) {
    if (!FLAGS[name].commands.some((command) => command === sources.command)) continue
    const flag = sources.flags.get(name)
    const variable = sources.env[variableOf(name)]
    const entry = file.get(name)
    if (flag !== undefined) given.set(name, { text: flag, from: `--${name}` })
    else if (variable !== undefined && variable !== '') {
      given.set(name, { text: variable, from: variableOf(name) })
    } else if (entry !== undefined) {
      given.set(name, { text: String(entry), from: `"${name}" in ${path}` })
    }
  }
  return given
}

function judge(spec: Flag<unknown>, text: string, from: string): unknown {
  const value = readValue(spec, text, from)
  if (spec.later?.(value) === true) {
    throw new UsageError(`${from}${spec.value === null ? '' : ` ${text}`}: not in this release yet`)
  }
  return value
}

function readValue(spec: Flag<unknown>, text: string, from: string): unknown {
  try {
    return spec.read(text)
  } catch (error) {
    if (!(error instanceof BadValue)) throw error
    throw new UsageError(`${from}: ${error.message}`)
  }
}

/** The file's keys are names of flags, whatever command they belong to, so that all can share one. */
function readConfig(sources: SettingSources, path: Given): ReadonlyMap<string, FileValue> {
  const fail = (why: string): never => {
    throw new UsageError(`${path.from} ${path.text}: ${why}`)
  }
  let text = ''
  try {
    text = sources.readFile(path.text)
  } catch (error) {
    return fail(`cannot be read: ${messageOf(error)}`)
  }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    return fail(`is not JSON: ${messageOf(error)}`)
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    return fail('must hold one JSON object whose keys are names of flags')
  }
  const entries = new Map<string, FileValue>()
  for (const [key, value] of Object.entries(json)) {
    if (findFlag(key) === null || key === 'config') {
      return fail(`unknown key ${JSON.stringify(key)}${didYouMean(nearest(key, FLAG_NAMES))}`)
    }
    const kind = typeof value
    if (kind !== 'string' && kind !== 'number' && kind !== 'boolean') {
      return fail(`${JSON.stringify(key)} must be a string, as one would write it after --${key}`)
    }
    entries.set(key, value)
  }
  return entries
}

/**
 * A mistyped variable would be ignored in silence. It cannot be refused either: some platforms
 * set `<SERVICE>_PORT` and the like for a service of our name. So near misses are pointed out.
 */
function suspectsIn(env: SettingSources['env']): readonly string[] {
  const known = new Set([...FLAG_NAMES.map(variableOf), 'ROLLCALL_TOKEN'])
  return Object.keys(env)
    .filter((name) => name.startsWith('ROLLCALL_') && !known.has(name))
    .flatMap((name) => {
      const word = name.slice('ROLLCALL_'.length).toLowerCase().replaceAll('_', '-')
      const near = nearest(word, FLAG_NAMES)
      return near === null ? [] : [`${name} means nothing; did you mean ${variableOf(near)}?`]
    })
    .sort()
}
