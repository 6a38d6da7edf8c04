/** What may stand next on a command line. */
import { pathIn } from '../usage/arguments.ts'
import type { Listed } from '../calls/near.ts'
import { findCommand, GROUPS, specOf, wordsAfter } from '../usage/commands.ts'
import type { Command, Operand } from '../usage/commands.ts'
import { FLAG_NAMES, findFlag } from '../usage/flags.ts'

/** Asks the cluster for the names of a kind that begin so. */
export type Names = (kind: Listed, prefix: string) => Promise<readonly string[]>

/** For the shell: it knows files and commands better than we do. */
const FILES = ':files'
const COMMANDS_OF_PATH = ':commands'
/** What follows is glued to what was offered: no space behind it. */
const NO_SPACE = ':nospace'

/** Ends the flags of `lock`. */
const RUN = '--\tthen the command to run'

/**
 * Lines for a script of `scripts.ts`: candidates that begin like the last of `words`, each with a
 * tab and its description where it has one, then directives, which begin with a colon.
 */
export async function candidates(
  words: readonly string[],
  names: Names,
): Promise<readonly string[]> {
  const { before, current } = split(words)
  if (before[0] === 'help') return nextWords(pathIn(before.slice(1)), current)
  const path = pathIn(before)
  const command = commandOf(path, before)
  if (before.includes('--')) return command === 'lock' ? [COMMANDS_OF_PATH, FILES] : []
  const flag =
    before.at(-1)?.startsWith('--') === true ? findFlag(before.at(-1)?.slice(2) ?? '') : null
  if (flag !== null && flag.value !== null) return valuesOf(flag.value, current)
  if (current.startsWith('-')) return command === null ? [] : flagsOf(command, { before, current })
  const fitting = plainBefore(path, before).length === 0 ? nextWords(path, current) : []
  if (command === null) return fitting
  return [...fitting, ...(await operandsOf(command, { before, current, path }, names))]
}

/** The words that lead on from `path`, with what they are about. */
function nextWords(path: string, current: string): readonly string[] {
  const lines = wordsAfter(path).map((word) => {
    return describe(path === '' ? word : `${path} ${word}`, word)
  })
  return lines.filter((line) => line.startsWith(current))
}

/** bash takes `--flag=value` for three words. */
function split(words: readonly string[]): {
  readonly before: readonly string[]
  readonly current: string
} {
  const current = words.at(-1) ?? ''
  const before = words.slice(0, -1).filter((word) => word !== '=')
  return { before, current: current === '=' ? '' : current }
}

function commandOf(path: string, before: readonly string[]): Command | null {
  const [first] = plainBefore(path, before)
  // `lock NAME`: the action never came, so it is the command itself.
  return first === undefined && Object.hasOwn(GROUPS, path) && path !== 'lock'
    ? null
    : findCommand(path)
}

/** The words behind the path that are neither flags nor their values. */
function plainBefore(path: string, before: readonly string[]): readonly string[] {
  const plain: string[] = []
  const words = before.slice(path === '' ? 0 : path.split(' ').length)
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? ''
    if (!word.startsWith('--')) plain.push(word)
    else if (!word.includes('=') && findFlag(word.slice(2))?.value != null) i += 1
  }
  return plain
}

function describe(path: string, word: string): string {
  const command = findCommand(path)
  const summary = GROUPS[path] ?? (command === null ? '' : specOf(command).summary)
  return summary === '' ? word : `${word}\t${summary}`
}

/** `table|json` are words to choose from; `FILE` is the shell's to complete. */
function valuesOf(value: string, current: string): readonly string[] {
  if (/^(FILE|DIR)/.test(value)) return [FILES]
  if (!/^[a-z0-9.-]+(\|[a-z0-9.-]+)+$/.test(value)) return []
  return value.split('|').filter((word) => word.startsWith(current))
}

function flagsOf(
  command: Command,
  { before, current }: { readonly before: readonly string[]; readonly current: string },
): readonly string[] {
  const own = FLAG_NAMES.filter((name) => {
    const flag = findFlag(name)
    return flag?.commands.includes(command) === true && flag.hidden !== true
  })
  const lines = own.flatMap((name) => {
    const isGiven = before.some((word) => word === `--${name}` || word.startsWith(`--${name}=`))
    return isGiven && !findFlag(name)?.about.includes('repeated')
      ? []
      : [`--${name}\t${findFlag(name)?.about ?? ''}`]
  })
  const ending = specOf(command).rest === undefined ? [] : [RUN]
  return [...lines, ...ending].filter((line) => line.startsWith(current))
}

async function operandsOf(
  command: Command,
  at: { readonly before: readonly string[]; readonly current: string; readonly path: string },
  names: Names,
): Promise<readonly string[]> {
  const { operands = [] } = specOf(command)
  const place = plainBefore(at.path, at.before).length
  const last = operands.at(-1)
  const operand = operands[place] ?? (last?.many === true ? last : undefined)
  if (operand !== undefined) return operandLines(operand, at.current, names)
  return specOf(command).rest === undefined
    ? []
    : [RUN].filter((line) => line.startsWith(at.current))
}

async function operandLines(
  { words, offer }: Operand,
  current: string,
  names: Names,
): Promise<readonly string[]> {
  if (words !== undefined) return words.filter((word) => word.startsWith(current))
  if (offer === undefined) return []
  if (offer === 'file') return [FILES]
  if (offer === 'topic') return topics(current, names)
  if (offer === 'service' || offer === 'lock') return names(offer, current)
  return nextSegments(await names('key', current), current)
}

/** `services/web`, `config/app/`: the kind of a topic first, then names of that kind. */
async function topics(current: string, names: Names): Promise<readonly string[]> {
  const slash = current.indexOf('/')
  const kind = TOPICS.find(({ topic }) => topic === current.slice(0, slash + 1))
  if (kind === undefined) {
    const firsts = ['services', 'members', ...TOPICS.map(({ topic }) => topic)]
    const fitting = firsts.filter((topic) => topic.startsWith(current))
    return fitting.some((topic) => topic.endsWith('/')) ? [...fitting, NO_SPACE] : fitting
  }
  const prefix = current.slice(slash + 1)
  const found = await names(kind.names, prefix)
  const lines = kind.names === 'key' ? nextSegments(found, prefix) : found
  return lines.map((line) => (line === NO_SPACE ? line : `${kind.topic}${line}`))
}

const TOPICS = [
  { topic: 'services/', names: 'service' },
  { topic: 'config/', names: 'key' },
  { topic: 'locks/', names: 'lock' },
] as const

/** Keys as a shell shows paths: up to the next slash, each once. */
function nextSegments(keys: readonly string[], current: string): readonly string[] {
  const cut = keys.map((key) => {
    const slash = key.indexOf('/', current.length)
    return slash < 0 ? key : key.slice(0, slash + 1)
  })
  const lines = [...new Set(cut)]
  return lines.some((line) => line.endsWith('/')) ? [...lines, NO_SPACE] : lines
}
