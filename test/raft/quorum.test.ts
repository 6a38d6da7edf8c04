import { expect, test } from 'bun:test'
import { prng } from '../../src/lib/prng.ts'
import { majorityReached, quorumReached, tally } from '../../src/raft/quorum.ts'
import { membershipOf } from '../support/raft-node.ts'

const IDS = ['a', 'b', 'c', 'd', 'e', 'f', 'g']

/** Another way to say it: the largest number that more than half have reached. */
function dumbMajority(values: readonly number[]): number {
  const reachedBy = (value: number) => values.filter((other) => other >= value).length
  return Math.max(...values.filter((value) => reachedBy(value) * 2 > values.length))
}

/** All lists of `length` numbers below `bound`. */
function* lists(length: number, bound: number): Generator<number[]> {
  for (let n = 0; n < bound ** length; n++) {
    yield Array.from({ length }, (_, i) => Math.floor(n / bound ** i) % bound)
  }
}

const valueOf = (values: readonly number[]) => (id: string) => values[IDS.indexOf(id)] ?? -1

test('majorityReached() agrees with a dumb one on all small cases', () => {
  for (const [size, bound] of [
    [1, 3],
    [2, 4],
    [3, 5],
    [4, 5],
    [5, 4],
  ] as const) {
    const voters = IDS.slice(0, size)
    for (const values of lists(size, bound)) {
      expect(majorityReached(voters, valueOf(values)), `${values}`).toBe(dumbMajority(values))
    }
  }
})

test('majorityReached() agrees with a dumb one on large numbers and infinities', () => {
  const random = prng(7)
  for (let i = 0; i < 2_000; i++) {
    const size = 1 + random(7)
    const values = Array.from({ length: size }, () =>
      random(6) === 0 ? (random(2) === 0 ? Infinity : -Infinity) : random(2 ** 32) * 2 ** 20,
    )
    expect(majorityReached(IDS.slice(0, size), valueOf(values))).toBe(dumbMajority(values))
  }
})

test('majorityReached() needs a voter', () => {
  expect(() => majorityReached([], () => 0)).toThrow('at least one voter')
})

test('quorumReached() takes the lesser of both majorities while joint (Raft §6)', () => {
  for (const values of lists(5, 3)) {
    const joint = membershipOf(['a', 'b', 'c'], { outgoing: ['c', 'd', 'e'] })
    const lesser = Math.min(dumbMajority(values.slice(0, 3)), dumbMajority(values.slice(2)))
    expect(quorumReached(joint, valueOf(values)), `${values}`).toBe(lesser)
  }
})

test('quorumReached() does not hear who lost its disk: a learner under the name of an old voter', () => {
  // c is taken back (DESIGN §7): its predecessor is one of those of whom a majority is needed, and
  // what the newcomer has acknowledged says nothing about what that one held.
  const learners = ['c']
  const joint = membershipOf(['a', 'b', 'd'], { outgoing: ['a', 'b', 'c'], learners })
  for (const values of lists(4, 3)) {
    const [a = 0, b = 0, , d = 0] = values
    const lesser = Math.min(dumbMajority([a, b, d]), dumbMajority([a, b, -Infinity]))
    expect(quorumReached(joint, valueOf(values)), `${values}`).toBe(lesser)
  }
  const two = membershipOf(['a'], { outgoing: ['a', 'b'], learners: ['b'] })
  expect(quorumReached(two, () => 9)).toBe(-Infinity)
})

test('quorumReached() does not count learners', () => {
  const membership = membershipOf(['a', 'b', 'c'], { learners: ['d', 'e'] })

  expect(quorumReached(membership, (id) => (id > 'c' ? 9 : 1))).toBe(1)
})

/** 0: not voted, 1: refused, 2: granted. */
function votesOf(values: readonly number[]): Map<string, boolean> {
  const votes = new Map<string, boolean>()
  for (const [i, value] of values.entries()) if (value > 0) votes.set(IDS[i] ?? '', value === 2)
  return votes
}

function dumbTally(values: readonly number[]): string {
  const has = (value: number) => values.filter((other) => other === value).length
  if (has(2) > values.length / 2) return 'won'
  return has(2) + has(0) > values.length / 2 ? 'pending' : 'lost' // All who are left would not do.
}

test('tally() agrees with a dumb one on all votes of up to five', () => {
  for (let size = 1; size <= 5; size++) {
    const membership = membershipOf(IDS.slice(0, size))
    for (const values of lists(size, 3)) {
      expect(tally(membership, votesOf(values)), `${values}`).toBe(dumbTally(values) as 'won')
    }
  }
})

test('tally() wants both majorities while joint, and one that is lost loses', () => {
  const joint = membershipOf(['a', 'b', 'c'], { outgoing: ['c', 'd', 'e'] })
  for (const values of lists(5, 3)) {
    const both = new Set([dumbTally(values.slice(0, 3)), dumbTally(values.slice(2))])
    const all = both.has('lost') ? 'lost' : both.has('pending') ? 'pending' : 'won'
    expect(tally(joint, votesOf(values)), `${values}`).toBe(all as 'won')
  }
})

test('tally() does not count strangers', () => {
  const votes = new Map([
    ['a', true],
    ['x', true],
    ['y', true],
  ])

  expect(tally(membershipOf(['a', 'b', 'c']), votes)).toBe('pending')
})
