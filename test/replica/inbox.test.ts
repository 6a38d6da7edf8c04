/** Which proposals wait for company, and for how long. */
import { expect, test } from 'bun:test'
import type { Input, Raft, Role } from '../../src/raft/mod.ts'
import { Inbox } from '../../src/replica/inbox.ts'

const TICK: Input = { type: 'tick' }

function proposal(id: number, bytes = 10): Input {
  return { type: 'propose', id, data: new Uint8Array(bytes), own: false }
}

class Bench {
  /** All that the inbox looks at. */
  readonly raft: { role: Role; committed: number; last: number } = {
    role: 'leader',
    committed: 7,
    last: 7,
  }
  turns = 0
  timer: { readonly ms: number; readonly run: () => void } | null = null
  readonly inbox = new Inbox({
    raft: this.raft as Raft,
    setTimer: (ms, run) => {
      expect(this.timer).toBeNull() // One is enough.
      this.timer = { ms, run }
      return () => (this.timer = null)
    },
    turnSoon: () => (this.turns += 1),
  })

  /** The ids of what a turn takes. */
  take(): readonly number[] {
    return this.inbox.takeProposals().map((input) => (input.type === 'propose' ? input.id : 0))
  }
}

test('where nothing is on its way nothing waits', () => {
  const bench = new Bench()
  bench.inbox.push(proposal(1))
  expect(bench).toMatchObject({ turns: 1, timer: null })
  expect(bench.take()).toEqual([1])
  expect(bench.take()).toEqual([])
})

test('while a batch is on its way the next one gathers, and goes once that is committed', () => {
  const bench = new Bench()
  bench.raft.last = 8
  for (let id = 1; id <= 5; id++) bench.inbox.push(proposal(id))
  expect(bench.turns).toBe(0)
  expect(bench.take()).toEqual([]) // A turn for something else.

  bench.raft.committed = 8
  expect(bench.take()).toEqual([1, 2, 3, 4, 5])
  expect(bench.timer).toBeNull()
})

test('it waits a few milliseconds at most, be the majority far or away', () => {
  const bench = new Bench()
  bench.raft.last = 8
  bench.inbox.push(proposal(1))
  bench.inbox.push(proposal(2))
  expect(bench.timer?.ms).toBeLessThanOrEqual(5)
  bench.timer?.run()
  expect(bench.turns).toBe(1)
  expect(bench.take()).toEqual([1, 2])

  bench.inbox.push(proposal(3)) // The next one has its own time.
  expect(bench.take()).toEqual([])
  expect(bench.timer).not.toBeNull()
})

test('much goes at once: many proposals, or large ones', () => {
  for (const [count, bytes] of [
    [512, 10],
    [4, 65_536],
  ] as const) {
    const bench = new Bench()
    bench.raft.last = 8
    for (let id = 1; id < count; id++) bench.inbox.push(proposal(id, bytes))
    expect(bench.turns).toBe(0)
    bench.inbox.push(proposal(count, bytes))
    expect(bench.turns).toBe(1)
    expect(bench.take()).toHaveLength(count)
  }
})

test('all else is taken by the next turn, and who does not lead gathers nothing', () => {
  const bench = new Bench()
  bench.raft.last = 8
  bench.inbox.push(TICK)
  bench.inbox.push(proposal(1))
  expect(bench.turns).toBe(1)
  expect(bench.inbox.takeInputs()).toEqual([TICK])
  expect(bench.inbox.takeInputs()).toEqual([])

  bench.raft.role = 'follower' // It is refused then, at once.
  expect(bench.take()).toEqual([1])
})

test('a node that stops leaves no timer behind', () => {
  const bench = new Bench()
  bench.raft.last = 8
  bench.inbox.push(proposal(1))
  bench.inbox.stop()
  expect(bench.timer).toBeNull()
})
