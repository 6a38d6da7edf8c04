import { isObject } from '../../lib/objects.ts'
import { ask, endpointOf, type Answer } from '../ask.ts'
import type { CommandContext } from '../context.ts'
import type { Settings } from '../usage/settings.ts'
import { shown, table } from '../text.ts'
import type { Paint } from '../text.ts'

/** Asks one node for itself and its cluster. Exit code 1 when it does not answer. */
export async function status(context: CommandContext, settings: Settings): Promise<number> {
  const endpoint = endpointOf(settings)
  const [node, cluster] = await Promise.all([
    ask(context, `${endpoint}/v1/status`),
    // Only the leader knows it: a node without one still shows itself.
    ask(context, `${endpoint}/v1/cluster`).catch(() => null),
  ])
  const { out, outPaint } = context.terminal
  if (settings.need('output') === 'json') {
    await out(`${JSON.stringify({ status: node, cluster }, null, 2)}\n`)
  } else {
    await out(`${nodeTable(node, outPaint)}\n\n${clusterTable(cluster, outPaint)}\n`)
  }
  return 0
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
    // Only said where something is wrong.
    ...['fenced', 'alarm'].flatMap((name): [string, unknown][] =>
      name in node ? [[name, node[name]]] : [],
    ),
    ['sqlite', node['sqlite']],
    ['version', node['version']],
    ['up for', upFor(node['uptimeMs'])],
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows
    .map(([name, value]) => `${paint('dim', name.padEnd(width))}  ${shown(value)}`)
    .join('\n')
}

export function clusterTable(cluster: Answer | null, paint: Paint): string {
  const members = cluster?.['members']
  if (!Array.isArray(members)) return paint('yellow', 'the cluster did not answer: no leader?')
  const head = ['MEMBER', 'URL', 'ROLE', 'REACHABLE', 'MATCH', 'LAG', 'VERSION']
  const rows = members.map((entry: unknown) => {
    const member = isObject(entry) ? entry : {}
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
