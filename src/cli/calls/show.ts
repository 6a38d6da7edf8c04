/** Answers as people or programs want them: a table, or JSON. */
import { fitted, shown, table } from '../text.ts'
import type { Call } from './api.ts'

export interface Rows {
  readonly head: readonly string[]
  /** Not yet fit for a terminal: `shown` is applied to each cell. */
  readonly rows: readonly (readonly unknown[])[]
  /** What is said, on standard error, where there are none. */
  readonly none: string
}

/** Writes JSON where `--output json` asks for it, else what `text` makes. */
export async function show(
  { context, settings }: Pick<Call, 'context' | 'settings'>,
  json: unknown,
  text: () => string,
): Promise<void> {
  const isJson = settings.value('output') === 'json'
  const said = isJson ? JSON.stringify(json, null, 2) : text()
  if (said !== '') await context.terminal.out(`${said}\n`)
}

/** A list: aligned columns below a head. */
export async function showRows(
  call: Pick<Call, 'context' | 'settings'>,
  json: unknown,
  { head, rows, none }: Rows,
): Promise<void> {
  const { terminal } = call.context
  await show(call, json, () => {
    if (rows.length === 0) terminal.err(`${none}\n`)
    return rows.length === 0 ? '' : tableText(call, { head, rows })
  })
}

/** The head in bold; on a terminal no line is longer than the terminal is wide. */
function tableText(
  { context: { terminal } }: Pick<Call, 'context'>,
  { head, rows }: Pick<Rows, 'head' | 'rows'>,
): string {
  const cells = [head, ...rows.map((row) => row.map(shown))]
  const [first = '', ...lines] = table(fitted(cells, terminal.columns)).split('\n')
  return [terminal.outPaint('bold', first), ...lines].join('\n')
}

/** One thing: names on the left, what they are on the right. Empty ones are left out. */
export function fieldsText(
  { context: { terminal } }: Pick<Call, 'context'>,
  fields: readonly (readonly [string, unknown])[],
): string {
  const some = fields.filter(([, value]) => value !== undefined && value !== null && value !== '')
  const width = Math.max(0, ...some.map(([name]) => name.length))
  return some
    .map(([name, value]) => `${terminal.outPaint('dim', name.padEnd(width))}  ${shown(value)}`)
    .join('\n')
}

/** `2026-11-23 19:30:01Z`: to the second; what is no time stays as it is. */
export function shortTime(value: unknown): unknown {
  if (typeof value !== 'string') return value
  const parts = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z$/.exec(value)
  return parts === null ? value : `${parts[1]} ${parts[2]}Z`
}

/** `zone=eu,version=2`, or a list with commas between. */
export function pairsText(value: unknown): string {
  if (Array.isArray(value)) return value.map(String).join(',')
  if (typeof value !== 'object' || value === null) return ''
  return Object.entries(value)
    .map(([name, one]) => `${name}=${String(one)}`)
    .join(',')
}

/** `1.5 KiB`, as short as it can be told. */
export function sizeText(value: unknown): string {
  if (typeof value !== 'number') return shown(value)
  if (value < 1_024) return `${value} B`
  const units = ['KiB', 'MiB', 'GiB']
  const power = Math.min(Math.floor(Math.log2(value) / 10), units.length)
  const size = value / 1_024 ** power
  return `${size >= 10 ? Math.round(size) : size.toFixed(1)} ${units[power - 1]}`
}
