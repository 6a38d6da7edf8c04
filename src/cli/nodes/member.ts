/** `rollcall member …` and `rollcall transfer`: who belongs to the cluster, and who leads it. */
import { isObject } from '../../lib/objects.ts'
import { nearest } from '../../lib/nearest.ts'
import { didYouMean } from '../usage/arguments.ts'
import { ask, endpointOf, type Answer } from '../ask.ts'
import type { CommandContext } from '../context.ts'
import { BadValue, UsageError } from '../errors.ts'
import type { Settings } from '../usage/settings.ts'
import { clusterTable } from './status.ts'
import { shown } from '../text.ts'
import { readName } from '../usage/values.ts'

const ACTIONS = ['list', 'add', 'remove', 'promote', 'withdraw'] as const
type Action = (typeof ACTIONS)[number]

/** More than the node itself waits: its own reason is better than our impatience. */
const GRACE_MS = 5_000

/** Runs one action. Exit code 1 when the cluster refuses, with its reason. */
export async function member(
  context: CommandContext,
  settings: Settings,
  words: readonly string[],
): Promise<number> {
  const [word = 'list', name] = words
  const action = ACTIONS.find((known) => known === word)
  if (action === undefined) {
    const near = didYouMean(nearest(word, ACTIONS))
    throw new UsageError(`member cannot ${JSON.stringify(word)}: ${ACTIONS.join(', ')}${near}`)
  }
  if (action === 'list') {
    if (name !== undefined) throw new UsageError('member list takes no name')
    return list(context, settings)
  }
  if (name === undefined) throw new UsageError(`member ${action} needs a NAME, such as n4`)
  return change(context, settings, { action, id: nameOf(action, name) })
}

function nameOf(action: string, text: string): string {
  try {
    return readName(text)
  } catch (error) {
    if (!(error instanceof BadValue)) throw error
    throw new UsageError(`${action}: ${error.message}`)
  }
}

async function list(context: CommandContext, settings: Settings): Promise<number> {
  const cluster = await ask(context, `${endpointOf(settings)}/v1/cluster`)
  const { out, outPaint } = context.terminal
  if (settings.need('output') === 'json') {
    await out(`${JSON.stringify(cluster, null, 2)}\n`)
  } else {
    await out(
      `${[clusterTable(cluster, outPaint), ...degradedLines(cluster), ...changeLines(cluster)].join('\n')}\n`,
    )
  }
  return 0
}

function degradedLines(cluster: Answer): readonly string[] {
  return cluster['degraded'] === true ? ['', `degraded: ${shown(cluster['degradedDetail'])}`] : []
}

/** What is under way, and what it waits for. */
function changeLines(cluster: Answer): readonly string[] {
  const change = cluster['change']
  if (!isObject(change)) return []
  const reasons = Array.isArray(change['blockedBy']) ? change['blockedBy'] : []
  const head = `changing to voters ${shown(change['voters'])}, ${shown(change['phase'])}`
  return ['', head, ...reasons.map((reason) => `  waits: ${shown(reason)}`)]
}

async function change(
  context: CommandContext,
  settings: Settings,
  { action, id }: { readonly action: Exclude<Action, 'list'>; readonly id: string },
): Promise<number> {
  const url = settings.value('url')
  const role = settings.value('role')
  if (action === 'add' && url === null) {
    throw new UsageError(`member add needs --url: where is ${id} reached?`)
  }
  for (const flag of action === 'add' ? [] : (['url', 'role'] as const)) {
    // A variable may be meant for another command of the same shell.
    if (settings.value(flag) === null || settings.nameOf(flag) !== `--${flag}`) continue
    throw new UsageError(`--${flag} belongs to member add, not to member ${action}`)
  }
  const isWitness = action === 'add' && role === 'witness'
  const timeoutMs = settings.need('timeout')
  const force = settings.value('force') === true ? '&force=true' : ''
  const path = action === 'remove' ? `/${encodeURIComponent(id)}` : ''
  const target = `${endpointOf(settings)}/v1/cluster/members${path}?timeout=${timeoutMs}ms`
  const wanted = { add: role ?? 'voter', promote: 'voter', withdraw: 'learner', remove: '' }[action]
  const answer = await ask(context, `${target}${force}`, {
    method: action === 'remove' ? 'DELETE' : 'POST',
    ...(action === 'remove'
      ? {}
      : { body: { id, ...(action === 'add' ? { url } : {}), role: wanted } }),
    timeoutMs: timeoutMs + GRACE_MS,
  })
  return done(context, settings, answer, DONE[isWitness ? 'witness' : action](id))
}

const DONE: Record<Exclude<Action, 'list'> | 'witness', (id: string) => string> = {
  add: (id) => `${id} is taken in: start it with --join; rollcall member list shows how far it is`,
  witness: (id) => `${id} is taken in: start it with --witness --join, as an empty node`,
  remove: (id) => `${id} is leaving`,
  promote: (id) => `${id} will vote once it has caught up`,
  withdraw: (id) => `${id} stays a learner`,
}

async function done(
  context: CommandContext,
  settings: Settings,
  answer: Answer,
  text: string,
): Promise<number> {
  const { out, err } = context.terminal
  const warnings = Array.isArray(answer['warnings']) ? answer['warnings'] : []
  for (const warning of warnings) err(`warning: ${shown(warning)}\n`)
  const isJson = settings.value('output') === 'json'
  await out(`${isJson ? JSON.stringify(answer, null, 2) : text}\n`)
  return 0
}

/** Hands leadership over, and names the new leader. */
export async function transfer(
  context: CommandContext,
  settings: Settings,
  words: readonly string[],
): Promise<number> {
  const [name] = words
  const timeoutMs = settings.need('timeout')
  const url = `${endpointOf(settings)}/v1/cluster/transfer?timeout=${timeoutMs}ms`
  const body = name === undefined ? {} : { to: nameOf('transfer', name) }
  const answer = await ask(context, url, { method: 'POST', body, timeoutMs: timeoutMs + GRACE_MS })
  await context.terminal.out(`${shown(answer['leader'])} leads\n`)
  return 0
}
