/**
 * The figures of the README: `npm run bench`, and `npm run bench -- --help` for what can be asked.
 *
 * Absolute figures drift on shared machines, so what has a peer is measured against etcd in the same
 * run, on the same disk, three nodes each, a majority synced before an answer. `wrk` loads ours,
 * `h2load` loads etcd over gRPC, from one process each with the same number of requests in flight.
 * Nothing is installed: what the machine lacks is named. Nothing passes or fails by its speed; the
 * exit code is 1 where a load was not answered as it must be, for then its figures mean nothing.
 */
import process from 'node:process'
import { compare } from './compare.ts'
import { withOurs } from './clusters.ts'
import { fdatasyncMs } from './disk.ts'
import { endOnSignals } from './ending.ts'
import type { Figure, Grid, Scenario, Series } from './figure.ts'
import { machineOf, type Machine } from './machine.ts'
import { parseOptions, usage, type Options } from './options.ts'
import { CATALOGUE, COMPARED, ALONE } from './scenarios.ts'
import { report, textOf } from './report.ts'
import { summaryOf, type Summary } from './table.ts'
import { MissingTool } from './tool.ts'

const parsed = parseOptions(process.argv.slice(2), CATALOGUE)
if (parsed.type === 'usage') {
  const { error } = parsed
  const text = usage(CATALOGUE)
  if (error === null) console.log(text)
  else console.error(`${error}\n\n${text}`)
  process.exit(error === null ? 0 : 2)
}
endOnSignals()
process.exitCode = await main(parsed.options)

async function main(options: Options): Promise<number> {
  const machine = await machineOf()
  const say = options.json ? () => {} : (text: string) => console.log(text)
  for (const line of machine.lacks) console.error(line)

  const failures: string[] = []
  const rows = await compared(options, { machine, failures })
  if (rows.length > 0) say(report(rows))
  const figures: Figure[] = []
  const grids: Grid[] = []
  for (const name of options.scenarios) {
    const scenario = ALONE.get(name)
    if (scenario === undefined) continue
    const found = await alone(scenario, options.seconds).catch(noting(name, failures))
    if (Array.isArray(found)) figures.push(...found)
    else grids.push(found)
    say(textOf(found))
  }
  if (options.json) {
    console.log(JSON.stringify({ machine, options, rows, figures, grids, failures }, null, 2))
  }
  say(`\n${machine.text}`)
  return failures.length > 0 || rows.some(({ faults }) => faults.length > 0) ? 1 : 0
}

interface Noting {
  readonly machine: Machine
  readonly failures: string[]
}

async function compared(options: Options, { machine, failures }: Noting): Promise<Summary[]> {
  if (!machine.tools.wrk) return []
  const syncMs = await fdatasyncMs()
  const { rounds, seconds } = options
  const etcd = machine.tools.etcd && machine.tools.h2load
  const summaries: Summary[] = []
  for (const name of options.scenarios) {
    const rows = COMPARED.get(name)
    if (rows === undefined) continue
    const given = { rounds, seconds, etcd, progress }
    const found = await compare(rows, given).catch(noting(name, failures))
    summaries.push(...found.map((row) => summaryOf(row, { syncMs })))
  }
  return summaries
}

function alone(scenario: Scenario | Series, seconds: number): Promise<Figure[] | Grid> {
  if (scenario.cluster === null) return scenario.run(seconds)
  return withOurs(scenario.cluster ?? {}, (cluster) => scenario.run(cluster, seconds))
}

/** A scenario that fails, or cannot be run here, is named, and the others run all the same. */
function noting(name: string, failures: string[]): (error: unknown) => [] {
  return (error) => {
    if (error instanceof MissingTool) {
      console.error(`${name} is left out: ${error.message}`)
      return []
    }
    const { message, stack = message } = error instanceof Error ? error : new Error(String(error))
    console.error(`${name} failed: ${stack}`)
    failures.push(`${name}: ${message}`)
    return []
  }
}

/** Beside the output, which `--json` keeps for itself. */
function progress(text: string): void {
  console.error(`  ${text}`)
}
