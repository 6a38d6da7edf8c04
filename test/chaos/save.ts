/** What is left of a run that broke a promise, for whoever looks into it. */
import { cpSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClusterNode } from '../support/cluster.ts'
import { ROOT } from '../support/program.ts'
import type { Run } from './run.ts'

/** Ends the nodes, so that their directories stand still, and answers where all of it is now. */
export async function saveRun(
  run: Run,
  { problem, keep }: { readonly problem: string; readonly keep: boolean },
): Promise<string> {
  const folder = mkdtempSync(
    join(tmpdir(), `rollcall-chaos-violation-${run.scenario}-${run.seed}-`),
  )
  const repeat = `npm run chaos -- --scenario ${run.scenario} --seed ${run.seed}`
  const about = [`commit ${commit()}`, `seed ${run.seed}`, `again: ${repeat}`, '', problem, '']
  writeFileSync(join(folder, 'README'), about.join('\n'))
  writeFileSync(join(folder, 'diary'), `${run.notes.join('\n')}\n`)
  const history = run.history.map((seen) => JSON.stringify(seen))
  writeFileSync(join(folder, 'history.ndjson'), `${history.join('\n')}\n`)
  for (const [i, cluster] of run.clusters.entries()) {
    const place = join(folder, `cluster-${i + 1}`)
    mkdirSync(place)
    for (const node of cluster.nodes) await saveLog(place, node)
    cpSync(cluster.folder, join(place, 'data'), { recursive: true })
  }
  for (const node of run.gone) await saveLog(folder, node)
  if (keep) cpSync(run.folder, join(folder, 'run'), { recursive: true })
  return folder
}

async function saveLog(folder: string, { id, processes }: ClusterNode): Promise<void> {
  await Promise.all(processes.map((program) => program.kill()))
  const said = processes.map(({ out, err }) => [...out, ...err].join('\n'))
  writeFileSync(join(folder, `${id}.log`), said.join('\n--- started again ---\n'))
}

function commit(): string {
  const ran = Bun.spawnSync(['git', 'describe', '--always', '--dirty'], { cwd: ROOT })
  return ran.exitCode === 0 ? ran.stdout.toString().trim() : 'unknown'
}
