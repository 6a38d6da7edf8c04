import { formatDuration } from '../lib/duration.ts'
import type { CommandContext } from './context.ts'
import { CommandFailed } from './errors.ts'
import type { Settings } from './settings.ts'
import { printable, table } from './text.ts'
import type { Paint } from './text.ts'

const TIMEOUT_MS = 5_000

/** An answer of a node: known to be an object, and nothing else is believed of it. */
type Answer = Readonly<Record<string, unknown>>

/** Asks one node for itself and its cluster. Exit code 1 when it does not answer. */
export async function status(context: CommandContext, settings: Settings): Promise<number> {
  const endpoint = settings.need('endpoint')
  const token = context.env['ROLLCALL_TOKEN'] ?? ''
  const headers: Record<string, string> = token === '' ? {} : { authorization: `Bearer ${token}` }
  const [node, cluster] = await Promise.all([
    ask(`${endpoint}/v1/status`, headers),
    // Only the leader knows it: a node without one still shows itself.
    ask(`${endpoint}/v1/cluster`, headers).catch(() => null),
  ])
  const { out, outPaint } = context.terminal
  if (settings.need('output') === 'json') {
    await out(`${JSON.stringify({ status: node, cluster }, null, 2)}\n`)
  } else {
    await out(`${nodeTable(node, outPaint)}\n\n${clusterTable(cluster, outPaint)}\n`)
  }
  return 0
}

async function ask(url: string, headers: Record<string, string>): Promise<Answer> {
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) }).catch(
    (error: unknown) => {
      throw new CommandFailed(unreachableText(url, error))
    },
  )
  const body: unknown = await response.json().catch(() => null)
  if (!isAnswer(body)) {
    throw new CommandFailed(`${url} answered ${response.status}, and not as rollcall would`)
  }
  if (!response.ok) {
    const why = shown(body['detail'] ?? body['title'] ?? '')
    throw new CommandFailed(`${url} answered ${response.status} ${why}`)
  }
  return body
}

function isAnswer(value: unknown): value is Answer {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function unreachableText(url: string, error: unknown): string {
  const { origin } = new URL(url)
  if (error instanceof Error && error.name === 'TimeoutError') {
    return `${origin} did not answer within ${formatDuration(TIMEOUT_MS)}`
  }
  return `nothing answers at ${origin}: start a node with rollcall serve, or name one with --endpoint`
}

function nodeTable(node: Answer, paint: Paint): string {
  const rows: [string, unknown][] = [
    ['node', node['id']],
    ['url', node['url']],
    ['role', node['role']],
    ['leader', node['leader']],
    ['term', node['term']],
    ['committed', node['commitIndex']],
    ['applied', node['appliedIndex']],
    ['recovery', node['recovery']],
    ['sqlite', node['sqlite']],
    ['version', node['version']],
    ['up for', upFor(node['uptimeMs'])],
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows
    .map(([name, value]) => `${paint('dim', name.padEnd(width))}  ${shown(value)}`)
    .join('\n')
}

function clusterTable(cluster: Answer | null, paint: Paint): string {
  const members = cluster?.['members']
  if (!Array.isArray(members)) return paint('yellow', 'the cluster did not answer: no leader?')
  const head = ['MEMBER', 'URL', 'ROLE', 'REACHABLE', 'MATCH', 'LAG', 'VERSION']
  const rows = members.map((entry: unknown) => {
    const member = isAnswer(entry) ? entry : {}
    const role = `${shown(member['role'])}${member['leader'] === true ? ', leader' : ''}`
    const cells = [member['id'], member['url'], role, member['reachable'], member['matchIndex']]
    return cells.concat([member['lagEntries'], member['version']]).map(shown)
  })
  const [first = '', ...lines] = table([head, ...rows]).split('\n')
  return [paint('bold', first), ...lines].join('\n')
}

function upFor(ms: unknown): string | null {
  if (typeof ms !== 'number') return null
  const seconds = Math.floor(ms / 1_000)
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ]
  const from = parts.findIndex(([count]) => count > 0)
  return (from < 0 ? parts.slice(-1) : parts.slice(from, from + 2))
    .map(([count, unit]) => `${count}${unit}`)
    .join(' ')
}

/** Another program's answer, made fit for a terminal. */
function shown(value: unknown): string {
  if (value === null || value === undefined) return '-'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  return printable(typeof value === 'string' ? value : JSON.stringify(value))
}
