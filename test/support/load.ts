/**
 * Writers that keep an account: what was acknowledged, and what may have happened. Each goes on
 * at another node where one does not answer.
 */
import { expect } from 'bun:test'
import { configOf, type ClusterNode } from './cluster.ts'
import { until } from './until.ts'

/** The newest acknowledged write of a key, and all that were tried after it. */
interface Account {
  acked: { readonly value: string; readonly revision: number; readonly version: number } | null
  unknown: string[]
  acks: number
}

/** A pause where nobody answers, so that a dead cluster is not stormed. */
const RETRY_MS = 20

export class Load {
  readonly #nodes: readonly ClusterNode[]
  readonly #name: string
  readonly #counters = new Map<string, Account>()
  /** Keys that are written once, with the revision at which that was acknowledged. */
  readonly #once = new Map<string, number>()
  readonly #writers: Promise<void>[]
  #stopped = false

  /** Starts so many writers at once. */
  constructor(name: string, nodes: readonly ClusterNode[], writers: number) {
    this.#name = name
    this.#nodes = nodes
    this.#writers = Array.from({ length: writers }, (_, i) => this.#write(i))
  }

  get acks(): number {
    return [...this.#counters.values()].reduce((sum, { acks }) => sum + acks, 0)
  }

  /** Waits for so many acknowledged writes more, by each of the writers. */
  async progress(more: number): Promise<void> {
    const wanted = [...this.#counters.values()].map(({ acks }) => acks + more)
    await until(`each writer gets ${more} writes more acknowledged`, () =>
      [...this.#counters.values()].every(({ acks }, i) => acks >= (wanted[i] ?? 0)),
    )
  }

  /** Ends the writers; each finishes what it is waiting for. */
  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#writers)
  }

  async #write(writer: number): Promise<void> {
    const key = `${this.#name}/counter/${writer}`
    const account: Account = { acked: null, unknown: [], acks: 0 }
    this.#counters.set(key, account)
    for (let i = 0, place = writer; !this.#stopped; i++) {
      const node = this.#nodes[place % this.#nodes.length] as ClusterNode
      const isOnce = i % 2 === 1
      const path = isOnce ? `${this.#name}/once/${writer}-${i}` : key
      const value = `${writer}-${i}-${'x'.repeat(i % 300)}`
      if (!isOnce) account.unknown.push(value)
      // Our patience outlasts the node's: whatever it still holds has been decided when we go on.
      const answer = await node
        .put(`/v1/config/${path}`, value, { timeoutMs: 30_000 })
        .catch(() => null)
      if (answer === null || answer.status >= 300) {
        if (answer !== null) this.#judgeFailure(answer.status, answer.json)
        place += 1
        await Bun.sleep(RETRY_MS)
        continue
      }
      const revision = answer.json['revision'] as number
      const version = answer.json['version'] as number
      account.acks += 1
      if (isOnce) this.#once.set(path, revision)
      else {
        expect(revision).toBeGreaterThan(account.acked?.revision ?? 0)
        expect(version).toBeGreaterThan(account.acked?.version ?? 0)
        account.acked = { value, revision, version }
        account.unknown = []
      }
    }
  }

  /** A write that failed says whether it may have happened. */
  #judgeFailure(status: number, json: Readonly<Record<string, unknown>>): void {
    expect([429, 503, 504]).toContain(status)
    expect(json['outcome']).toBe(status === 504 ? 'unknown' : 'not_applied')
  }

  /** As `verify`, on a cluster that goes on with the values at other revisions. */
  async verifyValues(node: ClusterNode): Promise<void> {
    const found = await configOf(node, { prefix: `${this.#name}/`, consistency: 'lease' })
    const values = new Map(found.map(({ key, value }) => [key, value]))
    for (const key of this.#once.keys()) expect([key, values.has(key)]).toEqual([key, true])
    for (const [key, { acked, unknown }] of this.#counters) {
      if (acked !== null)
        expect([acked.value, ...unknown]).toContain(values.get(key) ?? `no ${key}`)
    }
  }

  /** {@link verify} of each of them. */
  async verifyOn(
    nodes: readonly ClusterNode[],
    consistency: 'lease' | 'linearizable' | 'stale',
  ): Promise<void> {
    for (const node of nodes) await this.verify(node, consistency)
  }

  /** Every acknowledged write is on `node`, or a later one that nobody got an answer to. */
  async verify(node: ClusterNode, consistency: 'lease' | 'linearizable' | 'stale'): Promise<void> {
    const found = await configOf(node, { prefix: `${this.#name}/`, consistency })
    const items = new Map(found.map((item) => [item.key, item]))
    for (const [key, revision] of this.#once) {
      expect([key, items.get(key)?.revision]).toEqual([key, revision])
    }
    for (const [key, { acked, unknown }] of this.#counters) {
      if (acked === null) continue
      const item = items.get(key)
      expect([acked.value, ...unknown]).toContain(item?.value ?? `${key} is lost`)
      if (item?.value === acked.value) {
        expect([key, item.revision, item.version]).toEqual([key, acked.revision, acked.version])
      } else {
        expect(item?.revision).toBeGreaterThan(acked.revision)
      }
    }
  }
}
