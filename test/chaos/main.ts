/**
 * Chaos on real processes: clusters of the compiled executable, under a load that is put down and
 * judged, while nodes are killed, stopped, cut off, and their disks and clocks fail.
 *
 *     npm run chaos -- --minutes M         scenario after scenario, in a random order
 *     npm run chaos -- --scenario NAME     one run of that one; with --minutes: again and again
 *     npm run chaos -- --scenarios         the names, and what each does
 *
 * `--seed S` makes the same choices again (the seed of every run is printed where it fails; what
 * real processes do in between is theirs), `--syncs N` says how many sync calls the sweeps cover
 * (40), `--keep` saves traces and disk images too where a promise was broken. What the machine lacks is installed where that
 * is possible (Debian, as root), else named and counted as skipped.
 *
 * Exit 0: no violation; 1: a violation, saved where the output says; 2: wrong usage. The last line
 * on stdout: `runs=N kills=K power_losses=L … ops=O skipped=S violations=V`.
 */
import process from 'node:process'
import { binary } from '../support/program.ts'
import { isAlone, rerunAlone } from './alone.ts'
import { parseOptions, UsageError, type Options } from './options.ts'
import { SCENARIOS } from './scenarios/mod.ts'
import { soak, summary } from './soak.ts'

async function main(args: readonly string[]): Promise<number> {
  let options: Options
  try {
    options = parseOptions(
      args,
      SCENARIOS.map(({ name }) => name),
    )
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    console.error(`chaos: ${error.message}`)
    return 2
  }
  if (options.scenarios) {
    for (const { name, about } of SCENARIOS) console.log(`${name}: ${about}`)
    return 0
  }
  if (!isAlone()) return await rerunAlone(args)
  return await hurt(options)
}

async function hurt({ scenario, ...options }: Options): Promise<number> {
  const abort = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => abort.abort())
  }
  binary() // Built now rather than while time runs.
  console.log(`seed ${options.seed}`)
  const scenarios = SCENARIOS.filter(({ name }) => scenario === null || name === scenario)
  const account = await soak({ ...options, scenarios, signal: abort.signal })
  console.log(summary(account))
  return account.violations > 0 ? 1 : 0
}

process.exit(await main(process.argv.slice(2)))
