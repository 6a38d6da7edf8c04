/**
 * A cluster of real processes of the compiled executable, on loopback, each with its own data
 * directory. Everything is torn down when the test is over, and its logs are shown when it failed.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type FaultProxy, openProxy } from './fault-proxy.ts'
import { Links } from './links.ts'
import { binary, Program } from './program.ts'
import { until } from './until.ts'

/** A test that waits for elections and restarts gets this, in milliseconds. */
export const TEST_MS = 120_000
/** Limits so small that a few megabytes make checkpoints, leave the log behind and need snapshots. */
const LIMITS = '--wal-segment 4MiB --wal-tail 64KiB --wal-max 1MiB --checkpoint-size 64KiB'
export const TINY: readonly string[] = LIMITS.split(' ')
/** Longer than the longest `?timeout=` used here: a node answers before we give up on it. */
const REQUEST_MS = 40_000

export interface ClusterOptions {
  readonly size?: number
  /** More flags for the node of this place, counted from 0. */
  readonly flags?: (place: number) => readonly string[]
  /** Another program than the executable, for the node of this place. */
  readonly command?: (place: number) => readonly string[] | null
  /** Peers reach each node through a proxy that can hurt what passes; tests reach it directly. */
  readonly proxied?: boolean
  /** False: the nodes are not started. */
  readonly start?: boolean
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The body, where it is JSON; else an empty object. */
  readonly json: Json
}

/** What a test expects to be there is asserted by what it does with it. */
export type Json = Record<string, unknown>

export interface Request {
  readonly body?: string | Uint8Array | Json
  readonly headers?: Record<string, string>
  readonly timeoutMs?: number
  /** A connection of its own, which no other request has used. */
  readonly fresh?: boolean
}

/** One node: its place in the world, and the process that is it just now. */
export class ClusterNode {
  readonly id: string
  readonly port: number
  readonly url: string
  readonly dataDir: string
  /** The program: another one from the next start on, where a test changes it. */
  command: readonly string[]
  readonly args: readonly string[]
  /** Stands before its mesh, where the cluster is `proxied`. */
  readonly proxy: FaultProxy | null
  readonly processes: Program[] = []

  constructor(place: {
    readonly id: string
    readonly port: number
    readonly dataDir: string
    readonly command: readonly string[]
    readonly args: readonly string[]
    readonly proxy?: FaultProxy | null
    /** Another address than loopback. */
    readonly host?: string
  }) {
    this.id = place.id
    this.port = place.port
    this.url = urlOf(place.port, place.host)
    this.dataDir = place.dataDir
    this.command = place.command
    this.args = place.args
    this.proxy = place.proxy ?? null
  }

  get process(): Program {
    const newest = this.processes.at(-1)
    if (newest === undefined) throw new Error(`${this.id} was never started`)
    return newest
  }

  get isRunning(): boolean {
    return this.processes.at(-1)?.isRunning ?? false
  }

  /** Starts it, again if need be; `args` replaces what follows the program. */
  start(args: readonly string[] = this.args): Program {
    if (this.isRunning) throw new Error(`${this.id} runs already`)
    const command = [...this.command, ...args, '--end-with-stdin']
    const program = new Program(this.id, command, { leashed: true })
    this.processes.push(program)
    return program
  }

  /** Ends it as an operator does: in order, and with exit code 0. */
  async stop(): Promise<void> {
    this.process.signal('SIGTERM')
    const code = await this.process.ended()
    if (code !== 0) throw new Error(`${this.id} ended with ${code}:\n${this.process.tail()}`)
  }

  /** Waits until it says that it is ready. */
  async ready(wait: { readonly ms?: number; readonly everyMs?: number } = {}): Promise<void> {
    const isReady = async (): Promise<boolean> => {
      if (!this.isRunning) throw new Error(`it has ended:\n${this.process.tail()}`)
      const { status, text } = await this.call('GET', '/readyz', { timeoutMs: 2_000 })
      if (status !== 200) throw new Error(text)
      return true
    }
    await until(`${this.id} is ready`, isReady, wait)
  }

  /** The file of its live database. */
  get database(): string {
    return join(this.dataDir, readFileSync(join(this.dataDir, 'CURRENT'), 'utf8').trim())
  }

  async status(): Promise<Json> {
    return (await this.call('GET', '/v1/status', { timeoutMs: 5_000 })).json
  }

  /** One request; rejects where there is no answer. */
  call(method: string, path: string, request: Request = {}): Promise<Answer> {
    const answer = this.#ask(method, path, request)
    answer.catch(() => {}) // A test that failed awaits no more: one failure is enough.
    return answer
  }

  async #ask(method: string, path: string, request: Request): Promise<Answer> {
    const { body, headers = {}, timeoutMs = REQUEST_MS, fresh = false } = request
    const raw = body === undefined || typeof body === 'string' || body instanceof Uint8Array
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: raw ? body : JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeoutMs),
      ...(fresh ? { keepalive: false } : {}),
    })
    const text = await response.text()
    const isJson = /[/+]json\b/.test(response.headers.get('content-type') ?? '')
    const json = isJson && text !== '' ? (JSON.parse(text) as Json) : {}
    return { status: response.status, headers: response.headers, text, json }
  }

  get(path: string, request: Request = {}): Promise<Answer> {
    return this.call('GET', path, request)
  }

  put(path: string, body: string | Uint8Array | Json, request: Request = {}): Promise<Answer> {
    return this.call('PUT', path, { ...request, body })
  }

  /** Writes a config key, which must be acknowledged. */
  async set(key: string, value: string): Promise<void> {
    const { status, text } = await this.put(`/v1/config/${key}`, value)
    if (status !== 200 && status !== 201) throw new Error(`${this.id}, ${key}: ${status} ${text}`)
  }

  /** A gauge or a counter of the process that runs now. */
  async metric(name: string): Promise<number> {
    const { text } = await this.get('/metrics')
    const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `))
    if (line === undefined) throw new Error(`${this.id} has no ${name}`)
    return Number(line.split(' ')[1])
  }
}

export class Cluster {
  readonly nodes: ClusterNode[]
  /** Holds the data directories, and whatever else a test puts there. */
  readonly folder: string

  constructor(nodes: readonly ClusterNode[], folder: string) {
    this.nodes = [...nodes]
    this.folder = folder
  }

  node(place: number): ClusterNode {
    const node = this.nodes[place]
    if (node === undefined) throw new Error(`there is no node ${place}`)
    return node
  }

  /** One more, not started yet, which joins through `contact`. */
  async joiner(
    id: string,
    contact: ClusterNode,
    flags: readonly string[] = [],
  ): Promise<ClusterNode> {
    const [port = 0] = await freePorts(1)
    const [proxy = null] = contact.proxy === null ? [] : await proxiesOf([port])
    const dataDir = join(this.folder, `${id}-joins`)
    const listen = `127.0.0.1:${port}`
    const args = ['serve', '--id', id, '--listen', listen, '--data', dataDir]
    const advertise = proxy === null ? [] : ['--advertise', proxy.url]
    const joins = [...args, '--join', contact.proxy?.url ?? contact.url, ...advertise, ...flags]
    const node = new ClusterNode({ id, port, dataDir, command: [binary()], args: joins, proxy })
    this.nodes.push(node)
    return node
  }

  /** The links of the nodes there are, where the cluster is `proxied`. */
  get links(): Links {
    return new Links(this.nodes)
  }

  /** What the cluster says of its members, by id, asked of `node`. */
  async members(node: ClusterNode): Promise<Record<string, Json>> {
    const { json } = await node.get('/v1/cluster')
    const members = json['members'] as Json[]
    return Object.fromEntries(members.map((member) => [member['id'], member]))
  }

  /** Waits until exactly those vote, nobody else is a member, and nothing is under way. */
  async voters(ids: readonly string[], of: ClusterNode): Promise<void> {
    await until(`the voters are ${ids.join(', ')}`, async () =>
      haveVoters((await of.get('/v1/cluster')).json, ids),
    )
  }

  /** Hands leadership over, asking one of `nodes`, until all of those say that `node` leads. */
  async lead(node: ClusterNode, nodes: readonly ClusterNode[] = this.nodes): Promise<void> {
    await until(`${node.id} leads`, async () => {
      const [asked = node] = nodes
      const body = { to: node.id }
      const { status, text } = await asked.call('POST', '/v1/cluster/transfer', { body })
      if (status !== 200) throw new Error(text)
      const all = await Promise.all(nodes.map((one) => one.status()))
      return all.every(({ leader }) => leader === node.id)
    })
  }

  others(...without: readonly ClusterNode[]): ClusterNode[] {
    return this.nodes.filter((node) => !without.includes(node))
  }

  async ready(nodes: readonly ClusterNode[] = this.nodes): Promise<void> {
    await Promise.all(nodes.map((node) => node.ready()))
  }

  /** The leader, once all of `nodes` agree on it and it is one of them. */
  leader(nodes: readonly ClusterNode[] = this.nodes): Promise<ClusterNode> {
    return until('one leader is known to all', async () => {
      const all = await Promise.all(nodes.map((node) => node.status()))
      const ids = new Set(all.map((status) => status['leader']))
      const terms = new Set(all.map((status) => status['term']))
      const leader = nodes.find((node) => ids.has(node.id))
      const leads = all.some((status) => status['id'] === leader?.id && status['role'] === 'leader')
      return ids.size === 1 && terms.size === 1 && leads ? (leader ?? null) : null
    })
  }

  /** Waits until all of `nodes` have applied what the cluster has committed. */
  async settled(nodes: readonly ClusterNode[] = this.nodes): Promise<void> {
    await until('all have applied the same', () => appliedAlike(nodes))
  }

  /** Waits until all say that they are recovered; then all must hold the same. */
  async recovered(): Promise<void> {
    for (const node of this.nodes) {
      const isSynced = async (): Promise<boolean> => (await node.status())['recovery'] === 'synced'
      await until(`${node.id} is synced`, isSynced)
    }
    await this.settled()
    const states = await Promise.all(this.nodes.map(stateOf))
    const odd = this.nodes.filter((_, i) => states[i] !== states[0]).map(({ id }) => id)
    if (odd.length > 0) throw new Error(`${odd.join(', ')} and ${this.nodes[0]?.id} differ`)
  }

  /** The last lines of every process there was. */
  logs(): string {
    const processes = this.nodes.flatMap((node) => node.processes)
    return processes.map((program) => program.tail()).join('\n')
  }

  async stop(): Promise<void> {
    const processes = this.nodes.flatMap((node) => node.processes)
    await Promise.all(processes.map((program) => program.kill()))
    await Promise.all(this.nodes.map((node) => node.proxy?.close()))
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** The body of a test that has a cluster of its own. */
export function withCluster(
  options: ClusterOptions,
  body: (cluster: Cluster) => Promise<void>,
): () => Promise<void> {
  return async () => {
    const cluster = await startCluster(options)
    try {
      await body(cluster)
    } catch (error) {
      console.error(cluster.logs())
      throw error
    } finally {
      await cluster.stop()
    }
  }
}

/** A cluster that is ready; whoever asked for it stops it. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const cluster = await plan(options)
  if (options.start === false) return cluster
  try {
    for (const node of cluster.nodes) node.start()
    await cluster.ready()
    return cluster
  } catch (error) {
    console.error(cluster.logs())
    await cluster.stop()
    throw error
  }
}

async function plan(options: ClusterOptions): Promise<Cluster> {
  const { size = 3, flags = () => [], command = () => null } = options
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-cluster-'))
  const ports = await freePorts(size)
  const proxies = options.proxied === true ? await proxiesOf(ports) : []
  const urls = ports.map((port, i) => proxies[i]?.url ?? urlOf(port))
  const list = urls.map((url, i) => `n${i + 1}=${url}`).join(',')
  const nodes = ports.map((port, i) => {
    const id = `n${i + 1}`
    const dataDir = join(folder, id)
    const listen = `127.0.0.1:${port}`
    const cluster = size > 1 ? ['--cluster', list] : []
    const proxy = proxies[i] ?? null
    const advertise = proxy === null ? [] : ['--advertise', proxy.url]
    const first = ['serve', '--id', id, '--listen', listen, '--data', dataDir]
    const args = [...first, ...cluster, ...advertise, ...flags(i)]
    return new ClusterNode({ id, port, dataDir, command: command(i) ?? [binary()], args, proxy })
  })
  return new Cluster(nodes, folder)
}

function proxiesOf(ports: readonly number[]): Promise<FaultProxy[]> {
  return Promise.all(ports.map((port) => openProxy({ to: { host: '127.0.0.1', port } })))
}

export function urlOf(port: number, host = '127.0.0.1'): string {
  return `http://${host}:${port}`
}

/** Below the ports that systems give to outgoing connections: those could take a dead node's. */
const PORT_MIN = 15_000
const PORT_MAX = 31_000

/** Ports that nobody uses, all held for a moment at once, so they differ. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  const held: ReturnType<typeof createServer>[] = []
  try {
    for (let tries = 0; ports.length < count; tries++) {
      if (tries > 1_000) throw new Error('no port is free')
      const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN))
      const server = createServer()
      const isFree = await new Promise<boolean>((resolve) => {
        server.once('error', () => resolve(false))
        server.listen({ host: '127.0.0.1', port }, () => resolve(true))
      })
      if (!isFree) continue
      held.push(server)
      ports.push(port)
    }
  } finally {
    await Promise.all(held.map((server) => new Promise((done) => server.close(done))))
  }
  return ports
}

export interface ConfigItem {
  readonly key: string
  readonly version: number
  readonly revision: number
  readonly value: string
}

/** All keys under a prefix with their values, page by page. */
export async function configOf(
  node: ClusterNode,
  { prefix = '', consistency }: { readonly prefix?: string; readonly consistency: string },
): Promise<ConfigItem[]> {
  const items: ConfigItem[] = []
  for (let cursor = ''; ;) {
    const query = `prefix=${prefix}&values=true&consistency=${consistency}&timeout=30s${cursor}`
    const { status, json, text } = await node.get(`/v1/config?${query}`)
    if (status !== 200) throw new Error(`${node.id} lists no keys: ${text}`)
    items.push(...(json['items'] as ConfigItem[]))
    if (json['next'] === undefined) return items
    cursor = `&cursor=${encodeURIComponent(json['next'] as string)}`
  }
}

/** The index that all have applied and know as committed; null where they differ. */
export async function appliedAlike(nodes: readonly ClusterNode[]): Promise<number | null> {
  const all = await Promise.all(nodes.map((node) => node.status()))
  const indexes = all.flatMap((status) => [status['commitIndex'], status['appliedIndex']])
  return new Set(indexes).size === 1 ? (indexes[0] as number) : null
}

/**
 * Whether exactly those vote by an answer of `/v1/cluster`, nobody else is a member, and nothing is
 * under way. Throws what is there instead.
 */
export function haveVoters(json: Json, ids: readonly string[]): true {
  const members = json['members'] as { readonly id: string; readonly role: string }[]
  const found = members.map(({ id, role }) => `${id} ${role}`).sort()
  const wanted = ids.map((id) => `${id} voter`).sort()
  if (found.join() === wanted.join() && json['change'] === null) return true
  throw new Error(`${found.join()} ${JSON.stringify(json['change'])}`)
}

/** All that a node holds, as one text: the same on nodes with the same state. */
export async function stateOf(node: ClusterNode): Promise<string> {
  const config = await configOf(node, { consistency: 'stale' })
  const services = await node.get('/v1/services?consistency=stale')
  const names = (services.json['services'] as { name: string }[]).map(({ name }) => name)
  const each = await Promise.all(
    names.map(async (name) => (await node.get(`/v1/services/${name}?consistency=stale`)).text),
  )
  return [JSON.stringify(config), services.text, ...each].join('\n')
}
