/**
 * Figures of a three-node cluster of the compiled binary on this machine, as the README shows
 * them: `npm run bench`, or `npm run bench -- --scenario NAME --seconds N --json`.
 *
 * Absolute figures drift on shared machines; nothing here passes or fails. `wrk` (a Debian package)
 * makes the load; without it those rows are named and left out.
 */
import { cpus, release } from 'node:os'
import { parseArgs } from 'node:util'
import { startCluster, type Cluster } from '../support/cluster.ts'
import type { Figure } from './figure.ts'
import { SCENARIOS } from './scenarios.ts'

const { values } = parseArgs({
  options: {
    scenario: { type: 'string', multiple: true },
    seconds: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
  },
})
const seconds = Number(values.seconds)
const wanted = values.scenario ?? [...SCENARIOS.keys()]
const unknown = wanted.filter((name) => !SCENARIOS.has(name))
if (unknown.length > 0 || !(seconds >= 1 && seconds <= 60)) {
  console.error(`scenarios: ${[...SCENARIOS.keys()].join(' ')}; --seconds 1 to 60`)
  process.exit(2)
}

const figures: Figure[] = []
for (const name of wanted) {
  const scenario = SCENARIOS.get(name)
  if (scenario === undefined) continue
  const cluster: Cluster = await startCluster(scenario.cluster ?? {})
  try {
    await cluster.settled()
    const found = await scenario.run(cluster, seconds)
    figures.push(...found)
    if (!values.json) for (const figure of found) print(figure)
  } finally {
    await cluster.stop()
  }
}
const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Linux ${release()}`
if (values.json) console.log(JSON.stringify({ machine, bun: Bun.version, figures }, null, 2))
else console.log(`\n${machine}, Bun ${Bun.version}`)

function print({ what, value, unit }: Figure): void {
  console.log(`${what.padEnd(60)} ${value.padStart(12)} ${unit}`)
}
