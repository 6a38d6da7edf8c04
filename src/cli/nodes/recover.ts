/** `rollcall recover`: what is left of a cluster that lost its quorum, and a new one made of it. */
import type { NewCluster, Recovery, Survivor } from '../../recover.ts'
import type { CommandContext } from '../context.ts'
import { CommandFailed, UsageError } from '../errors.ts'
import type { Settings } from '../usage/settings.ts'
import { shown, table } from '../text.ts'

export type OpenRecovery = (dataDir: string) => Promise<Recovery>

/**
 * Without `--force-new-cluster` it only looks. Exit codes: 1 it was not confirmed or failed, 2 no
 * data directory or wrong usage, 3 the directory is damaged or in use.
 */
export async function recover(context: CommandContext, settings: Settings): Promise<number> {
  const dataDir = settings.value('data')
  if (dataDir === null) throw new UsageError('--data DIR is missing: whose directory?')
  const forced = settings.value('force-new-cluster') === true
  const confirmed = settings.value('yes') === true
  if (confirmed && !forced) {
    throw new UsageError(`${settings.nameOf('yes')} belongs to --force-new-cluster`)
  }
  if (forced && !confirmed && context.ask === null) {
    throw new UsageError('nobody can be asked here: confirm --force-new-cluster with --yes')
  }
  const recovery = await context.openRecovery(dataDir)
  try {
    const { survivor } = recovery
    const asJson = settings.need('output') === 'json'
    const { out, err } = context.terminal
    if (!forced) {
      await out(asJson ? json({ survivor }) : `${report(survivor)}\n\n${ADVICE}\n`)
      return 0
    }
    err(`${report(survivor)}\n\n${warning(survivor)}\n`)
    if (!confirmed) await confirm(context, survivor)
    const founded = await recovery.foundAnew()
    await out(asJson ? json({ survivor, founded }) : `${outcome(survivor, founded)}\n`)
    return 0
  } finally {
    recovery.close()
  }
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}

async function confirm({ ask }: CommandContext, { nodeId }: Survivor): Promise<void> {
  const answer = (await ask?.(`Type the name of the node (${nodeId}) to go on: `)) ?? ''
  if (answer.trim() !== nodeId) throw new CommandFailed('not confirmed: nothing was changed')
}

const ADVICE = `Nothing was changed. Of several survivors, the best is the one with the highest term of its last
entry, and of those the one with the highest index: it holds every acknowledged write that any of
them holds (Raft §5.4.1). Pass over one whose state is wrong where another is left. Look at all of
them before you choose.
With a quorum left there is nothing to recover: replace the lost nodes by \`rollcall member\`.`

const WRONG = `
  wrong    the state is not what was applied here: some of its values are damaged, and the new
           cluster takes them as they are. Use another survivor if there is one.`

function report(survivor: Survivor): string {
  const { nodeId, clusterId, lastIndex, lastTerm, appliedIndex, wrong, members } = survivor
  const self = members.find(({ id }) => id === nodeId)
  const facts: [string, unknown][] = [
    ['node', nodeId],
    ['role', self?.role ?? 'no member any more: it was removed'],
    ['cluster', clusterId],
    ['last entry', `term ${lastTerm}, index ${lastIndex}`],
    ['applied', `index ${appliedIndex}`],
    ['state', wrong === null ? 'fits its hash' : `WRONG: ${wrong}`],
  ]
  const others = members.map(({ id, role, url }) => [id, role, shown(url)])
  return `${table(facts.map(([name, value]) => [name, shown(value)]))}

${table([['MEMBER', 'ROLE', 'URL'], ...others])}`
}

function warning(survivor: Survivor): string {
  const { nodeId, lastIndex, lastTerm, appliedIndex, wrong, members } = survivor
  const dropped = members.filter(({ id }) => id !== nodeId).map(({ id }) => id)
  const names = dropped.length === 0 ? 'nobody' : dropped.join(', ')
  const unsure = lastIndex - appliedIndex
  return `This makes ${nodeId} the only voter of a NEW cluster, with a new id.
  dropped  ${names}
  lost     every write that was acknowledged elsewhere and is not in this log, which ends at
           term ${lastTerm}, index ${lastIndex}
  kept     all that is in this log: its last ${unsure} entries may be writes that were never
           acknowledged, and that their clients were told nothing of
  changed  the revision jumps ahead; all before it counts as compacted, so every watch and every
           wait starts anew. Fencing tokens never repeat.${wrong === null ? '' : WRONG}
The old cluster is not told. Where enough of its other members come back, they go on as the old
cluster: remove their data directories first.`
}

function outcome({ nodeId, dataDir, members }: Survivor, founded: NewCluster): string {
  const self = members.find(({ id }) => id === nodeId)
  const url = self?.url ?? 'the URL of this node'
  return `${nodeId} is the only voter of the new cluster ${founded.clusterId}.
Its revision goes on from ${founded.revision}. The old cluster was ${founded.previousClusterId}.

Start it as before, with rollcall serve --data ${dataDir} (--cluster is not looked at any more).
Then let others join, each with an empty data directory: rollcall serve --join ${url}`
}
