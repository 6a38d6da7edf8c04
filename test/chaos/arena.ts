/**
 * A cluster under load that nemeses hurt: what they may do to it, and how it is judged in the end,
 * when everything is healed and all traffic has stopped.
 */
import { rmSync } from 'node:fs'
import {
  appliedAlike,
  configOf,
  startCluster,
  stateOf,
  type Cluster,
  type ClusterNode,
  type ClusterOptions,
  type Json,
} from '../support/cluster.ts'
import { until } from '../support/until.ts'
import { Beats } from './beats.ts'
import { Clients } from './clients.ts'
import { judge } from './judge.ts'
import { valueOf } from './registers.ts'
import { Violation, type Run } from './run.ts'

const CLIENTS = 6
const HEAL_MS = 90_000
const LOOK_MS = 700

export interface ArenaOptions extends ClusterOptions {
  /** Names the keys; different for each cluster of one run. */
  readonly name?: string
  readonly clients?: number
  /** False: nobody keeps instances alive, where there is no second node to do it through. */
  readonly beats?: boolean
  /** See `Beats`. */
  readonly rate?: number
}

interface Load {
  readonly clients: Clients
  readonly beats: Beats | null
}

/** Starts a cluster with its load, hurts it, heals it, judges it, and takes it away again. */
export async function inArena(
  run: Run,
  options: ArenaOptions,
  hurt: (arena: Arena) => Promise<void>,
): Promise<void> {
  const { depth } = run
  const cluster = await startCluster({ ...options, start: false })
  run.clusters.push(cluster)
  run.defer(() => cluster.stop())
  const arena = new Arena(run, cluster, options)
  if (options.start !== false) await arena.open()
  await hurt(arena)
  if (run.isAborted) return
  await arena.conclude()
  // Where a promise was broken everything stays as it is, to be saved.
  await run.undo(depth)
  run.clusters.splice(run.clusters.indexOf(cluster), 1)
}

export class Arena {
  readonly run: Run
  readonly cluster: Cluster
  readonly #options: ArenaOptions
  readonly #claimed = new Set<ClusterNode>()
  #load: Load | null = null

  constructor(run: Run, cluster: Cluster, options: ArenaOptions) {
    this.run = run
    this.cluster = cluster
    this.#options = options
  }

  get nodes(): readonly ClusterNode[] {
    return this.cluster.nodes
  }

  get clients(): Clients {
    return this.#started().clients
  }

  #started(): Load {
    if (this.#load === null) throw new Error('the load was not started')
    return this.#load
  }

  /** Starts the nodes, then the load. */
  async open(): Promise<void> {
    for (const node of this.nodes) this.start(node)
    await this.cluster.ready()
    this.startLoad()
  }

  startLoad(): void {
    const { run } = this
    const { name = 'chaos', clients = CLIENTS, beats = true, rate = 1 } = this.#options
    const nodes = (): readonly ClusterNode[] => this.nodes
    this.#load = {
      clients: new Clients({ run, name, nodes, count: clients }),
      beats: beats ? new Beats({ run, nodes, rate }) : null,
    }
  }

  /** Nobody else hurts what is claimed. Null where all are being hurt already. */
  claim(wanted: ClusterNode | null = null): ClusterNode | null {
    const free = this.nodes.filter((node) => !this.#claimed.has(node))
    const node = wanted ?? (free.length > 0 ? this.run.oneOf(free) : null)
    if (node === null || this.#claimed.has(node)) return null
    this.#claimed.add(node)
    return node
  }

  /** All of them, or null. */
  claimAll(): readonly ClusterNode[] | null {
    if (this.#claimed.size > 0) return null
    const all = [...this.nodes]
    for (const node of all) this.#claimed.add(node)
    return all
  }

  release(...nodes: readonly (ClusterNode | null)[]): void {
    for (const node of nodes) if (node !== null) this.#claimed.delete(node)
  }

  /** Whoever leads by its own words, of the newest term; null where nobody says so. */
  async leader(): Promise<ClusterNode | null> {
    const all = await Promise.all(
      this.nodes.map(async (node) => {
        const answer = await node
          .call('GET', '/v1/status', { timeoutMs: LOOK_MS })
          .catch(() => null)
        const isLeader = answer?.json['role'] === 'leader'
        return { node, term: isLeader ? (answer.json['term'] as number) : -1 }
      }),
    )
    const best = all.reduce((a, b) => (b.term > a.term ? b : a))
    return best.term >= 0 ? best.node : null
  }

  /** The process that is this node now, which must not have ended by itself. */
  mustRun(node: ClusterNode): void {
    if (node.isRunning) return
    throw new Violation(`${node.id} ended by itself:\n${node.process.tail()}`)
  }

  async kill(node: ClusterNode): Promise<void> {
    this.mustRun(node)
    this.run.note(`kill ${node.id}`)
    this.run.count('kills')
    await node.process.kill()
  }

  start(node: ClusterNode, args: readonly string[] = node.args): void {
    if (this.run.isAborted) throw new Error('the run is being taken down: nobody starts any more')
    this.run.note(`start ${node.id}`)
    node.start(args)
  }

  /** Takes a node that is no member any more out of the world. */
  async discard(node: ClusterNode): Promise<void> {
    await node.process.kill()
    await node.proxy?.close()
    this.release(node)
    this.run.gone.push(node)
    const place = this.cluster.nodes.indexOf(node)
    if (place >= 0) this.cluster.nodes.splice(place, 1)
    rmSync(node.dataDir, { recursive: true, force: true })
  }

  /** Waits for so many acknowledged writes more: the cluster serves, and none of `nodes` ended. */
  async progress(more: number, nodes: readonly ClusterNode[] = []): Promise<void> {
    const wanted = this.clients.acks + more
    const isDone = (): boolean =>
      this.clients.acks >= wanted || nodes.some(({ isRunning }) => !isRunning)
    await until('writes are acknowledged', isDone, { ms: HEAL_MS })
    for (const node of nodes) this.mustRun(node)
  }

  /** All run, nothing is in the way, and everybody says that it is ready. */
  async heal(): Promise<void> {
    this.run.note('heal')
    for (const { proxy } of this.nodes) proxy?.heal()
    for (const node of this.nodes) {
      if (!node.isRunning) this.start(node)
      node.process.resume()
    }
    await until('all nodes are ready', () => this.#areReady(), { ms: HEAL_MS, everyMs: 50 })
  }

  async #areReady(): Promise<boolean> {
    for (const node of this.nodes) {
      this.mustRun(node)
      const { status, text } = await node.call('GET', '/readyz', { timeoutMs: 2_000 })
      if (status !== 200) throw new Error(`${node.id}: ${text.trim()}`)
    }
    return true
  }

  /** Heals, waits until writes go through, ends the traffic, and judges what was seen. */
  async conclude(): Promise<void> {
    await this.heal()
    await this.progress(5, this.nodes)
    const { clients, beats } = this.#started()
    await Promise.all([clients.stop(), beats?.stop()])
    await this.#sameState()
    for (const node of this.nodes) await this.#readAll(node)
    const prefix = `${this.#options.name ?? 'chaos'}/`
    const own = this.run.history.filter(({ key }) => key.startsWith(prefix))
    const problems = [...clients.problems, ...(beats?.problems ?? []), ...judge(own)]
    if (problems.length > 0) throw new Violation(problems.join('\n'))
    this.run.note(`judged ${own.length} operations`)
  }

  /** At one applied index all hold the same. */
  async #sameState(): Promise<void> {
    let states: string[] = []
    await until(
      'nothing moves while all states are read',
      async () => {
        const before = await appliedAlike(this.nodes)
        states = await Promise.all(this.nodes.map(stateOf))
        return before !== null && before === (await appliedAlike(this.nodes))
      },
      { ms: HEAL_MS, everyMs: 100 },
    )
    const odd = this.nodes.filter((_, i) => states[i] !== states[0]).map(({ id }) => id)
    if (odd.length === 0) return
    throw new Violation(`${odd.join(', ')} and ${this.nodes[0]?.id} hold different states`)
  }

  /** What a node holds of every register of the history stands in it as one more read. */
  async #readAll(node: ClusterNode): Promise<void> {
    const { history } = this.run
    const name = this.#options.name ?? 'chaos'
    const called = performance.now()
    const found = await holdings(node, name)
    const returned = performance.now()
    const own = history.filter(({ key }) => key.startsWith(`${name}/`))
    const revision = own.reduce((newest, seen) => Math.max(newest, seen.revision ?? 0), 0)
    for (const [key, kind] of new Map(own.map((seen) => [seen.key, seen.kind]))) {
      const held = found.get(key)
      const seen = { kind, key, client: 'final', node: node.id, called, returned, revision }
      const answer =
        held === undefined
          ? ({ type: 'not_found' } as const)
          : ({ type: 'found', ...held } as const)
      history.push({ ...seen, call: { type: 'get' }, consistency: 'linearizable', answer })
    }
  }
}

/** All registers whose names begin with `name/`, from the node's own state. */
async function holdings(
  node: ClusterNode,
  name: string,
): Promise<ReadonlyMap<string, { readonly value: string; readonly version: number }>> {
  const keys = await configOf(node, { prefix: `${name}/`, consistency: 'stale' })
  const { json } = await node.get(`/v1/services/${name}?consistency=stale`)
  const instances = json['instances'] as Json[]
  return new Map([
    ...keys.map(({ key, value, version }) => [key, { value, version }] as const),
    ...instances.map((instance) => {
      const version = Number(instance['revision'])
      return [`${name}/${String(instance['id'])}`, { value: valueOf(instance), version }] as const
    }),
  ])
}
