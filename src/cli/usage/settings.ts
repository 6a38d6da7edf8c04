import { nearest } from '../../lib/nearest.ts'
import { present } from '../../lib/assert.ts'
import { messageOf } from '../../lib/text.ts'
import { didYouMean } from './arguments.ts'
import { BadValue, UsageError } from '../errors.ts'
import { FLAGS, FLAG_NAMES, findFlag, variableOf } from './flags.ts'
import type { Command } from './commands.ts'
import type { Flag, FlagName, FlagValue } from './flags.ts'

/** Flags that a variable and a key of a config file may set. */
const SETTINGS = FLAG_NAMES.filter((name) => findFlag(name)?.onlyAsFlag !== true)

/** Variables beside those of flags; a command that `rollcall lock` runs finds the last two. */
const OWN_VARIABLES = ['ROLLCALL_TOKEN', 'ROLLCALL_LOCK', 'ROLLCALL_LOCK_TOKEN']

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
  readonly flags: ReadonlyMap<string, readonly string[]>
  readonly env: Readonly<Record<string, string | undefined>>
  /** The text of a file; throws where it cannot be read. */
  readonly readFile: (path: string) => string
}

interface Given {
  /** More than one only where a flag was repeated; at least one. */
  readonly texts: readonly string[]
  readonly from: string
}

/** The kinds of JSON value that a config file may hold. */
type FileValue = string | number | boolean

/** Gathers flags, then variables, then the config file, then defaults. Throws `UsageError`. */
export function readSettings(sources: SettingSources): Settings {
  const { command } = sources
  const outer = gather(sources, new Map())
  const path = lastText(outer.get('config'))
  const from = outer.get('config')?.from ?? ''
  const file = path === null ? new Map<string, FileValue>() : readConfig(sources, { path, from })
  const given = path === null ? outer : gather(sources, file, path)
  const values = new Map<FlagName, unknown>()
  for (const name of FLAG_NAMES) {
    const spec = present(findFlag(name), 'a listed flag exists')
    const texts = given.get(name)?.texts ?? (spec.fallback === null ? [] : [spec.fallback])
    if (!spec.commands.includes(command) || texts.length === 0) continue
    values.set(name, judge(spec, texts, given.get(name)?.from ?? `--${name}`))
  }
  return {
    // The cast holds because `judge` stored what the flag of this very name has read.
    value: <K extends FlagName>(name: K) => (values.get(name) ?? null) as FlagValue<K> | null,
    need: <K extends FlagName>(name: K) =>
      present(values.get(name) as FlagValue<K> | undefined, `--${name} has a default`),
    nameOf: (name) => given.get(name)?.from ?? `--${name}`,
    given: (name) => lastText(given.get(name)),
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
    if (flag !== undefined) given.set(name, { texts: flag, from: `--${name}` })
    if (flag !== undefined || findFlag(name)?.onlyAsFlag === true) continue
    const variable = sources.env[variableOf(name)]
    const entry = file.get(name)
    if (variable !== undefined && variable !== '') {
      given.set(name, { texts: [variable], from: variableOf(name) })
    } else if (entry !== undefined) {
      given.set(name, { texts: [String(entry)], from: `"${name}" in ${path}` })
    }
  }
  return given
}

function lastText(given: Given | undefined): string | null {
  return given?.texts.at(-1) ?? null
}

function judge(spec: Flag<unknown>, texts: readonly string[], from: string): unknown {
  const value = texts.reduce<unknown>(
    (before, text) => readValue(spec, { text, before }, from),
    null,
  )
  if (spec.later?.(value) === true) {
    const said = spec.value === null ? '' : ` ${texts.at(-1)}`
    throw new UsageError(`${from}${said}: not in this release yet`)
  }
  return value
}

function readValue(
  spec: Flag<unknown>,
  { text, before }: { readonly text: string; readonly before: unknown },
  from: string,
): unknown {
  try {
    return spec.read(text, before)
  } catch (error) {
    if (!(error instanceof BadValue)) throw error
    throw new UsageError(`${from}: ${error.message}`)
  }
}

/** The file's keys are names of flags, whatever command they belong to, so that all can share one. */
function readConfig(
  sources: SettingSources,
  { path, from }: { readonly path: string; readonly from: string },
): ReadonlyMap<string, FileValue> {
  const fail = (why: string): never => {
    throw new UsageError(`${from} ${path}: ${why}`)
  }
  let text = ''
  try {
    text = sources.readFile(path)
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
    if (!SETTINGS.some((name) => name === key) || key === 'config') {
      return fail(`unknown key ${JSON.stringify(key)}${didYouMean(nearest(key, SETTINGS))}`)
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
  const known = new Set([...SETTINGS.map(variableOf), ...OWN_VARIABLES])
  return Object.keys(env)
    .filter((name) => name.startsWith('ROLLCALL_') && !known.has(name))
    .flatMap((name) => {
      const word = name.slice('ROLLCALL_'.length).toLowerCase().replaceAll('_', '-')
      const near = nearest(word, SETTINGS)
      return near === null ? [] : [`${name} means nothing; did you mean ${variableOf(near)}?`]
    })
    .sort()
}
