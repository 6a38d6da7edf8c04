/**
 * A client that keeps instances alive through one node and watches them through others. It holds
 * the cluster to its promise: nobody is gone before the TTL has passed since the sending of the
 * last beat that was answered 200, by the client's own clock.
 */
import { expect } from 'bun:test'
import type { ClusterNode } from './cluster.ts'

const BEAT_MS = 100
const LOOK_MS = 30

export class Beater {
  readonly path: string
  readonly #ttlMs: number
  /** When the newest beat that was answered had been sent. */
  #sentMs = 0
  /** Of the registration: a stale read may know less, and would be no witness. */
  #revision = 0
  #beating = true
  #stopped = false
  readonly #loops: Promise<void>[] = []
  answered = 0
  looks = 0

  constructor(path: string, ttlMs: number) {
    this.path = path
    this.#ttlMs = ttlMs
  }

  /** Registers it, then beats through `through` and looks at it through each of `watchers`. */
  async start(
    through: ClusterNode,
    options: { readonly removeAfter?: string; readonly watchers: readonly ClusterNode[] },
  ): Promise<void> {
    const { removeAfter = '0s', watchers } = options
    const sentMs = performance.now()
    const spec = { address: '10.0.0.9', port: 80, ttl: `${this.#ttlMs}ms`, removeAfter }
    const { status, text, json } = await through.put(this.path, spec)
    expect([status, text]).toEqual([201, text])
    this.#sentMs = sentMs
    this.#revision = json['revision'] as number
    this.#loops.push(this.#beat(through), ...watchers.map((node) => this.#watch(node)))
  }

  /** Waits until no beat is under way any more. */
  async stopBeating(): Promise<void> {
    this.#beating = false
    await this.#loops[0]
  }

  async stop(): Promise<void> {
    this.#beating = false
    this.#stopped = true
    await Promise.all(this.#loops)
  }

  async #beat(through: ClusterNode): Promise<void> {
    while (this.#beating) {
      const sentMs = performance.now()
      const answer = await through.call('POST', `${this.path}/heartbeat`).catch(() => null)
      if (answer?.status === 200) {
        this.#sentMs = sentMs
        this.answered += 1
      } else if (answer?.status === 404) {
        this.#mustBeLate('a beat was answered 404')
      } else if (answer !== null) {
        expect([503, 504]).toContain(answer.status)
      }
      await Bun.sleep(BEAT_MS)
    }
  }

  async #watch(node: ClusterNode): Promise<void> {
    const modes = ['stale', 'lease', 'linearizable']
    let i = 0
    while (!this.#stopped) {
      const mode = modes[i++ % modes.length] ?? ''
      const answer = await node
        .get(`${this.path}?consistency=${mode}&min-revision=${this.#revision}`)
        .catch(() => null)
      this.looks += 1
      if (answer?.status === 404) this.#mustBeLate(`${node.id} does not know it (${mode})`)
      if (answer?.status === 200 && answer.json['health'] === 'critical') {
        this.#mustBeLate(`${node.id} calls it critical (${mode})`)
      }
      await Bun.sleep(LOOK_MS)
    }
  }

  #mustBeLate(what: string): void {
    const sinceMs = Math.ceil(performance.now() - this.#sentMs)
    if (sinceMs >= this.#ttlMs) return
    throw new Error(`${what} ${sinceMs} ms after an answered beat; its TTL is ${this.#ttlMs} ms`)
  }
}
