/**
 * Clients that write, compare and set, delete and read a few registers (keys and instances) through
 * all nodes, and put down what they were told. A register is left for a new one after a while:
 * histories stay short enough to be judged by search.
 */
import type { Answer, ClusterNode } from '../support/cluster.ts'
import type { ConfigAnswer, ConfigCall } from '../support/config-history.ts'
import { ask, readingOf, versionOf, type Register } from './registers.ts'
import type { Run } from './run.ts'
import type { Consistency } from './seen.ts'

const KEYS = 3
const USES_MAX = 80
const PAUSE_MS_MAX = 12
/** Where nobody answers, a dead cluster is not stormed. */
const RETRY_MS = 30
const VALUE_BYTES_MAX = 200

const READS: readonly Consistency[] = ['lease', 'linearizable', 'stale']

interface Key extends Register {
  uses: number
  /** The newest version that anybody was told of, for conditional writes. */
  version: number
}

interface Operation {
  readonly client: string
  readonly node: ClusterNode
  readonly key: Key
  readonly call: ConfigCall
  readonly consistency: Consistency | null
}

export interface ClientsOptions {
  readonly run: Run
  /** Of the cluster, told apart from other clusters of the same run. */
  readonly name: string
  /** Whoever may be asked just now. */
  readonly nodes: () => readonly ClusterNode[]
  readonly count: number
}

export class Clients {
  readonly #options: ClientsOptions
  readonly #keys: Key[] = []
  #made = 0
  #values = 0
  #isStopped = false
  readonly #loops: Promise<void>[]
  /** What no answer may ever be. */
  readonly problems: string[] = []
  /** Writes that were acknowledged. */
  acks = 0

  constructor(options: ClientsOptions) {
    this.#options = options
    for (let i = 0; i < KEYS; i++) this.#keys.push(this.#newKey())
    this.#loops = Array.from({ length: options.count }, (_, i) => this.#work(`c${i}`))
  }

  /** Each finishes what it is waiting for. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#loops)
  }

  async #work(client: string): Promise<void> {
    const { run, nodes } = this.#options
    while (!this.#isStopped) {
      const node = nodes()[run.random(Math.max(1, nodes().length))]
      const isAnswered = node !== undefined && (await this.#next(client, node))
      await Bun.sleep(isAnswered ? run.random(PAUSE_MS_MAX) : RETRY_MS)
    }
  }

  /**
   * Reads that wait in the sockets of a node that stands still: what it answers when it goes on is
   * from the past, unless it knows that time has gone by. They end with that, or with patience.
   */
  async probe(node: ClusterNode, count: number): Promise<void> {
    const reads = Array.from({ length: count }, (_, i) => {
      const key = this.#keys[i % KEYS] as Key
      const consistency = i % 3 === 2 ? 'linearizable' : 'lease'
      return this.#operate({ client: `probe-${i}`, node, key, call: { type: 'get' }, consistency })
    })
    await Promise.all(reads)
  }

  #next(client: string, node: ClusterNode): Promise<boolean> {
    const key = this.#key()
    const call = this.#call(client, key)
    const consistency = call.type === 'get' ? this.#options.run.oneOf(READS) : null
    return this.#operate({ client, node, key, call, consistency })
  }

  /** Answers whether the node did. */
  async #operate(operation: Operation): Promise<boolean> {
    const { client, node, key, call, consistency } = operation
    const { run } = this.#options
    const called = performance.now()
    const answer = await ask(node, key, call, consistency)
    const returned = performance.now()
    run.count('ops')
    const { kind, name } = key
    const seen = { kind, key: name, client, call, called, node: node.id, consistency }
    const outcome = answer === null ? 'unknown' : this.#read(operation, answer)
    if (outcome === 'refused') return false
    if (outcome === 'unknown') {
      if (call.type !== 'get') {
        run.history.push({ ...seen, returned: null, answer: null, revision: null })
      }
      return false
    }
    if ('version' in outcome) key.version = Math.max(key.version, outcome.version)
    if (outcome.type === 'written' || outcome.type === 'deleted') this.acks += 1
    const revision = Number(answer?.headers.get('rollcall-revision'))
    run.history.push({ ...seen, returned, answer: outcome, revision })
    return true
  }

  #key(): Key {
    const place = this.#options.run.random(KEYS)
    let key = this.#keys[place] as Key
    if (key.uses >= USES_MAX) key = this.#keys[place] = this.#newKey()
    key.uses += 1
    return key
  }

  #newKey(): Key {
    const made = this.#made++
    const kind = made % 3 === 2 ? 'instance' : 'config' // One of the first three, and so on.
    return { kind, name: `${this.#options.name}/r${made}`, uses: 0, version: 0 }
  }

  #call(client: string, key: Key): ConfigCall {
    const { run } = this.#options
    const die = run.random(100)
    if (die >= 58) return { type: 'get' }
    const value = `${client}-${this.#values++}-${'x'.repeat(run.random(VALUE_BYTES_MAX))}`
    if (die < 30) return { type: 'put', value, expect: null }
    if (die < 46) return { type: 'put', value, expect: key.version === 0 ? 'absent' : key.version }
    if (die < 50) return { type: 'put', value, expect: 'absent' }
    const expect = die < 55 || key.version === 0 ? null : key.version
    return { type: 'delete', expect }
  }

  /** `refused`: it says that nothing was applied; `unknown`: it may have been. */
  #read({ key, call, node }: Operation, answer: Answer): ConfigAnswer | 'refused' | 'unknown' {
    const { status, text, json } = answer
    if (status === 200 || status === 201 || status === 204) {
      if (call.type === 'delete') return { type: 'deleted' }
      if (call.type === 'put') return { type: 'written', version: versionOf(key, answer) }
      return { type: 'found', ...readingOf(key, answer) }
    }
    if (status === 404 && call.type === 'get') return { type: 'not_found' }
    if (status === 412 && call.type !== 'get' && call.expect !== null) return { type: 'mismatch' }
    if (status === 429 || status === 503 || status === 504) {
      const outcome = status === 504 ? 'unknown' : 'refused'
      const said = json['outcome'] === 'unknown' ? 'unknown' : 'refused'
      if (call.type === 'get' || said === outcome) return outcome
    }
    const asked = `${call.type} of ${key.kind} ${key.name} through ${node.id}`
    this.problems.push(`${asked} was answered ${status}: ${text.slice(0, 300)}`)
    return 'unknown'
  }
}
