/** How long a leader that goes waits for another one. */
import { expect, test } from 'bun:test'
import type { Membership } from '../../src/raft/mod.ts'
import { handOver } from '../../src/replica/hand-over.ts'
import type { Replica } from '../../src/replica/replica.ts'
import { membershipOf } from '../support/raft-node.ts'

const WAIT_MS = 1_500

/** A leader `a`; `connected` is whom it is linked with. */
function leaving(membership: Membership, connected: string) {
  const timers: (() => void)[] = []
  const at = { nowMs: 0, leader: 'a', done: false, asked: false }
  const raft = {
    role: 'leader',
    membership,
    get leader() {
      return at.leader
    },
  }
  const peers = [...connected].map((id) => ({ id, connected: true }))
  const replica = {
    raft,
    identity: { id: 'a' },
    enqueue: () => (at.asked = true),
    ports: {
      clock: () => ({ nowMs: at.nowMs }),
      setTimer: (_: number, run: () => void) => timers.push(run),
      mesh: { peers: () => peers },
    },
  }
  handOver(replica as unknown as Replica, WAIT_MS, () => (at.done = true))
  const passes = (ms: number): void => {
    at.nowMs += ms
    for (const run of timers.splice(0)) run()
  }
  return { at, passes }
}

test('it waits until another leads', () => {
  const { at, passes } = leaving(membershipOf(['a', 'b', 'c']), 'b')
  passes(100)
  expect(at).toMatchObject({ asked: true, done: false })
  at.leader = 'b'
  passes(100)
  expect(at.done).toBe(true)
})

test('it waits no longer than it was told to', () => {
  const { at, passes } = leaving(membershipOf(['a', 'b', 'c']), 'bc')
  passes(WAIT_MS - 1)
  expect(at.done).toBe(false)
  passes(1)
  expect(at.done).toBe(true)
})

test.each([
  ['too few are there', membershipOf(['a', 'b', 'c']), ''],
  ['witnesses alone are', membershipOf(['a', 'b', 'c'], { witnesses: ['b'] }), 'b'],
  // Removed, or a learner by now: its own voice counts for nothing.
  ['it does not vote itself', membershipOf(['b', 'c'], { learners: ['a'] }), 'b'],
])('it does not wait where nobody can be elected: %s', (_, membership, connected) => {
  expect(leaving(membership, connected).at.done).toBe(true)
})
