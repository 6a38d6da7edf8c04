/**
 * Instances with a short TTL, kept alive through random nodes and looked at through others. While
 * its beats are answered none may be gone: not before the TTL has passed since the sending of the
 * last one that was answered 200, by the clock of this process (L1). One that lapsed, because
 * nobody answered for so long, is registered anew.
 */
import type { ClusterNode } from '../support/cluster.ts'
import type { Run } from './run.ts'

const TTLS_MS = [1_500, 3_000, 6_000]
const BEAT_MS = 250
const LOOK_MS = 120
const PATIENCE_MS = 2_000
const READS = ['lease', 'linearizable', 'stale']

/** One life of an instance, from a registration that was answered to the next. */
interface Life {
  readonly revision: number
  /** When the newest request that was answered 200 had been sent. */
  sentMs: number
}

export interface BeatsOptions {
  readonly run: Run
  readonly nodes: () => readonly ClusterNode[]
  /** How much shorter a TTL may be than it says, where clocks run at different rates: 1 is none. */
  readonly rate: number
}

export class Beats {
  readonly #options: BeatsOptions
  readonly #loops: Promise<void>[]
  #isStopped = false
  readonly problems: string[] = []
  answered = 0
  lapsed = 0

  constructor(options: BeatsOptions) {
    this.#options = options
    this.#loops = TTLS_MS.map((ttlMs, i) => this.#keepAlive(`beat-${i}`, ttlMs))
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#loops)
  }

  async #keepAlive(id: string, ttlMs: number): Promise<void> {
    const path = `/v1/services/beats/instances/${id}`
    while (!this.#isStopped) {
      const life = await this.#register(path, ttlMs)
      if (life === null) {
        await Bun.sleep(BEAT_MS)
        continue
      }
      const end = { isOver: false }
      const looking = this.#look({ path, ttlMs, life, end })
      await this.#beat({ path, ttlMs, life, end })
      end.isOver = true
      await looking
    }
  }

  async #register(path: string, ttlMs: number): Promise<Life | null> {
    const sentMs = performance.now()
    const body = { address: '10.0.0.9', ttl: `${ttlMs}ms` }
    const answer = await this.#ask('PUT', `${path}?timeout=1s`, body)
    if (answer === null || answer.status >= 300) return null
    return { revision: answer.json['revision'] as number, sentMs }
  }

  /** Until it is answered that the instance is gone. */
  async #beat(of: LifeOf): Promise<void> {
    while (!this.#isStopped) {
      const sentMs = performance.now()
      const answer = await this.#ask('POST', `${of.path}/heartbeat?timeout=1s`)
      if (answer?.status === 200) {
        of.life.sentMs = sentMs
        this.answered += 1
      } else if (answer?.status === 404) {
        this.lapsed += 1
        return this.#mustBeLate(of, `${answer.node} answered a beat 404`)
      }
      await Bun.sleep(BEAT_MS)
    }
  }

  async #look(of: LifeOf): Promise<void> {
    const { path, life, end } = of
    while (!end.isOver && !this.#isStopped) {
      const mode = this.#options.run.oneOf(READS)
      const query = `consistency=${mode}&min-revision=${life.revision}&timeout=1s`
      const answer = await this.#ask('GET', `${path}?${query}`)
      if (answer?.status === 404 && !end.isOver) {
        this.#mustBeLate(of, `${answer.node} does not know it (${mode})`)
      }
      await Bun.sleep(LOOK_MS)
    }
  }

  #mustBeLate({ path, ttlMs, life }: LifeOf, what: string): void {
    const sinceMs = performance.now() - life.sentMs
    if (sinceMs >= ttlMs * this.#options.rate) return
    const since = `${Math.ceil(sinceMs)} ms after an answered beat was sent`
    this.problems.push(`${path}: ${what} ${since}; its TTL is ${ttlMs} ms`)
  }

  async #ask(
    method: string,
    path: string,
    body?: Record<string, unknown>,
  ): Promise<{ status: number; json: Record<string, unknown>; node: string } | null> {
    const nodes = this.#options.nodes()
    const node = nodes[this.#options.run.random(Math.max(1, nodes.length))]
    if (node === undefined) return null
    try {
      const request = { timeoutMs: PATIENCE_MS, fresh: method !== 'GET' }
      const { status, json } = await node.call(method, path, body ? { ...request, body } : request)
      return { status, json, node: node.id }
    } catch {
      return null // Nobody there: a beat without an answer promises nothing.
    }
  }
}

interface LifeOf {
  readonly path: string
  readonly ttlMs: number
  readonly life: Life
  readonly end: { readonly isOver: boolean }
}
