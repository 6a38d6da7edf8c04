import { nearest } from '../lib/nearest.ts'
import { UsageError } from './errors.ts'
import { COMMANDS, FLAG_NAMES, findFlag } from './flags.ts'
import type { Command } from './flags.ts'

/** A command line taken apart: nothing is read or judged yet but names. */
export interface Arguments {
  readonly command: Command
  /** What `help` was asked about; null: the overview, or a command that is to be run. */
  readonly helpFor: Command | null
  /** What stands beside the flags of a command that takes such: `list`, `add n4`. */
  readonly words: readonly string[]
  /** As written; a switch without a value is `true`. The last one of a name wins. */
  readonly flags: ReadonlyMap<string, string>
}

/** Splits `argv` (without the program). No arguments ask for help. Throws `UsageError`. */
export function readArguments(argv: readonly string[]): Arguments {
  const [first, ...rest] = argv
  if (first === undefined || first === '--help' || first === '-h') return help(rest)
  if (first === '--version') return readFlags('version', rest)
  const command = readCommand(first)
  if (command === 'help') return help(rest)
  if (rest.includes('--help') || rest.includes('-h')) return help([command])
  return readFlags(command, rest)
}

function help(words: readonly string[]): Arguments {
  const [about, extra] = words.filter((word) => word !== '--help' && word !== '-h')
  if (extra !== undefined)
    throw new UsageError(`help explains one command, not ${quote(extra)} too`)
  const helpFor = about === undefined ? null : readCommand(about)
  return { command: 'help', helpFor, words: [], flags: new Map() }
}

function readCommand(word: string): Command {
  const command = COMMANDS.find((known) => known === word)
  if (command !== undefined) return command
  if (word.startsWith('-')) {
    throw new UsageError(`a command comes before ${quote(word)}, such as: rollcall serve`)
  }
  throw new UsageError(`unknown command ${quote(word)}${didYouMean(nearest(word, COMMANDS))}`)
}

function readFlags(command: Command, words: readonly string[]): Arguments {
  const flags = new Map<string, string>()
  const plain: string[] = []
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? ''
    if (!word.startsWith('-') && plain.length < WORDS_MAX[command]) {
      plain.push(word)
      continue
    }
    if (!word.startsWith('--')) throw new UsageError(unexpected(command, word))
    const equals = word.indexOf('=')
    const name = word.slice(2, equals < 0 ? undefined : equals)
    const spec = findFlag(name)
    if (spec === null || !spec.commands.includes(command)) {
      throw new UsageError(unknownFlag(command, name))
    }
    if (equals >= 0) {
      flags.set(name, word.slice(equals + 1))
    } else if (spec.value === null) {
      flags.set(name, 'true')
    } else {
      const value = words[++i]
      if (value === undefined || value.startsWith('--')) {
        throw new UsageError(`--${name} needs a value: --${name} ${spec.value}`)
      }
      flags.set(name, value)
    }
  }
  return { command, helpFor: null, words: plain, flags }
}

/** How many words beside flags a command takes. */
const WORDS_MAX: Record<Command, number> = {
  serve: 0,
  dev: 0,
  status: 0,
  member: 2,
  transfer: 1,
  recover: 0,
  version: 0,
  help: 0,
}

function unknownFlag(command: Command, name: string): string {
  const own = FLAG_NAMES.filter((known) => {
    const spec = findFlag(known)
    return spec !== null && spec.hidden !== true && spec.commands.includes(command)
  })
  const of = findFlag(name)?.commands.join(' and ')
  if (of !== undefined) return `--${name} belongs to ${of}, not to ${command}`
  const near = nearest(name, own)
  return `unknown flag ${quote(`--${name}`)}${didYouMean(near === null ? null : `--${near}`)}`
}

function unexpected(command: Command, word: string): string {
  if (!word.startsWith('-')) {
    const more = WORDS_MAX[command] > 0 ? 'no more words' : 'flags only'
    return `${command} takes ${more}, not ${quote(word)}`
  }
  return `unknown flag ${quote(word)}; flags are long words such as --id`
}

/** Completes a refusal: `; did you mean "serve"?`, or nothing. */
export function didYouMean(near: string | null): string {
  return near === null ? '' : `; did you mean ${quote(near)}?`
}

function quote(word: string): string {
  return JSON.stringify(word)
}
