import { describe, expect, test } from 'bun:test'
import { utf8 } from '../../src/lib/bytes.ts'
import { prng } from '../../src/lib/prng.ts'
import type { Random } from '../../src/lib/prng.ts'
import type { Entry, HardState } from '../../src/raft/mod.ts'
import { hard, Harness } from './harness.ts'

const SEEDS = 150
const STEPS = 120

interface State {
  readonly hardState: HardState
  readonly entries: readonly Entry[]
}

/**
 * The dumb second implementation: every state that the log went through, one for each hard state
 * and each entry, since a crash may fall between any two of them.
 */
class Model {
  #states: State[]
  /** Number of the write → how many states there were when it was complete. */
  readonly #complete = new Map<number, number>()

  constructor(state: State) {
    this.#states = [state]
  }

  get now(): State {
    return this.#states.at(-1) as State
  }

  write(number: number, entries: readonly Entry[], hardState: HardState | null): void {
    if (hardState !== null) this.#states.push({ ...this.now, hardState })
    for (const entry of entries) {
      const kept = this.now.entries.slice(0, entry.index - 1)
      this.#states.push({ ...this.now, entries: [...kept, entry] })
    }
    this.#complete.set(number, this.#states.length)
  }

  /** The states that may be found after a crash, newest first. */
  possible(done: readonly number[]): readonly State[] {
    let least = 1
    for (const number of done) least = Math.max(least, this.#complete.get(number) ?? 1)
    return this.#states.slice(least - 1).toReversed()
  }

  /** How much of the log is in every state that a crash may leave. */
  safeEntries(done: readonly number[]): number {
    const [newest, ...others] = this.possible(done)
    let safe = newest?.entries.length ?? 0
    for (const { entries } of others) {
      const same = entries.findIndex((entry, i) => entry !== newest?.entries[i])
      safe = Math.min(safe, same === -1 ? entries.length : same)
    }
    return safe
  }
}

function text(state: State): string {
  const { hardState, entries } = state
  const parts = entries.map(
    (e) => `${e.type} ${e.index} ${e.term} ${new TextDecoder().decode(e.data)}`,
  )
  return [`${hardState.term} ${hardState.votedFor} ${hardState.promiseMs}`, ...parts].join('\n')
}

/** One life after another of one log, with power cuts and kills at any moment. */
class Story {
  readonly #h: Harness
  readonly #random: Random
  #model: Model = new Model({ hardState: hard(0), entries: [] })
  /** Entries up to here are applied: they were durable, and are never replaced. */
  #applied = 0
  #nowMs = 0
  #cluster: string | null = null
  #unique = 0
  readonly found = { lives: 0, entries: 0, clusters: 0 }

  constructor(seed: number) {
    this.#h = new Harness({ seed })
    this.#random = prng(seed + 1_000_000)
    this.#h.open()
  }

  run(): void {
    for (let i = 0; i < STEPS; i++) this.#step()
    this.#h.settle()
    this.#restart()
  }

  #step(): void {
    const dice = this.#random(100)
    if (dice < 45) this.#write()
    else if (dice < 75) this.#h.step()
    else if (dice < 88) this.#h.wal.tick((this.#nowMs += this.#random(700)))
    else if (dice < 92) this.#apply()
    else if (dice < 94) this.#setCluster()
    else if (dice < 95) this.#close()
    else this.#restart()
  }

  #write(): void {
    const { entries, hardState } = this.#model.now
    const length = entries.length
    const lowest = Math.max(this.#applied, length - 5)
    const replaces = this.#random(5) === 0
    const from = replaces ? lowest + this.#random(length - lowest + 1) + 1 : length + 1
    const term = hardState.term + (replaces || this.#random(10) === 0 ? 1 : 0)
    const count = this.#random(4)
    const more = Array.from({ length: count }, (_, i) => this.#entry(from + i, Math.max(1, term)))
    const state = count === 0 || term !== hardState.term || term === 0
    const voted = this.#random(2) === 0 ? null : `n${this.#random(3)}`
    const next = state ? { term: Math.max(1, term) + (count === 0 ? 1 : 0), votedFor: voted } : null
    const hardState2 = next === null ? null : { ...next, promiseMs: this.#random(1_000) }
    const number = this.#h.write(more, hardState2)
    this.#model.write(number, more, hardState2)
  }

  #entry(index: number, term: number): Entry {
    const length = this.#random(6) === 0 ? this.#random(9_000) : this.#random(300)
    const data = utf8(`${(this.#unique += 1)} ${'x'.repeat(length)}`)
    const type = this.#random(20) === 0 ? 'membership' : 'command'
    return { type, index, term, clusterMs: index, wallMs: this.#unique, data }
  }

  #apply(): void {
    const safe = this.#model.safeEntries(this.#h.done)
    if (safe > this.#applied) this.#applied += this.#random(safe - this.#applied + 1)
  }

  #setCluster(): void {
    if (this.#cluster !== null) return
    // It may find no room in a nearly full segment; founding happens in an empty one.
    if (this.#h.wal.stats().segments > 1 || this.#model.now.entries.length > 2) return
    this.#cluster = 'c-1'
    this.#h.wal.setClusterId(this.#cluster)
  }

  #close(): void {
    this.#h.wal.close()
    this.#restart()
  }

  #restart(): void {
    const done = [...this.#h.done]
    if (this.#random(3) === 0) this.#h.kill()
    else this.#h.crash()
    const wal = this.#h.open({ appliedIndex: this.#applied, segmentBytes: 32 * 1024 })
    expect(this.#h.failures).toEqual([])
    expect(wal.identity.clusterId).toBe(this.#cluster)
    expect(wal.identity.incarnation).toBe('random-1')
    const { recovered } = wal
    const found: State = { hardState: recovered.hardState, entries: this.#h.entries() }
    const expected = this.#model.possible(done)
    const match = expected.find((state) => text(state) === text(found))
    if (match === undefined) expect(text(found)).toBe(text(expected.at(-1) as State))
    expect(recovered.memberships).toEqual(found.entries.filter((e) => e.type === 'membership'))
    expectTerms(recovered.terms, found.entries)
    this.#model = new Model(found)
    this.#h.done.length = 0
    this.found.lives += 1
    this.found.entries += found.entries.length
    if (this.#cluster !== null) this.found.clusters += 1
  }
}

function expectTerms(
  terms: readonly { readonly term: number; readonly from: number }[],
  entries: readonly Entry[],
): void {
  const expected = entries.filter((entry, i) => entry.term !== entries[i - 1]?.term)
  expect(terms).toEqual(expected.map(({ term, index }) => ({ term, from: index })))
}

describe('power cuts and kills', () => {
  test(`every write that was done is there afterwards: seeds 1–${SEEDS}`, () => {
    const total = { lives: 0, entries: 0, clusters: 0 }
    for (let seed = 1; seed <= SEEDS; seed++) {
      const story = new Story(seed)
      try {
        story.run()
      } catch (error) {
        throw new Error(`seed ${seed} fails`, { cause: error })
      }
      total.lives += story.found.lives
      total.entries += story.found.entries
      total.clusters += story.found.clusters
    }
    // A story that writes nothing would prove nothing.
    expect(total.lives).toBeGreaterThan(SEEDS * 3)
    expect(total.entries).toBeGreaterThan(SEEDS * 50)
    expect(total.clusters).toBeGreaterThan(SEEDS / 3)
  }, 120_000)
})
