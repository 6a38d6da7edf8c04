import { expect, test } from 'bun:test'
import type { PeerRequest } from '../../src/mesh/peer.ts'
import type { Reply } from '../../src/replica/desk.ts'
import { LeaderCalls, type CallFailure } from '../../src/replica/leader-calls.ts'

const PROPOSE: PeerRequest = { type: 'propose', command: new Uint8Array([1]) }
const READ: PeerRequest = { type: 'read_index', mode: 'linearizable' }
const NOT_LEADER: Reply = { type: 'refused', code: 'not_leader' }
const OUTCOME: Reply = {
  type: 'outcome',
  outcome: { ok: true, revision: 7, created: false, result: null },
}
const READ_AT: Reply = { type: 'read_at', index: 9, mode: 'linearizable' }

function refusal(code: 'too_many_requests' | 'schema_changed' | 'conflict'): Reply {
  return { type: 'outcome', outcome: { ok: false, revision: 7, code, detail: '' } }
}

class World {
  leader: string | null = null
  nowMs = 0
  linked = true
  readonly sent: { to: string; id: number }[] = []
  readonly served: ((reply: Reply) => void)[] = []
  readonly results: (Reply | CallFailure)[] = []
  #timers: { atMs: number; run: () => void }[] = []
  readonly calls: LeaderCalls

  constructor(max = 100) {
    this.calls = new LeaderCalls(
      {
        self: 'n1',
        leader: () => this.leader,
        nowMs: () => this.nowMs,
        serve: (_request, reply) => this.served.push(reply),
        send: (to, id) => {
          if (this.linked) this.sent.push({ to, id })
          return this.linked
        },
        setTimer: (ms, run) => {
          this.#timers.push({ atMs: this.nowMs + ms, run })
          return () => {}
        },
      },
      { max, sweepMs: 50 },
    )
  }

  ask(request: PeerRequest, timeoutMs = 1_000) {
    this.calls.ask(request, this.nowMs + timeoutMs, (result) => this.results.push(result))
  }

  /** A write that is applied once however often it is sent. */
  askKeyed(timeoutMs = 1_000) {
    const deadlineMs = this.nowMs + timeoutMs
    this.calls.ask(PROPOSE, deadlineMs, (result) => this.results.push(result), true)
  }

  /** The next try reaches another leader. */
  answerAgain(reply: Reply) {
    this.leader = 'n3'
    this.calls.retry()
    this.calls.answered('n3', 1, reply)
  }

  pass(ms: number) {
    this.nowMs += ms
    const due = this.#timers.filter((timer) => timer.atMs <= this.nowMs)
    this.#timers = this.#timers.filter((timer) => timer.atMs > this.nowMs)
    for (const { run } of due) run()
  }
}

test('a call waits for a leader and goes out when there is one', () => {
  const world = new World()
  world.ask(PROPOSE)
  expect(world.sent).toEqual([])

  world.leader = 'n2'
  world.calls.retry()

  expect(world.sent).toEqual([{ to: 'n2', id: 1 }])
})

test('without a leader in its time a write is not applied: no_leader', () => {
  const world = new World()
  world.ask(PROPOSE, 100)

  world.pass(99)
  expect(world.results).toEqual([])
  world.pass(51)

  expect(world.results).toEqual([{ type: 'failed', code: 'no_leader' }])
  expect(world.calls.size).toBe(0)
})

test('a write that left and was not answered in its time is unknown', () => {
  const world = new World()
  world.leader = 'n2'
  world.ask(PROPOSE, 100)

  world.pass(150)

  expect(world.results).toEqual([{ type: 'failed', code: 'unknown' }])
})

test('a lost link makes a write unknown and is never sent again; a read is asked again', () => {
  const world = new World()
  world.leader = 'n2'
  world.ask(PROPOSE)
  world.ask(READ)

  world.calls.linkLost('n2')
  world.leader = 'n3'
  world.calls.retry()

  expect(world.results).toEqual([{ type: 'failed', code: 'unknown' }])
  expect(world.sent.slice(2)).toEqual([{ to: 'n3', id: 2 }])
})

test('a write with a key is sent again when its link is lost or another leads', () => {
  const world = new World()
  world.leader = 'n2'
  world.askKeyed()

  world.calls.linkLost('n2')
  world.leader = 'n3'
  world.calls.retry()
  world.leader = 'n2'
  world.calls.leaderChanged()
  world.calls.answered('n2', 1, OUTCOME)

  expect(world.sent.map(({ to }) => to)).toEqual(['n2', 'n3', 'n2'])
  expect(world.results).toEqual([OUTCOME])
})

test.each([
  ['no leader in its time', () => {}],
  [
    'a full queue',
    (world: World) => world.answerAgain({ type: 'refused', code: 'too_many_requests' }),
  ],
  ['a full table of keys', (world: World) => world.answerAgain(refusal('too_many_requests'))],
  ['a guard to check again', (world: World) => world.answerAgain(refusal('schema_changed'))],
])('once it left, a write with a key stays unknown, whatever the next try meets: %s', (_, meet) => {
  const world = new World()
  world.leader = 'n2'
  world.askKeyed(100)
  world.calls.linkLost('n2')
  world.leader = null

  meet(world)
  world.pass(150)

  expect(world.results).toEqual([{ type: 'failed', code: 'unknown' }])
})

test('a refusal that its key keeps is the answer, however often it was sent', () => {
  const world = new World()
  world.leader = 'n2'
  world.askKeyed()
  world.calls.linkLost('n2')

  world.answerAgain(refusal('conflict'))

  expect(world.results).toEqual([refusal('conflict')])
})

test('a write with a key that never left is not applied', () => {
  const world = new World()
  world.leader = 'n2'
  world.askKeyed()
  world.calls.answered('n2', 1, { type: 'refused', code: 'too_many_requests' })

  expect(world.results).toEqual([{ type: 'failed', code: 'too_many_requests' }])
})

test('"not leader, not appended" is sent again, to whoever leads then', () => {
  const world = new World()
  world.leader = 'n2'
  world.ask(PROPOSE)

  world.calls.answered('n2', 1, NOT_LEADER)
  world.leader = 'n1'
  world.pass(50)

  expect(world.served).toHaveLength(1)
  world.served[0]?.({ type: 'refused', code: 'too_many_requests' })
  expect(world.results).toEqual([{ type: 'failed', code: 'too_many_requests' }])
})

test('an answer counts once, and only from whom was asked', () => {
  const world = new World()
  world.leader = 'n2'
  world.ask(READ)

  world.calls.answered('n3', 1, READ_AT)
  expect(world.results).toEqual([])
  world.calls.answered('n2', 1, READ_AT)
  world.calls.answered('n2', 1, READ_AT)

  expect(world.results).toEqual([READ_AT])
})

test('a late answer of an earlier attempt is void when the call has moved on', () => {
  const world = new World()
  world.leader = 'n2'
  world.ask(READ)
  world.calls.linkLost('n2')
  world.leader = 'n3'
  world.calls.retry()

  world.calls.answered('n2', 1, { type: 'read_at', index: 1, mode: 'linearizable' })
  world.calls.answered('n3', 1, READ_AT)

  expect(world.results).toEqual([READ_AT])
})

test('when another leads, questions asked of the old one are asked again; a write is not', () => {
  const world = new World()
  world.leader = 'n2'
  world.ask(PROPOSE)
  world.ask(READ)

  world.leader = 'n3'
  world.calls.leaderChanged()

  expect(world.sent).toEqual([
    { to: 'n2', id: 1 },
    { to: 'n2', id: 2 },
    { to: 'n3', id: 2 },
  ])
  world.calls.answered('n2', 1, { type: 'refused', code: 'unknown' })
  expect(world.results).toEqual([{ type: 'failed', code: 'unknown' }])
})

test('stop() answers everybody: a write that was sent is unknown, the rest is not applied', () => {
  const world = new World()
  world.ask(READ)
  world.leader = 'n2'
  world.ask(PROPOSE)

  world.calls.stop()

  expect(world.results).toEqual([
    { type: 'failed', code: 'no_leader' },
    { type: 'failed', code: 'unknown' },
  ])
  expect(world.calls.size).toBe(0)
})

test('past the bound a call is refused at once', () => {
  const world = new World(1)
  world.ask(PROPOSE)
  world.ask(PROPOSE)

  expect(world.results).toEqual([{ type: 'failed', code: 'too_many_requests' }])
})
