import { nearest } from '../../lib/nearest.ts'
import { findCommand, GROUPS, specOf, usageOf, wordsAfter } from './commands.ts'
import type { Command, Operand } from './commands.ts'
import { BadValue, UsageError } from '../errors.ts'
import { FLAG_NAMES, findFlag } from './flags.ts'

/** A command line taken apart: flags are known by name, and not read yet. */
export interface Arguments {
  readonly command: Command
  /** What `help` was asked about, a command or a group; null: the overview, or no help. */
  readonly helpFor: string | null
  /** What stands beside the flags, each judged by its operand: `list`, `app/motd`. */
  readonly words: readonly string[]
  /** What stands behind `--`, such as the command that is run under a lock. */
  readonly rest: readonly string[]
  /** As written, in their order; a switch without a value is `true`. */
  readonly flags: ReadonlyMap<string, readonly string[]>
}

/** A command found at the start of a command line, and what follows it. */
interface Found {
  readonly command: Command
  readonly words: readonly string[]
}

/** Splits `argv` (without the program). No arguments ask for help. Throws `UsageError`. */
export function readArguments(argv: readonly string[]): Arguments {
  const [first, ...rest] = argv
  if (first === undefined || first === '--help' || first === '-h') return help(rest)
  if (first === '--version') return readWords({ command: 'version', words: rest })
  if (first === 'help') return help(rest)
  if (beforeRest(argv).some(isHelp)) return help(pathIn(argv).split(' '))
  return readWords(findIn(argv))
}

/** The longest command or group that `argv` begins with; '' for none. */
export function pathIn(argv: readonly string[]): string {
  let path = ''
  for (const word of argv) {
    // `lock list -- CMD` runs CMD under the lock "list".
    if (path === 'lock' && argv.includes('--')) break
    const longer = path === '' ? word : `${path} ${word}`
    if (!isGroup(longer) && findCommand(longer) === null) break
    path = longer
  }
  return path
}

function findIn(argv: readonly string[]): Found {
  const path = pathIn(argv)
  const words = argv.slice(path === '' ? 0 : path.split(' ').length)
  const command = findCommand(path)
  // A group that is a command too, `lock`, runs what stands behind `--`; else an action follows.
  if (command !== null && (!isGroup(path) || words.includes('--'))) return { command, words }
  throw new UsageError(path === '' ? noCommand(words[0] ?? '') : noAction(path, words[0]))
}

function noCommand(word: string): string {
  if (word.startsWith('-')) {
    return `a command comes before ${quote(word)}, such as: rollcall serve`
  }
  return `unknown command ${quote(word)}${didYouMean(nearest(word, wordsAfter('')))}`
}

function noAction(path: string, word: string | undefined): string {
  const actions = wordsAfter(path)
  const choice = actions.join(', ')
  const run = findCommand(path) === null ? '' : `; or ${usageOf(path as Command)}`
  if (word === undefined || word.startsWith('-')) return `${path} needs an action: ${choice}${run}`
  return `${path} cannot ${quote(word)}: ${choice}${run}${didYouMean(nearest(word, actions))}`
}

function isGroup(path: string): boolean {
  return Object.hasOwn(GROUPS, path)
}

function isHelp(word: string): boolean {
  return word === '--help' || word === '-h'
}

/** Without what is another command's. */
function beforeRest(argv: readonly string[]): readonly string[] {
  const at = argv.indexOf('--')
  return at < 0 ? argv : argv.slice(0, at)
}

function help(words: readonly string[]): Arguments {
  const about = words.filter((word) => !isHelp(word) && word !== '')
  const path = pathIn(about)
  const [extra] = about.slice(path === '' ? 0 : path.split(' ').length)
  if (extra !== undefined) {
    if (path === '') throw new UsageError(noCommand(extra))
    if (isGroup(path)) throw new UsageError(noAction(path, extra))
    throw new UsageError(`help explains one command, not ${quote(extra)} too`)
  }
  const helpFor = path === '' ? null : path
  return { command: 'help', helpFor, words: [], rest: [], flags: new Map() }
}

function readWords({ command, words }: Found): Arguments {
  const { operands = [], rest: takesRest } = specOf(command)
  const own = beforeRest(words)
  const behind = words.slice(own.length + 1)
  const { flags, plain } = readFlags(command, own)
  // Without a command to run, `--` says that what follows are no flags, whatever they begin with.
  if (takesRest === undefined) plain.push(...behind)
  else if (behind.length === 0 && specOf(command).hidden !== true) {
    throw new UsageError(`${command} needs a ${takesRest} behind "--": ${usageOf(command)}`)
  }
  const rest = takesRest === undefined ? [] : behind
  return { command, helpFor: null, words: judged(command, operands, plain), rest, flags }
}

function readFlags(
  command: Command,
  words: readonly string[],
): { readonly flags: Map<string, string[]>; readonly plain: string[] } {
  const flags = new Map<string, string[]>()
  const plain: string[] = []
  const add = (name: string, text: string) => flags.set(name, [...(flags.get(name) ?? []), text])
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? ''
    if (!word.startsWith('-') || word === '-') {
      plain.push(word)
      continue
    }
    if (!word.startsWith('--')) {
      throw new UsageError(`unknown flag ${quote(word)}; flags are long words such as --id`)
    }
    const equals = word.indexOf('=')
    const name = word.slice(2, equals < 0 ? undefined : equals)
    const spec = findFlag(name)
    if (spec === null || !spec.commands.includes(command)) {
      throw new UsageError(unknownFlag(command, name))
    }
    if (equals >= 0) {
      add(name, word.slice(equals + 1))
    } else if (spec.value === null) {
      add(name, 'true')
    } else {
      const value = words[++i]
      if (value === undefined || value.startsWith('--')) {
        throw new UsageError(`--${name} needs a value: --${name} ${spec.value}`)
      }
      add(name, value)
    }
  }
  return { flags, plain }
}

/** The words as their operands read them. */
function judged(
  command: Command,
  operands: readonly Operand[],
  words: readonly string[],
): readonly string[] {
  const many = operands.at(-1)?.many === true
  if (words.length > operands.length && !many) {
    const takes = operands.length > 0 ? 'no more words' : 'flags only'
    throw new UsageError(`${command} takes ${takes}, not ${quote(words[operands.length] ?? '')}`)
  }
  const missing = operands.find((operand, i) => operand.optional !== true && i >= words.length)
  if (missing !== undefined) {
    const article = /^[AEIOU]/.test(missing.name) ? 'an' : 'a'
    const one = `${article} ${missing.name}, such as ${missing.such}`
    throw new UsageError(`${command} needs ${missing.words?.join(' or ') ?? one}`)
  }
  return words.map((word, i) => {
    const operand = operands[Math.min(i, operands.length - 1)]
    return operand === undefined ? word : judge(command, operand, word)
  })
}

function judge(command: Command, { name, words, read }: Operand, text: string): string {
  if (words !== undefined && !words.includes(text)) {
    const near = didYouMean(nearest(text, words))
    throw new UsageError(`${command} cannot ${quote(text)}: ${words.join(', ')}${near}`)
  }
  try {
    return read === undefined ? text : read(text)
  } catch (error) {
    if (!(error instanceof BadValue)) throw error
    throw new UsageError(`${command}: ${name} ${error.message}`)
  }
}

function unknownFlag(command: Command, name: string): string {
  const own = FLAG_NAMES.filter((known) => {
    const spec = findFlag(known)
    return spec !== null && spec.hidden !== true && spec.commands.includes(command)
  })
  const near = nearest(name, own)
  const of = findFlag(name)?.commands.filter((other) => specOf(other).hidden !== true)
  if (of !== undefined && near === null) {
    const some = of.slice(0, OWNERS_MAX).join(' and ')
    return `--${name} belongs to ${some}${of.length > OWNERS_MAX ? ' and others' : ''}, not to ${command}`
  }
  return `unknown flag ${quote(`--${name}`)}${didYouMean(near === null ? null : `--${near}`)}`
}

/** Commands that are named as the owners of a flag: a line has a bound. */
const OWNERS_MAX = 3

/** Completes a refusal: `; did you mean "serve"?`, or nothing. */
export function didYouMean(near: string | null): string {
  return near === null ? '' : `; did you mean ${quote(near)}?`
}

function quote(word: string): string {
  return JSON.stringify(word)
}
