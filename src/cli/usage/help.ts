import { present } from '../../lib/assert.ts'
import { COMMANDS, findCommand, GROUPS, specOf, usageOf, wordsAfter } from './commands.ts'
import type { Command } from './commands.ts'
import { FLAG_NAMES, findFlag } from './flags.ts'
import type { FlagName } from './flags.ts'
import type { Paint } from '../text.ts'

/** Lines are no longer than this, however wide the terminal is; and never narrower than that. */
const COLUMNS_MAX = 100
const COLUMNS_MIN = 60
/** What is said of a flag or a command stands below it where less than this is left beside it. */
const BESIDE_MIN = 40
const BELOW = 6

const INTRODUCTION = 'A service registry, configuration centre and lock service in one executable.'

const ENDING = [
  'Every flag has a variable (--wal-segment is ROLLCALL_WAL_SEGMENT) and a key in the JSON file of --config ("wal-segment"). A flag wins over a variable, a variable over the file. Flags that say what one call is to do have neither.',
  'Exit codes: 0 done, 1 failed at run time, 2 wrong usage, 3 data directory damaged, of another cluster, or in use.',
]

/** How a page looks: its colours, and how many columns it has. */
interface Page {
  readonly paint: Paint
  readonly columns: number
}

/** The help text of one command or group, or the overview; `width` null: as wide as it may be. */
export function helpText(path: string | null, paint: Paint, width: number | null = null): string {
  const columns = Math.max(COLUMNS_MIN, Math.min(width ?? COLUMNS_MAX, COLUMNS_MAX))
  const page = { paint, columns }
  return `${(path === null ? overview(page) : explain(path, page)).trimEnd()}\n`
}

function overview(page: Page): string {
  const { paint } = page
  const commands = wordsAfter('').map((word) => [`  ${word}`, summaryOf(word)] as const)
  return [
    INTRODUCTION,
    `${paint('bold', 'Usage')}\n  rollcall COMMAND [FLAGS]`,
    `${paint('bold', 'Commands')}\n${beside(commands, page)}`,
    `${paint('bold', 'Try')}\n  rollcall dev\n  rollcall help config`,
    ...ENDING.map((text) => wrap(text, page.columns, 0)),
  ].join('\n\n')
}

function explain(path: string, page: Page): string {
  const command = findCommand(path)
  if (command === null) return explainGroup(path, page)
  const own = explainCommand(command, page)
  const actions = Object.hasOwn(GROUPS, path) ? [actionsOf(path, page)] : []
  return [
    ...own,
    ...actions,
    ...(flagsOf(command).length > 0 ? ENDING.map((text) => wrap(text, page.columns, 0)) : []),
  ].join('\n\n')
}

/** A group's commands, down to those of groups within it. */
function explainGroup(path: string, page: Page): string {
  return [
    wrap(`rollcall ${path}: ${summaryOf(path)}`, page.columns - 2, 2),
    actionsOf(path, page),
    `rollcall help ${path} ${wordsAfter(path)[0] ?? ''} says more of one of them.`,
  ].join('\n\n')
}

function actionsOf(path: string, page: Page): string {
  const within = COMMANDS.filter((name) => name.startsWith(`${path} `))
  const rows = within.map((name) => [`  ${usageOf(name)}`, specOf(name).summary] as const)
  return `${page.paint('bold', 'Commands')}\n${beside(rows, page)}`
}

/** Words on the left; what they are about beside them, wrapped, or below them on a narrow page. */
function beside(rows: readonly (readonly [string, string])[], { columns }: Page): string {
  const width = Math.max(...rows.map(([head]) => head.length)) + 2
  const lines = rows.map(([head, about]) => {
    if (columns - width >= BESIDE_MIN)
      return `${head.padEnd(width)}${wrap(about, columns - width, width)}`
    return `${head}\n${' '.repeat(BELOW)}${wrap(about, columns - BELOW, BELOW)}`
  })
  return lines.join('\n')
}

function summaryOf(path: string): string {
  const command = findCommand(path)
  return GROUPS[path] ?? (command === null ? '' : specOf(command).summary)
}

function explainCommand(command: Command, page: Page): readonly string[] {
  const { summary, notes = [], examples = [] } = specOf(command)
  const { paint, columns } = page
  const flags = flagsOf(command).map((name) => [flagHead(name), about(name)] as const)
  return [
    wrap(`rollcall ${command}: ${summary}`, columns - 2, 2),
    `${paint('bold', 'Usage')}\n  ${usageOf(command)}`,
    ...(flags.length > 0 ? [`${paint('bold', 'Flags')}\n${beside(flags, page)}`] : []),
    ...notes.map((note) =>
      note
        .split('\n')
        .map((line) => wrap(line, columns - 2, 2))
        .join('\n'),
    ),
    ...(examples.length > 0 ? [`${paint('bold', 'Examples')}\n  ${examples.join('\n  ')}`] : []),
  ]
}

function flagsOf(command: Command): readonly FlagName[] {
  return FLAG_NAMES.filter((name) => listed(name, command))
}

function listed(name: FlagName, command: Command): boolean {
  const flag = present(findFlag(name), 'a listed flag exists')
  return flag.hidden !== true && flag.commands.includes(command)
}

function flagHead(name: FlagName): string {
  const { value } = present(findFlag(name), 'a listed flag exists')
  return `  --${name}${value === null ? '' : ` ${value}`}`
}

function about(name: FlagName): string {
  const flag = present(findFlag(name), 'a listed flag exists')
  const fallback = flag.fallback === null ? '' : ` (default ${flag.fallback})`
  return `${flag.about}${fallback}${flag.later === undefined ? '' : '; not in this release yet'}`
}

/** Breaks `text` between words at `columns`; lines after the first are indented. */
function wrap(text: string, columns: number, indent: number): string {
  const lines = ['']
  for (const word of text.split(' ')) {
    const last = lines.at(-1) ?? ''
    if (last === '') lines[lines.length - 1] = word
    else if (last.length + 1 + word.length <= columns) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines.join(`\n${' '.repeat(indent)}`)
}
