/** The tables: what the rounds of each row come to, beside what is to be reached. */
import type { Compared } from './compare.ts'
import { percentile } from './figure.ts'
import { rateOf, type Load, type Measured } from './load.ts'

/** What `--json` prints of a row, and the tables show. */
export interface Summary {
  readonly what: string
  readonly against: string | null
  readonly inFlight: number
  readonly ours: Side
  readonly etcd: Side | null
  /** Of the medians; and the least and the most of any round. */
  readonly ratio: { readonly median: number; readonly least: number; readonly most: number } | null
  /** What is to be reached, in words. */
  readonly goal: string
  readonly reached: Reached | null
  readonly how: readonly string[]
  readonly faults: readonly string[]
}

export type Reached = 'yes' | 'at least' | 'no'

/** Medians over the rounds, and the rate of each. */
export interface Side {
  readonly rate: number
  readonly rates: readonly number[]
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  readonly cpuSecondsPer1000: number
  readonly residentMiB: number
}

const HALF_MS = 0.5

export function summaryOf(compared: Compared, { syncMs }: { readonly syncMs: number }): Summary {
  const { row, how } = compared
  const ours = sideOf(compared.ours, row.each)
  const etcd = compared.etcd.length === 0 ? null : sideOf(compared.etcd, row.each)
  const ratio = etcd === null ? null : ratioOf(ours, etcd)
  const limitMs = row.goal?.syncs === undefined ? null : row.goal.syncs * syncMs + HALF_MS
  const { what, against, inFlight } = row
  const reached = reachedBy(compared, { ours, ratio: ratio?.median ?? null, limitMs })
  const faults = [...faultsOf('ours', compared.ours), ...faultsOf('etcd', compared.etcd)]
  const goal = goalOf(compared, limitMs)
  return { what, against, inFlight, ours, etcd, ratio, goal, reached, how, faults }
}

function sideOf(rounds: readonly Measured[], each = 1): Side {
  const median = (of: (load: Measured) => number) => percentile(rounds.map(of), 50)
  return {
    rate: median((load) => rateOf(load, each)),
    rates: rounds.map((load) => rateOf(load, each)),
    p50Ms: median(({ p50Ms }) => p50Ms),
    p99Ms: median(({ p99Ms }) => p99Ms),
    p999Ms: median(({ p999Ms }) => p999Ms),
    cpuSecondsPer1000: median(({ cpuSeconds, count }) => (cpuSeconds / count / each) * 1_000),
    residentMiB: median(({ residentMiB }) => residentMiB),
  }
}

function ratioOf(ours: Side, etcd: Side): NonNullable<Summary['ratio']> {
  const rounds = ours.rates.map((rate, i) => rate / (etcd.rates[i] ?? Number.NaN))
  return {
    median: ours.rate / etcd.rate,
    least: Math.min(...rounds),
    most: Math.max(...rounds),
  }
}

function goalOf({ row: { goal, floor } }: Compared, limitMs: number | null): string {
  if (floor !== undefined) return `≥ ${whole(floor)}/s`
  if (goal === null) return ''
  const least = goal.least === undefined ? '' : ` (least ${goal.least})`
  const limit = limitMs === null ? '' : `, p50 ≤ ${limitMs.toFixed(2)} ms`
  return `≥ ${goal.ratio} ×${least}${limit}`
}

interface Against {
  readonly ours: Side
  readonly ratio: number | null
  readonly limitMs: number | null
}

/** Null where there was nothing to be compared with. */
function reachedBy({ row }: Compared, { ours, ratio, limitMs }: Against): Reached | null {
  if (row.floor !== undefined) return ours.rate >= row.floor ? 'yes' : 'no'
  if (row.goal === null || ratio === null) return null
  const { ratio: wanted, least = wanted } = row.goal
  if (limitMs !== null && ours.p50Ms > limitMs) return 'no'
  if (ratio >= wanted) return 'yes'
  return ratio >= least ? 'at least' : 'no'
}

function faultsOf(whose: string, rounds: readonly Load[]): string[] {
  return rounds.flatMap(({ faults }, i) =>
    faults.map((fault) => `${whose}, round ${i + 1}: ${fault}`),
  )
}

/** How many a second, and the ratio. */
export function ratesTable(rows: readonly Summary[]): string {
  const head = ['work', 'in flight', 'ours', 'etcd', 'ours / etcd', 'goal', 'reached']
  const lines = rows.map((row) => [
    row.against === null ? row.what : `${row.what} : ${row.against}`,
    `${row.inFlight}`,
    `${whole(row.ours.rate)}/s`,
    row.etcd === null ? '–' : `${whole(row.etcd.rate)}/s`,
    row.ratio === null ? '–' : ratioText(row.ratio),
    row.goal,
    row.faults.length > 0 ? 'void' : (row.reached ?? '–'),
  ])
  return table([head, ...lines])
}

/** What each answer took, and what it cost the servers; ours / etcd's. */
export function costsTable(rows: readonly Summary[]): string {
  const head = ['work', 'in flight', 'p50 ms', 'p99 ms', 'p99.9 ms', 'CPU s/1,000', 'RSS MiB']
  const lines = rows.map(({ what, inFlight, ours, etcd }) => [
    what,
    `${inFlight}`,
    ...(['p50Ms', 'p99Ms', 'p999Ms'] as const).map((of) => pair(ours[of], etcd?.[of], 2)),
    pair(ours.cpuSecondsPer1000, etcd?.cpuSecondsPer1000, 3),
    pair(ours.residentMiB, etcd?.residentMiB, 0),
  ])
  return table([head, ...lines])
}

function ratioText({ median, least, most }: NonNullable<Summary['ratio']>): string {
  const range = least === most ? '' : ` (${least.toFixed(1)}–${most.toFixed(1)})`
  return `${median.toFixed(2)} ×${range}`
}

function pair(ours: number, etcd: number | undefined, digits: number): string {
  return etcd === undefined
    ? ours.toFixed(digits)
    : `${ours.toFixed(digits)} / ${etcd.toFixed(digits)}`
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

/** In Markdown, its columns as wide as what stands in them: the first to the left. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) =>
    Math.max(...rows.map((row) => (row[i] ?? '').length)),
  )
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, i) => pad(cells[i] ?? '', width, i)).join(' | ')} |`
  const rule = `| ${widths.map((width, i) => '-'.repeat(i === 0 ? width : width - 1) + (i === 0 ? '' : ':')).join(' | ')} |`
  return [line(rows[0] ?? []), rule, ...rows.slice(1).map(line)].join('\n')
}

function pad(text: string, width: number, column: number): string {
  return column === 0 ? text.padEnd(width) : text.padStart(width)
}
