import { present } from '../lib/assert.ts'
import { COMMANDS, findCommand, GROUPS, specOf, usageOf, wordsAfter } from './commands.ts'
import type { Command } from './commands.ts'
import { FLAG_NAMES, findFlag } from './flags.ts'
import type { FlagName } from './flags.ts'
import { table } from './text.ts'
import type { Paint } from './text.ts'

const COLUMNS = 100

const INTRODUCTION = 'A service registry, configuration centre and lock service in one executable.'

const ENDING = `Every flag has a variable (--wal-segment is ROLLCALL_WAL_SEGMENT) and a key in the JSON file of
--config ("wal-segment"). A flag wins over a variable, a variable over the file. Flags that say what
one call is to do have neither.

Exit codes: 0 done, 1 failed at run time, 2 wrong usage, 3 data directory damaged, of another
cluster, or in use.`

/** The help text of one command or group, or the overview. */
export function helpText(path: string | null, paint: Paint): string {
  return `${(path === null ? overview(paint) : explain(path, paint)).trimEnd()}\n`
}

function overview(paint: Paint): string {
  const commands = wordsAfter('').map((word) => [`  ${word}`, summaryOf(word)])
  return [
    INTRODUCTION,
    `${paint('bold', 'Usage')}\n  rollcall COMMAND [FLAGS]`,
    `${paint('bold', 'Commands')}\n${table(commands)}`,
    `${paint('bold', 'Try')}\n  rollcall dev\n  rollcall help config`,
    ENDING,
  ].join('\n\n')
}

function explain(path: string, paint: Paint): string {
  const command = findCommand(path)
  if (command === null) return explainGroup(path, paint)
  const own = explainCommand(command, paint)
  const actions = Object.hasOwn(GROUPS, path) ? [actionsOf(path, paint)] : []
  return [...own, ...actions, ...(flagsOf(command).length > 0 ? [ENDING] : [])].join('\n\n')
}

/** A group's commands, down to those of groups within it. */
function explainGroup(path: string, paint: Paint): string {
  return [
    `rollcall ${path}: ${summaryOf(path)}`,
    actionsOf(path, paint),
    `rollcall help ${path} ${wordsAfter(path)[0] ?? ''} says more of one of them.`,
  ].join('\n\n')
}

function actionsOf(path: string, paint: Paint): string {
  const within = COMMANDS.filter((name) => name.startsWith(`${path} `))
  const rows = within.map((name) => [`  ${usageOf(name)}`, specOf(name).summary])
  const width = Math.max(...rows.map(([usage = '']) => usage.length)) + 2
  const lines = rows.map(([usage = '', summary = '']) => {
    return `${usage.padEnd(width)}${wrap(summary, COLUMNS - width, width)}`
  })
  return `${paint('bold', 'Commands')}\n${lines.join('\n')}`
}

function summaryOf(path: string): string {
  const command = findCommand(path)
  return GROUPS[path] ?? (command === null ? '' : specOf(command).summary)
}

function explainCommand(command: Command, paint: Paint): readonly string[] {
  const { summary, notes = [], examples = [] } = specOf(command)
  const flags = flagsOf(command)
  return [
    wrap(`rollcall ${command}: ${summary}`, COLUMNS, 2),
    `${paint('bold', 'Usage')}\n  ${usageOf(command)}`,
    ...(flags.length > 0 ? [`${paint('bold', 'Flags')}\n${flagList(flags)}`] : []),
    ...notes,
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

/** Flags on the left; what they are about beside them, wrapped. */
function flagList(names: readonly FlagName[]): string {
  const heads = names.map(flagHead)
  const width = Math.max(...heads.map((head) => head.length)) + 2
  const lines = names.map((name, i) => {
    return `${(heads[i] ?? '').padEnd(width)}${wrap(about(name), COLUMNS - width, width)}`
  })
  return lines.join('\n')
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
