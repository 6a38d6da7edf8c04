/**
 * Three nodes of etcd on loopback, as its package ships them: with its defaults, hence with a
 * majority synced before an answer, and with its data beside ours, below the temporary folder.
 */
import { join } from 'node:path'
import { freePorts, urlOf } from '../support/cluster.ts'
import { plainEnv, Program } from '../support/program.ts'
import { until } from '../support/until.ts'
import { endingWith } from './ending.ts'
import { inFolder, output } from './tool.ts'

const NODES = 3
const FILLERS = 16

export interface EtcdNode {
  readonly url: string
  readonly process: Program
}

export interface EtcdCluster {
  readonly nodes: readonly EtcdNode[]
  /** Where requests go, as ours go to the leader. */
  readonly leader: EtcdNode
}

/** What every answer of etcd carries; 64-bit numbers are strings in its JSON. */
interface Header {
  readonly member_id: string
  readonly revision: string
}

export async function withEtcd<T>(body: (cluster: EtcdCluster) => Promise<T>): Promise<T> {
  return inFolder(async (folder) => {
    const ports = await freePorts(NODES * 2)
    const places = Array.from({ length: NODES }, (_, i) => {
      return { name: `e${i + 1}`, url: urlOf(ports[i] ?? 0), peer: urlOf(ports[NODES + i] ?? 0) }
    })
    const list = places.map(({ name, peer }) => `${name}=${peer}`).join(',')
    const nodes: EtcdNode[] = []
    const end = () => Promise.all(nodes.map(({ process }) => process.kill()))
    return endingWith(end, async () => {
      for (const { name, url, peer } of places) {
        const data = join(folder, name)
        const flags = ['--name', name, '--data-dir', data, '--initial-cluster', list]
        const client = ['--listen-client-urls', url, '--advertise-client-urls', url]
        const peers = ['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer]
        const logs = ['--logger', 'zap', '--log-outputs', 'stderr', '--log-level', 'error']
        const command = [...leash(), 'etcd', ...flags, ...client, ...peers, ...logs]
        nodes.push({ url, process: new Program(name, command, { env: environment() }) })
      }
      return body({ nodes, leader: await leaderOf(nodes) })
    })
  })
}

/** A call of the gateway that speaks JSON. */
export async function gateway<T>(node: EtcdNode, path: string, body: unknown): Promise<T> {
  const answer = await fetch(`${node.url}${path}`, { method: 'POST', body: JSON.stringify(body) })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`etcd answered ${path} with ${answer.status}: ${text}`)
  return JSON.parse(text) as T
}

/** So many keys, by gateway: `h2load` can write but one. */
export async function fillEtcd(
  node: EtcdNode,
  { keys, value }: { readonly keys: readonly string[]; readonly value: string },
): Promise<void> {
  let next = 0
  const work = async (): Promise<void> => {
    while (next < keys.length) {
      const key = btoa(keys[next++] ?? '')
      await gateway(node, '/v3/kv/put', { key, value: btoa(value) })
    }
  }
  await Promise.all(Array.from({ length: FILLERS }, work))
}

/** Grows by one with every put. */
export async function revisionOf(node: EtcdNode): Promise<number> {
  const { header } = await statusOf(node)
  return Number(header.revision)
}

export async function etcdVersion(): Promise<string> {
  return /etcd Version: (\S+)/.exec(await output(['etcd', '--version']))?.[1] ?? 'unknown'
}

function statusOf(node: EtcdNode): Promise<{ readonly header: Header; readonly leader?: string }> {
  return gateway(node, '/v3/maintenance/status', {})
}

/** The leader, once all agree on it. */
function leaderOf(nodes: readonly EtcdNode[]): Promise<EtcdNode> {
  return until('etcd has a leader', async () => {
    const ended = nodes.find(({ process }) => !process.isRunning)
    if (ended !== undefined) throw new Error(`etcd has ended:\n${ended.process.tail()}`)
    const all = await Promise.all(nodes.map(statusOf))
    const leaders = new Set(all.map(({ leader }) => leader ?? '0'))
    const place = all.findIndex(({ header, leader }) => header.member_id === leader)
    return leaders.size === 1 ? (nodes[place] ?? null) : null
  })
}

/** Where the kernel can be told to, it ends etcd with us, even when we are killed. */
function leash(): string[] {
  return Bun.which('setpriv') === null ? [] : ['setpriv', '--pdeathsig', 'KILL']
}

/** Without what would configure etcd. */
function environment(): Record<string, string> {
  return Object.fromEntries(Object.entries(plainEnv()).filter(([name]) => !name.startsWith('ETCD')))
}
