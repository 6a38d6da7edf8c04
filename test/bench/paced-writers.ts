import { performance } from 'node:perf_hooks'
import type { ClusterNode } from '../support/cluster.ts'

const WRITERS = 8
/** Each writer's pause between two writes: the load stays the same, whatever it is answered. */
const PACE_MS = 10

/** A steady load, and how long each of its writes took. */
export class PacedWriters {
  readonly #leader: ClusterNode
  readonly #loops: Promise<void>[]
  #tookMs: number[] = []
  #refusals: string[] = []
  #stopped = false

  constructor(leader: ClusterNode) {
    this.#leader = leader
    this.#loops = Array.from({ length: WRITERS }, (_, i) => this.#write(i))
  }

  /** What was measured since this was last asked. */
  take(): number[] {
    const took = this.#tookMs
    this.#tookMs = []
    return took
  }

  /** What was answered, since this was last asked, to writes that were not done or may not have been. */
  takeRefusals(): string[] {
    const refusals = this.#refusals
    this.#refusals = []
    return refusals
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#loops)
  }

  async #write(writer: number): Promise<void> {
    for (let i = 0; !this.#stopped; i++) {
      const sentMs = performance.now()
      const key = `/v1/config/small/${writer}-${i % 100}`
      const { status, text } = await this.#leader.put(key, 'x'.repeat(200))
      if (status >= 300) this.#refusals.push(`${status} ${text}`)
      this.#tookMs.push(performance.now() - sentMs)
      await Bun.sleep(PACE_MS)
    }
  }
}
