import { table } from '../text.ts'
import type { Paint } from '../text.ts'

/** A running node, as the guide shows it. */
export interface GuideNode {
  readonly id: string
  readonly url: string
  readonly pid: number
  readonly dataDir: string
  readonly leader: boolean
}

/** What `rollcall dev` prints once its cluster is ready: the nodes, and lines to paste. */
export function guideText(nodes: readonly GuideNode[], program: string, paint: Paint): string {
  const rows = nodes.map((node) => [
    node.id,
    node.url,
    String(node.pid),
    node.leader ? 'leader' : 'follower',
    node.dataDir,
  ])
  const [head = '', ...lines] = table([['NODE', 'URL', 'PID', 'ROLE', 'DATA'], ...rows]).split('\n')
  const tries = linesToTry(nodes, program).map(
    ([what, line]) => `${paint('dim', `# ${what}`)}\n${line}`,
  )
  return `\n${[paint('bold', head), ...lines].join('\n')}\n\n${tries.join('\n')}\n\n`
}

/** Pairs of what it does and the line itself. Different nodes, so that one sees them agree. */
function linesToTry(
  nodes: readonly GuideNode[],
  program: string,
): readonly (readonly [string, string])[] {
  const url = (i: number): string => nodes[i % nodes.length]?.url ?? ''
  const id = (i: number): string => nodes[i % nodes.length]?.id ?? ''
  const instance = '/v1/services/web/instances/web-1'
  const body = `'{"address":"10.0.0.5","port":8080,"ttl":"60s"}'`
  const leader = nodes.find((node) => node.leader)
  return [
    [`register an instance, on ${id(0)}`, `curl -X PUT ${url(0)}${instance} -d ${body}`],
    [`discover it, from ${id(1)}`, `curl ${url(1)}/v1/services/web`],
    [`keep it alive, through ${id(2)}`, `curl -X POST ${url(2)}${instance}/heartbeat`],
    [`write a config value, on ${id(1)}`, `curl -X PUT ${url(1)}/v1/config/web/motd -d 'hello'`],
    [`read it, from ${id(2)}`, `curl ${url(2)}/v1/config/web/motd`],
    ['look at the cluster', `${program} status --endpoint ${url(0)}`],
    ...(leader === undefined || nodes.length < 3
      ? []
      : [[`kill the leader, ${leader.id}: the others go on`, `kill -9 ${leader.pid}`] as const]),
  ]
}
