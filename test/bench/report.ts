/** What is printed. */
import type { Figure, Grid } from './figure.ts'
import { costsTable, ratesTable, table, type Summary } from './table.ts'

const NOTES = `\
Medians of the rounds; in parentheses the least and the most of any one.
A fresh cluster first answers 20,000 requests unmeasured, each load 2 s of its own.
Values are 200 bytes. Ours go over 1,000 names; h2load sends one body, so etcd writes and reads the
same key each time, which favours etcd. Its connections and streams are those that etcd did best
with in the warm-up. wrk adds to its latencies those of the requests that a late answer kept it from
sending, h2load does not, which favours etcd too. The keep-alive goes to etcd's JSON gateway: h2load
cannot drive its gRPC stream.`

/** Of the rows that were compared: two tables, and what one must know of them. */
export function report(summaries: readonly Summary[]): string {
  const faults = summaries.flatMap((summary) =>
    summary.faults.map((fault) => `  ${nameOf(summary)}: ${fault}`),
  )
  const loads = summaries.map((summary) => `  ${nameOf(summary)}: ${summary.how.join('; ')}`)
  const parts = [
    ratesTable(summaries),
    `Ours / etcd; what an answer took, CPU of all three nodes, RSS of the largest:`,
    costsTable(summaries),
    NOTES,
    `How the requests were kept in flight:\n${loads.join('\n')}`,
    ...(faults.length === 0 ? [] : [`VOID, for not all was answered:\n${faults.join('\n')}`]),
  ]
  return `\n${parts.join('\n\n')}\n`
}

function nameOf({ what, inFlight }: Summary): string {
  return `${what}, ${inFlight} in flight`
}

/** Of a scenario that ran alone. */
export function textOf(found: Figure[] | Grid): string {
  if (Array.isArray(found)) return found.map(lineOf).join('\n')
  return `\n${found.title}\n\n${table([found.head, ...found.rows])}\n`
}

const WIDTH = 78

function lineOf({ what, value, unit, goal }: Figure): string {
  const reach = goal === undefined ? '' : ` (goal ${goal})`
  return `${what.padEnd(WIDTH)} ${value.padStart(12)} ${unit}${reach}`
}
