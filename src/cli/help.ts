import { present } from '../lib/assert.ts'
import { COMMANDS, FLAG_NAMES, SUMMARIES, findFlag } from './flags.ts'
import type { Command, FlagName } from './flags.ts'
import { table } from './text.ts'
import type { Paint } from './text.ts'

const COLUMNS = 100

const INTRODUCTION = 'A service registry, configuration centre and lock service in one executable.'

const USAGE: Record<Command, string> = {
  serve: 'rollcall serve [--id NAME] [--listen HOST:PORT] [--data DIR] [--cluster ID=URL,…]',
  dev: 'rollcall dev [--nodes 3] [--listen HOST:PORT] [--data DIR]',
  status: 'rollcall status [--endpoint URL] [--output table|json]',
  member: 'rollcall member list | add NAME --url URL | remove NAME | promote NAME | withdraw NAME',
  transfer: 'rollcall transfer [NAME]',
  version: 'rollcall version [--output table|json]',
  help: 'rollcall help [COMMAND]',
}

const EXAMPLES: Partial<Record<Command, readonly string[]>> = {
  serve: [
    'rollcall serve',
    'rollcall serve --id n4 --listen 127.0.0.1:7404 --data n4 --join http://127.0.0.1:7401',
    'rollcall serve --id n5 --listen 127.0.0.1:7405 --data n5 --join http://127.0.0.1:7401 --witness',
    'rollcall serve --id n1 --listen 127.0.0.1:7401 --data n1 --cluster n1=http://127.0.0.1:7401,n2=http://127.0.0.1:7402,n3=http://127.0.0.1:7403',
  ],
  dev: ['rollcall dev --nodes 3', 'rollcall dev --data .data --log-level info'],
  status: ['rollcall status --endpoint http://127.0.0.1:7401'],
  member: [
    'rollcall member list',
    'rollcall member add n4 --url http://127.0.0.1:7404',
    'rollcall member add n5 --url http://127.0.0.1:7405 --role witness',
    'rollcall member remove n3 --endpoint http://127.0.0.1:7401',
  ],
  transfer: ['rollcall transfer n2'],
}

const ENDING = `Every flag has a variable (--wal-segment is ROLLCALL_WAL_SEGMENT) and a key in the JSON file of
--config ("wal-segment"). A flag wins over a variable, a variable over the file.

Exit codes: 0 done, 1 failed at run time, 2 wrong usage, 3 data directory damaged, of another
cluster, or in use.`

/** The help text of one command, or the overview. */
export function helpText(command: Command | null, paint: Paint): string {
  return `${(command === null ? overview(paint) : explain(command, paint)).trimEnd()}\n`
}

function overview(paint: Paint): string {
  const commands = COMMANDS.map((name) => [`  ${name}`, SUMMARIES[name]])
  return [
    INTRODUCTION,
    `${paint('bold', 'Usage')}\n  rollcall COMMAND [FLAGS]`,
    `${paint('bold', 'Commands')}\n${table(commands)}`,
    `${paint('bold', 'Try')}\n  rollcall dev`,
    ENDING,
  ].join('\n\n')
}

function explain(command: Command, paint: Paint): string {
  const flags = FLAG_NAMES.filter((name) => listed(name, command))
  const examples = EXAMPLES[command] ?? []
  return [
    `rollcall ${command}: ${SUMMARIES[command]}`,
    `${paint('bold', 'Usage')}\n  ${USAGE[command]}`,
    ...(flags.length > 0 ? [`${paint('bold', 'Flags')}\n${flagList(flags)}`] : []),
    ...(examples.length > 0 ? [`${paint('bold', 'Examples')}\n  ${examples.join('\n  ')}`] : []),
    ...(flags.length > 0 ? [ENDING] : []),
  ].join('\n\n')
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
  const all = flag.later !== undefined && name !== 'advertise' // One value of it alone is for later.
  return `${flag.about}${fallback}${all ? '; not in this release yet' : ''}`
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
