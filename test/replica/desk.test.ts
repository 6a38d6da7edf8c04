/** What a leader refuses before anything is appended. */
import { expect, test } from 'bun:test'
import type { Input } from '../../src/raft/mod.ts'
import {
  LeaderDesk,
  NOT_LEADER,
  TOO_MANY,
  type DeskHost,
  type Reply,
} from '../../src/replica/desk.ts'
import type { Liveness } from '../../src/replica/liveness.ts'

const BYTES_MAX = 100

function deskOf({ role = 'leader', acceptsWrites = true, isFenced = false } = {}) {
  const inputs: Input[] = []
  const host: Partial<DeskHost> = {
    raft: { role, applied: 7 } as DeskHost['raft'],
    self: 'n1',
    enqueue: (input) => void inputs.push(input),
    acceptsWrites: () => acceptsWrites,
    commandBytesMax: () => BYTES_MAX,
    isFenced: () => isFenced,
  }
  const desk = new LeaderDesk(host as DeskHost, {} as Liveness, { proposalsMax: 2 })
  const propose = (bytes: number): Reply | null => {
    let answer: Reply | null = null
    desk.serve({ type: 'propose', command: new Uint8Array(bytes) }, (reply) => {
      answer = reply
    })
    return answer
  }
  return { inputs, propose }
}

test('a command that no entry of the log holds is refused, and the next one is taken', () => {
  const { inputs, propose } = deskOf()

  expect(propose(BYTES_MAX + 1)).toMatchObject({
    type: 'outcome',
    outcome: { ok: false, code: 'too_large', revision: 7 },
  })
  expect(inputs).toEqual([])
  expect(propose(BYTES_MAX)).toBeNull()
  expect(inputs).toMatchObject([{ type: 'propose', own: false }])
})

test('what a leader cannot take is refused with nothing appended', () => {
  for (const [options, refusal] of [
    [{ role: 'follower' }, NOT_LEADER],
    [{ isFenced: true }, NOT_LEADER],
    [{ acceptsWrites: false }, TOO_MANY],
  ] as const) {
    const { inputs, propose } = deskOf(options)
    expect([propose(1), inputs]).toEqual([refusal, []])
  }
  const { inputs, propose } = deskOf()
  expect([propose(1), propose(1), propose(1)]).toEqual([null, null, TOO_MANY])
  expect(inputs).toHaveLength(2)
})
