import { messageOf } from '../../lib/text.ts'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { CommandContext } from '../context.ts'
import { childEnv, DevNode } from './dev-node.ts'
import { guideText } from './dev-guide.ts'
import { planNodes } from './dev-plan.ts'
import type { PlannedNode } from './dev-plan.ts'
import { CommandFailed } from '../errors.ts'
import type { Settings } from '../usage/settings.ts'
import { printable } from '../text.ts'
import type { Style } from '../text.ts'

const READY_MS_MAX = 30_000
const READY_POLL_MS = 50
const REQUEST_MS_MAX = 1_000
/** A node may take 10 s to stop; then it is killed. */
const STOP_MS_MAX = 11_000

const COLOURS: readonly Style[] = ['cyan', 'magenta', 'yellow', 'green', 'blue']

/** Runs a local cluster of real processes until a signal. Restarts nothing by itself. */
export async function dev(context: CommandContext, settings: Settings): Promise<number> {
  const told = new Promise<string>((resolve) => context.onSignal(resolve))
  const place = dataPlace(settings)
  try {
    const plans = await planNodes(settings, place.path)
    const { err } = context.terminal
    for (const suspect of settings.suspects) err(`rollcall: ${printable(suspect)}\n`)
    err(`rollcall: starting ${plans.length} nodes, data in ${place.path}${place.note}\n`)
    return await runCluster(context, settings, plans, told)
  } finally {
    place.remove()
  }
}

/** The given directory, or a temporary one that is removed at the end. */
function dataPlace(settings: Settings): { path: string; note: string; remove: () => void } {
  const given = settings.value('data')
  if (given !== null) {
    const path = resolve(given)
    try {
      mkdirSync(path, { recursive: true, mode: 0o700 })
    } catch (error) {
      throw new CommandFailed(`${settings.nameOf('data')} ${given}: ${messageOf(error)}`)
    }
    return { path, note: '', remove: () => {} }
  }
  const path = mkdtempSync(join(tmpdir(), 'rollcall-dev-'))
  const note = ' (temporary: gone at the end; keep it with --data DIR)'
  return { path, note, remove: () => rmSync(path, { recursive: true, force: true }) }
}

async function runCluster(
  context: CommandContext,
  settings: Settings,
  plans: readonly PlannedNode[],
  told: Promise<string>,
): Promise<number> {
  const prefixed = settings.need('log-format') !== 'json'
  const nodes = plans.map((plan, i) => startNode(context, plan, prefixed ? i : null))
  let stopping = false
  void told.then(() => (stopping = true))
  for (const node of nodes) {
    void node.ended.then((death) => {
      if (!stopping) context.terminal.err(`rollcall: ${node.id} ended: ${death}\n`)
    })
  }
  try {
    const first = await Promise.race([
      told.then(() => 'told' as const),
      allReady(context, nodes).then((ready) => (ready ? 'ready' : 'not ready')),
    ])
    if (first === 'told') return 0
    if (first === 'not ready') return 1
    await context.terminal.out(await guide(context, nodes))
    const allEnded = Promise.all(nodes.map((node) => node.ended)).then(() => 'all ended' as const)
    const last = await Promise.race([told, allEnded])
    return last === 'all ended' ? 1 : 0
  } finally {
    stopping = true
    await stopAll(context, nodes)
  }
}

/** `colour` null: its lines are passed on as they are, for they are JSON. */
function startNode(context: CommandContext, plan: PlannedNode, colour: number | null): DevNode {
  const { err, errPaint } = context.terminal
  const style = COLOURS[(colour ?? 0) % COLOURS.length] ?? 'cyan'
  const prefix = colour === null ? '' : `${errPaint(style, plan.id)} | `
  return new DevNode({
    id: plan.id,
    url: plan.url,
    dataDir: plan.dataDir,
    command: [...context.self, ...plan.args],
    env: childEnv(context.env),
    onLine: (line) => err(`${prefix}${printable(line)}\n`),
  })
}

/** Waits until every node is ready; false, with the reason said, when one ends or time runs out. */
async function allReady(context: CommandContext, nodes: readonly DevNode[]): Promise<boolean> {
  const { err } = context.terminal
  const waiting = new Set(nodes)
  for (let waitedMs = 0; waitedMs < READY_MS_MAX; waitedMs += READY_POLL_MS) {
    if (nodes.some((node) => !node.alive)) {
      err('rollcall: a node ended before the cluster was ready\n')
      return false
    }
    for (const node of waiting) if (await isReady(node.url)) waiting.delete(node)
    if (waiting.size === 0 && nodes.every((node) => node.alive)) return true
    await context.sleep(READY_POLL_MS)
  }
  const names = [...waiting].map((node) => node.id).join(', ')
  err(`rollcall: not ready after ${READY_MS_MAX / 1_000} s: ${names}\n`)
  return false
}

async function isReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(REQUEST_MS_MAX) })
    await response.arrayBuffer()
    return response.status === 200
  } catch {
    return false // It does not listen yet.
  }
}

async function guide(context: CommandContext, nodes: readonly DevNode[]): Promise<string> {
  const leader = await leaderUrl(nodes)
  const shown = nodes.map(({ id, url, pid, dataDir }) => {
    return { id, url, pid, dataDir, leader: url === leader }
  })
  return guideText(shown, programOf(context), context.terminal.outPaint)
}

async function leaderUrl(nodes: readonly DevNode[]): Promise<string | null> {
  for (const { url } of nodes) {
    try {
      const signal = AbortSignal.timeout(REQUEST_MS_MAX)
      const answer: unknown = await (await fetch(`${url}/v1/status`, { signal })).json()
      if (typeof answer !== 'object' || answer === null || !('role' in answer)) continue
      if (answer.role === 'leader') return url
    } catch {
      // It ended meanwhile: the table just shows no leader there.
    }
  }
  return null
}

/** How the user would call this program again. */
function programOf(context: CommandContext): string {
  return context.self.map((word) => (/^[\w./:@~+-]+$/.test(word) ? word : `'${word}'`)).join(' ')
}

async function stopAll(context: CommandContext, nodes: readonly DevNode[]): Promise<void> {
  for (const node of nodes) node.signal('SIGTERM')
  const ended = Promise.all(nodes.map((node) => node.ended))
  await Promise.race([ended, context.sleep(STOP_MS_MAX)])
  for (const node of nodes) node.signal('SIGKILL')
  await ended
}
