/** Whom a leader removes by itself, and when it had better not. */
import { expect, test } from 'bun:test'
import type { Membership, NodeId } from '../../src/raft/mod.ts'
import { DeadMembers } from '../../src/replica/members/dead-members.ts'

const AFTER_MS = 10_000
const LOOK_MS = 50

/** Those in capitals keep no data. */
function membershipOf(voters: string, learners = ''): Membership {
  const [all, some] = [[...voters], [...learners]]
  return {
    members: [...all, ...some].sort().map((id) => {
      return { id, incarnation: `${id}1`, url: null, witness: id < 'a' }
    }),
    voters: all,
    outgoing: null,
    learners: some,
    wanted: null,
  }
}

/** A leader `a` that looks every 50 ms. */
class Leader {
  readonly dead = new DeadMembers('a', { afterMs: AFTER_MS, standstillMs: 600 })
  readonly sight = {
    isReachable: (id: NodeId): boolean => !this.down.includes(id),
    connectedAs: () => null,
  }
  nowMs = 5_000
  down = ''
  membership: Membership

  constructor(voters: string, learners = '') {
    this.membership = membershipOf(voters, learners)
  }

  /** Looks for so long; answers who is to go then. */
  looks(ms: number): NodeId | null {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs;) {
      this.nowMs += LOOK_MS
      this.dead.look(this.membership, this.sight, this.nowMs)
    }
    return this.dead.next(this.membership, this.sight)
  }
}

test('one that is silent for so long goes, the one silent longest first', () => {
  const leader = new Leader('abcde')
  leader.down = 'd'
  expect(leader.looks(3_000)).toBeNull()
  leader.down = 'bd'
  expect(leader.looks(AFTER_MS - 3_000)).toBeNull()
  expect(leader.looks(LOOK_MS)).toBe('d')
  leader.membership = membershipOf('abce')
  expect(leader.looks(LOOK_MS)).toBeNull()
  expect(leader.looks(3_000)).toBe('b')
})

test.each([
  ['whoever is heard in between', ''],
  ['everybody, after this node reached no majority,', 'cde'],
])('%s begins anew', (_, downMeanwhile) => {
  const leader = new Leader('abcde')
  leader.down = 'e'
  leader.looks(AFTER_MS - 100)
  leader.down = downMeanwhile
  leader.looks(LOOK_MS)
  leader.down = 'e'
  expect(leader.looks(AFTER_MS - 100)).toBeNull()
  expect(leader.looks(200)).toBe('e')
})

test('never so that fewer than three voters are left; a learner decides nothing', () => {
  const leader = new Leader('abc', 'd')
  leader.down = 'cd'
  expect(leader.looks(2 * AFTER_MS)).toBe('d')
  const view = leader.dead.view(leader.membership, leader.sight)
  expect(view?.silent.map(({ id, keptBy }) => [id, keptBy?.includes('2 voters') ?? false])).toEqual(
    [
      ['c', true],
      ['d', false],
    ],
  )
  leader.membership = membershipOf('abc')
  expect(leader.looks(2 * AFTER_MS)).toBeNull()
})

test('never the last but one that keeps data: what is left must survive a loss', () => {
  const leader = new Leader('abcVW')
  leader.down = 'b'
  expect(leader.looks(2 * AFTER_MS)).toBe('b')

  leader.membership = membershipOf('acVW')
  leader.down = 'c'
  expect(leader.looks(2 * AFTER_MS)).toBeNull()
  const view = leader.dead.view(leader.membership, leader.sight)
  expect(view?.silent).toMatchObject([{ id: 'c', keptBy: expect.stringContaining('second copy') }])
  // A witness may go: fewer are needed for a majority without it.
  leader.down = 'W'
  expect(leader.looks(2 * AFTER_MS)).toBe('W')
})

test('never for what was not seen: before this node led, or while it stood still', () => {
  const leader = new Leader('abcde')
  leader.down = 'e'
  leader.looks(AFTER_MS - 100)
  leader.dead.forget()
  expect(leader.looks(AFTER_MS - 100)).toBeNull()
  leader.nowMs += 60_000
  expect(leader.looks(AFTER_MS - 100)).toBeNull()
  expect(leader.looks(200)).toBe('e')
})

test('one that never started is waited for; the leader is never silent to itself', () => {
  const leader = new Leader('abcd', 'x')
  const [, ...rest] = leader.membership.members.toReversed()
  const never = { id: 'x', incarnation: null, url: null, witness: false }
  leader.membership = { ...leader.membership, members: [...rest.toReversed(), never] }
  leader.down = 'ax'
  expect(leader.looks(3 * AFTER_MS)).toBeNull()
  expect(leader.dead.view(leader.membership, leader.sight)?.silent).toEqual([])
})

test('what was removed is told, and no more than the last sixteen', () => {
  const leader = new Leader('abcd')
  for (let i = 0; i < 20; i++) leader.dead.removed(`x${i}`, 1_234.5, Date.UTC(2026, 0, 1))
  const view = leader.dead.view(leader.membership, leader.sight)
  expect(view?.removed).toHaveLength(16)
  expect(view?.removed.at(-1)).toEqual({
    id: 'x19',
    silentMs: 1_235,
    removedAt: '2026-01-01T00:00:00.000Z',
  })
})

test('switched off, nobody is looked at', () => {
  const off = new DeadMembers('a', { afterMs: null, standstillMs: 600 })
  const { membership } = new Leader('abcd')
  const sight = { isReachable: () => false, connectedAs: () => null }
  for (let nowMs = 0; nowMs < 1e6; nowMs += 500) off.look(membership, sight, nowMs)
  expect(off.next(membership, sight)).toBeNull()
  expect(off.view(membership, sight)).toBeNull()
})
