/**
 * A register that one client writes, one value after the other, and many read through all nodes.
 * With a single writer linearizability is easy to judge: no read may be older than a write that
 * was acknowledged, or than another read that was answered, before it began; none may be newer
 * than what was ever tried. Each write names the version that it replaces, so one that was given
 * up on cannot come late and undo a newer one.
 */
import { expect } from 'bun:test'
import type { ClusterNode } from './cluster.ts'

const PATIENCE_MS = 3_000
const RETRY_MS = 10

export class Register {
  readonly #nodes: readonly ClusterNode[]
  readonly #key: string
  /** Values are 1, 2, 3, … */
  #tried = 0
  /** The newest that is known to be in force: acknowledged, or read. */
  #known = 0
  #knownRevision = 0
  #stopped = false
  readonly #loops: Promise<void>[]
  writes = 0
  reads = 0

  constructor(name: string, nodes: readonly ClusterNode[]) {
    this.#nodes = nodes
    this.#key = `/v1/config/register/${name}`
    this.#loops = [
      this.#write(),
      ...nodes.flatMap((node) => [this.#read(node, 'lease'), this.#read(node, 'linearizable')]),
    ]
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#loops)
  }

  async #write(): Promise<void> {
    let version = 0
    for (let i = 0; !this.#stopped;) {
      const node = this.#nodes[i % this.#nodes.length] as ClusterNode
      const value = (this.#tried += 1)
      const condition = version === 0 ? { 'If-None-Match': '*' } : { 'If-Match': `"${version}"` }
      const options = { headers: condition, timeoutMs: PATIENCE_MS }
      const answer = await node
        .put(`${this.#key}?timeout=2s`, String(value), options)
        .catch(() => null)
      if (answer !== null && answer.status < 300) {
        this.writes += 1
        version = answer.json['version'] as number
        this.#learn(value, answer.json['revision'] as number)
        continue
      }
      if (answer?.status === 503) expect(answer.json['outcome']).toBe('not_applied')
      i += 1
      version = await this.#version(i, version)
    }
  }

  /** Asks one node after the other which version stands, until one knows. */
  async #version(from: number, known: number): Promise<number> {
    for (let i = from; !this.#stopped; i++) {
      const node = this.#nodes[i % this.#nodes.length] as ClusterNode
      const path = `${this.#key}?consistency=linearizable&timeout=2s`
      const answer = await node.get(path, { timeoutMs: PATIENCE_MS }).catch(() => null)
      if (answer?.status === 404) return 0
      if (answer?.status === 200) return Number(answer.headers.get('etag')?.replaceAll('"', ''))
      await Bun.sleep(RETRY_MS)
    }
    return known
  }

  async #read(node: ClusterNode, consistency: string): Promise<void> {
    while (!this.#stopped) {
      const before = this.#known
      const revisionBefore = this.#knownRevision
      const answer = await node
        .get(`${this.#key}?consistency=${consistency}&timeout=2s`, { timeoutMs: PATIENCE_MS })
        .catch(() => null)
      if (answer === null || answer.status >= 500) {
        await Bun.sleep(RETRY_MS)
        continue
      }
      this.reads += 1
      const value = answer.status === 404 ? 0 : Number(answer.text)
      const where = `${consistency} read on ${node.id}`
      if (value < before) throw new Error(`${where}: ${value}, but ${before} was known before it`)
      if (value > this.#tried) throw new Error(`${where}: ${value} was never written`)
      const revision = Number(answer.headers.get('rollcall-revision'))
      if (revision < revisionBefore) throw new Error(`${where}: revision ${revision} went back`)
      this.#learn(value, 0)
    }
  }

  #learn(value: number, revision: number): void {
    this.#known = Math.max(this.#known, value)
    this.#knownRevision = Math.max(this.#knownRevision, revision)
  }
}
