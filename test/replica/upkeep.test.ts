/** When the disk is tended, and what the log may lose then. */
import { expect, test } from 'bun:test'
import type { Entry, EntryId, Input, PeerProgress, Raft } from '../../src/raft/mod.ts'
import type { LogPort, StorePort } from '../../src/replica/ports.ts'
import { Upkeep, type UpkeepConfig } from '../../src/replica/custody/upkeep.ts'
import type { StateMachine } from '../../src/state/mod.ts'
import type { CompactionBounds } from '../../src/storage/mod.ts'

const CONFIG: UpkeepConfig = {
  checkpointBytes: 100,
  resetBytes: 400,
  tailBytes: 1_000,
  logBytesMax: 5_000,
  followerGoneMs: 10_000,
}

/** Everything around the upkeep, as plain values. */
class Bench {
  nowMs = 1_000
  applied = 0
  saved = 0
  /** When what was applied is to be saved; null: nothing is open. */
  timer: { readonly ms: number; readonly run: () => void } | null = null
  dirtyBytes = 0
  bytesWritten = 0
  compacted = 0
  progress: PeerProgress[] = []
  readonly asked: string[] = []
  readonly bounds: CompactionBounds[] = []
  readonly steps: Input[] = []
  /** Of a copy that is not kept. */
  refusal: 'no_room' | { wrong: string } = 'no_room'
  #done: ((result: boolean) => void) | null = null
  readonly upkeep: Upkeep

  constructor() {
    const { store, log, raft, state } = portsOf(this)
    this.upkeep = new Upkeep(
      {
        // What the upkeep asks of each is all that is there.
        raft: raft as unknown as Raft,
        state: state as unknown as StateMachine,
        store: store as StorePort,
        log: log as LogPort,
        nowMs: () => this.nowMs,
        setTimer: (ms, run) => {
          expect(this.timer).toBeNull() // One is enough.
          this.timer = { ms, run }
          return () => (this.timer = null)
        },
        setApplying: (on) => void this.asked.push(on ? 'go on' : 'pause'),
        wrong: (finding) => void this.asked.push(`wrong: ${finding}`),
        step: (input) => {
          if (input.type === 'compacted') this.compacted = input.at.index
          this.steps.push(input)
        },
      },
      CONFIG,
    )
  }

  ask(what: string, done: (result: boolean) => void): void {
    expect(this.#done).toBeNull() // One thing at a time.
    this.asked.push(what)
    this.#done = done
  }

  /** A turn, some time later. */
  turn(ms = 200): this {
    this.nowMs += ms
    this.upkeep.endOfTurn()
    return this
  }

  /** Entries are applied, each of a hundred bytes. */
  apply(count: number): this {
    this.applied += count
    this.dirtyBytes += count * 100
    this.bytesWritten += count * 100
    return this
  }

  end(result = true): this {
    const done = this.#done
    this.#done = null
    done?.(result)
    return this
  }

  peer(given: Partial<PeerProgress>): this {
    const { nowMs: lastAckMs } = this
    const usual = { id: 'b', match: 0, lastAckMs, state: 'replicate', witness: false } as const
    this.progress.push({ ...usual, ...given })
    return this
  }
}

/** What the upkeep asks of its ports, and no more. */
function portsOf(bench: Bench) {
  const store: Partial<StorePort> = {
    get dirtyBytes() {
      return bench.dirtyBytes
    },
    snapshotBytes: 777,
    checkpoint: (kind, done) => bench.ask(kind, done),
    keepSnapshot: (at, done) =>
      bench.ask(`keep ${at.index}`, (isKept) => done(isKept ? 'kept' : bench.refusal)),
    dropSnapshot: () => void bench.asked.push('drop'),
  }
  const log: Partial<LogPort> = {
    stats: () => ({ walBytes: 0, bytesWritten: bench.bytesWritten }),
    compact: (bounds) => {
      bench.bounds.push(bounds)
      return { index: Math.min(bounds.durable, bounds.needed), term: 1 }
    },
  }
  const raft = {
    get compacted() {
      return bench.compacted
    },
    get progress() {
      return bench.progress
    },
  }
  const state = {
    get revision() {
      return bench.applied
    },
    get appliedIndex() {
      return bench.applied
    },
    get savedIndex() {
      return bench.saved
    },
    save: () => void (bench.saved = bench.applied),
    appliedTerm: 1,
    membershipIndex: 1,
    membershipBytes: new Uint8Array([1]),
  }
  return { store, log, raft, state }
}

test('nothing is done where little was applied, and nothing twice', () => {
  const bench = new Bench()
  for (let i = 0; i < 50; i++) bench.turn()
  expect(bench.asked).toEqual([])

  bench.apply(1).turn()
  expect(bench.asked).toEqual(['passive'])
  bench.dirtyBytes = 100 // The file stays as it is until the next write.
  bench.end()
  for (let i = 0; i < 50; i++) bench.turn()
  expect(bench.asked).toEqual(['passive'])
})

test('durable is what was applied before a checkpoint that was complete', () => {
  const bench = new Bench()
  bench.apply(2).turn().apply(1).end(false)
  expect(bench.bounds).toEqual([])

  bench.apply(2).turn()
  const { applied } = bench
  bench.apply(1).end(true)
  expect(bench.bounds.map(({ durable }) => durable)).toEqual([applied])
})

test('under constant writes apply pauses for the rest of it', () => {
  const bench = new Bench()
  bench.apply(3).turn().apply(5).end()
  expect(bench.asked).toEqual(['passive', 'pause', 'reset'])
  expect(bench.upkeep.busy).toBe(true)
  bench.dirtyBytes = 0
  bench.end()
  expect(bench.asked.at(-1)).toBe('go on')
  expect(bench.upkeep.busy).toBe(false)
  expect(bench.bounds.at(-1)?.durable).toBe(8)
})

test('what live followers need stays, what silent ones need does not', () => {
  const bench = new Bench()
  bench.peer({ match: 7 }).peer({ match: 3, lastAckMs: -20_000 })
  bench.apply(10).turn().end()
  expect(bench.bounds[0]).toMatchObject({ needed: 7, tailBytes: 1_000, bytesMax: 5_000 })
  expect(bench.steps).toEqual([{ type: 'compacted', at: { index: 7, term: 1 } }])
})

test('a follower that needs a snapshot is given one, and the log waits for it behind that', () => {
  const bench = new Bench()
  bench.apply(10).peer({ state: 'snapshot' }).turn()
  expect(bench.asked).toEqual(['passive']) // While apply goes on; it pauses for the rest alone.
  bench.end()
  expect(bench.asked).toEqual(['passive', 'pause', 'reset'])
  bench.dirtyBytes = 0
  bench.end() // Complete: it is copied, while apply goes on.
  expect(bench.asked).toEqual(['passive', 'pause', 'reset', 'keep 10', 'go on'])
  bench.apply(30).turn()
  expect(bench.asked).toHaveLength(5) // No checkpoint moves the file under the copy.
  bench.end()
  const ready = bench.steps.findLast(({ type }) => type === 'snapshot_ready')
  expect(ready).toMatchObject({ meta: { snapshot: { index: 10, term: 1 }, membershipIndex: 1 } })

  bench.turn().end()
  expect(bench.bounds.at(-1)).toMatchObject({ needed: 10, bytesMax: 5_777 })
})

test('no copy is made for a witness, and no log is kept for it', () => {
  const bench = new Bench()
  bench.peer({ match: 2, witness: true }).peer({ state: 'snapshot', witness: true })
  bench.apply(10).turn().end()
  expect(bench.asked.some((what) => what.startsWith('keep'))).toBe(false)
  expect(bench.bounds[0]).toMatchObject({ needed: Infinity })
})

test('a copy that fails is tried again later, not at once', () => {
  const bench = new Bench()
  bench.apply(10).peer({ state: 'snapshot' }).turn().end().end().end(false)
  const { length } = bench.asked
  bench.turn(100)
  expect(bench.asked).toHaveLength(length)
  bench.turn(2_000)
  expect(bench.asked.length).toBeGreaterThan(length)
})

test('a copy that nobody needs any more is dropped; one taken by hand stays', () => {
  for (const byHand of [false, true]) {
    const bench = new Bench()
    bench.apply(1)
    const taken: (EntryId | null)[] = []
    if (byHand) bench.upkeep.take((snapshot) => taken.push(snapshot))
    else bench.peer({ state: 'snapshot' })
    bench.turn().end()
    bench.dirtyBytes = 0
    bench.end().end()
    bench.progress = []
    expect(bench.upkeep.snapshot).toEqual({ index: 1, term: 1 })
    expect(taken).toEqual(byHand ? [{ index: 1, term: 1 }] : [])

    bench.turn(61_000)
    expect(bench.asked.includes('drop')).toBe(!byHand)
    expect(bench.upkeep.snapshot === null).toBe(!byHand)
  }
})

/** As many entries as the core hands out at once. */
function batch(count: number, bytes = 10): Entry[] {
  const data = new Uint8Array(bytes)
  const entry = { type: 'command', index: 1, term: 1, clusterMs: 0, wallMs: 0, data } as const
  return Array.from({ length: count }, () => entry)
}

test('what was applied is saved a moment later, by one timer for all of it', () => {
  const bench = new Bench()
  bench.apply(2)
  bench.upkeep.applied(batch(1))
  bench.upkeep.applied(batch(1))
  expect(bench.saved).toBe(0)
  expect(bench.timer?.ms).toBeLessThanOrEqual(50)

  bench.timer?.run()
  expect(bench).toMatchObject({ saved: 2, timer: null })

  bench.apply(1)
  bench.upkeep.applied(batch(1))
  bench.upkeep.stop()
  expect(bench).toMatchObject({ saved: 2, timer: null }) // That is for who closes the state.
})

test('many entries, or large ones, are saved at once', () => {
  for (const entries of [batch(1_000), batch(4, 1_048_576)]) {
    const bench = new Bench()
    bench.apply(entries.length)
    bench.upkeep.applied(entries.slice(0, -1))
    expect(bench.saved).toBe(0)
    bench.upkeep.applied(entries.slice(-1))
    expect(bench).toMatchObject({ saved: entries.length, timer: null })
  }
})

test('a membership is saved at once: a state that knows its cluster shows that a log is gone', () => {
  const bench = new Bench().apply(1)
  bench.upkeep.applied(batch(1).map((entry) => ({ ...entry, type: 'membership' })))
  expect(bench).toMatchObject({ saved: 1, timer: null })
})

test('only what was saved counts as durable', () => {
  const bench = new Bench().apply(1).turn()
  expect(bench).toMatchObject({ asked: ['passive'], saved: 1 })
  bench.apply(10) // While the checkpoint is under way.
  bench.end()
  expect(bench.bounds.at(-1)?.durable).toBe(1)
})
