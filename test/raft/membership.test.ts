import { expect, test } from 'bun:test'
import { encode } from '../../src/lib/msgpack.ts'
import {
  decodeMembership,
  encodeMembership,
  isVoter,
  memberOf,
  MembershipStack,
} from '../../src/raft/membership.ts'
import { membershipOf } from '../support/raft-node.ts'

const JOINT = membershipOf(['a', 'b', 'c'], {
  outgoing: ['a', 'd'],
  learners: ['e'],
  wanted: { voters: ['a', 'b', 'c', 'e'], learners: [] },
})

test('decodeMembership() reads what encodeMembership() wrote', () => {
  for (const membership of [
    membershipOf(['a']),
    membershipOf(['a', 'b', 'c']),
    JOINT,
    {
      ...membershipOf(['ä', '名']),
      members: [
        { id: 'ä', incarnation: 'x', url: null, witness: true },
        { id: '名', incarnation: '', url: 'http://[::1]:7100', witness: false },
      ],
    },
  ]) {
    expect(decodeMembership(encodeMembership(membership))).toEqual(membership)
  }
})

test('the bytes are a contract: entries outlive releases', () => {
  const membership = {
    members: [{ id: 'a', incarnation: 'i', url: null, witness: false }],
    voters: ['a'],
    outgoing: null,
    learners: [],
    wanted: null,
  }

  expect(encodeMembership(membership).toHex()).toBe('96019194a161a169c0c291a161c090c0')
  const wished = { ...membership, wanted: { voters: ['a'], learners: [] } }
  expect(encodeMembership(wished).toHex()).toBe('96019194a161a169c0c291a161c0909291a16190')
})

const member = (id: string) => [id, 'i', null, false]

test.each([
  ['no list', 7],
  ['five parts', [1, [member('a')], ['a'], null, []]],
  ['another format', [2, [member('a')], ['a'], null, [], null]],
  ['no voter', [1, [member('a')], [], null, [], null]],
  ['a voter that is no member', [1, [member('a')], ['b'], null, [], null]],
  ['a voter that was never in contact', [1, [['a', null, null, false]], ['a'], null, [], null]],
  ['a learner that is no member', [1, [member('a')], ['a'], null, ['b'], null]],
  ['a learner that votes', [1, [member('a')], ['a'], null, ['a'], null]],
  ['an outgoing voter that is no member', [1, [member('a')], ['a'], ['b'], [], null]],
  ['a wish for nobody', [1, [member('a')], ['a'], null, [], [[], ['a']]]],
  ['a wish for no member', [1, [member('a')], ['a'], null, [], [['b'], []]]],
  ['a member listed twice', [1, [member('a'), member('a')], ['a'], null, [], null]],
  ['a voter listed twice', [1, [member('a')], ['a', 'a'], null, [], null]],
  ['voters out of order', [1, [member('a'), member('b')], ['b', 'a'], null, [], null]],
  ['a number for a name', [1, [[1, 'i', null, false]], ['a'], null, [], null]],
  ['a number for a voter', [1, [member('a')], [1], null, [], null]],
  ['a URL that is a number', [1, [['a', 'i', 4, false]], ['a'], null, [], null]],
  ['a witness that is a number', [1, [['a', 'i', null, 0]], ['a'], null, [], null]],
  ['a member with a field too many', [1, [['a', 'i', null, false, 1]], ['a'], null, [], null]],
])('decodeMembership() throws on %s', (_, value) => {
  expect(() => decodeMembership(encode(value))).toThrow()
})

test('encodeMembership() refuses what could not be read back', () => {
  expect(() => encodeMembership({ ...JOINT, voters: ['z'] })).toThrow('whoever counts is a member')
  expect(() => encodeMembership({ ...JOINT, voters: [] })).toThrow('has a voter')
})

test('isVoter() counts both configurations while joint; memberOf() finds any member', () => {
  expect(['a', 'b', 'd', 'e', 'x'].map((id) => isVoter(JOINT, id))).toEqual([
    true,
    true,
    true,
    false,
    false,
  ])
  expect(memberOf(JOINT, 'e')).toMatchObject({ id: 'e', incarnation: 'e-1' })
  expect(memberOf(JOINT, 'x')).toBeNull()
})

test('MembershipStack: the newest is in force, and goes with its entry', () => {
  const [first, second, third] = [['a'], ['a', 'b'], ['a', 'b', 'c']].map((ids) =>
    membershipOf(ids),
  )
  const stack = new MembershipStack([])
  expect(stack).toMatchObject({ current: null, index: 0 })

  for (const [i, membership] of [first, second, third].entries()) {
    stack.push({ index: 10 * (i + 1), membership: membership ?? expect.unreachable() })
  }
  expect(stack).toMatchObject({ current: third, index: 30 })

  stack.truncate(31)
  expect(stack.current).toEqual(third ?? null)
  stack.truncate(30)
  expect(stack).toMatchObject({ current: second, index: 20 })
  stack.truncate(1)
  expect(stack.current).toBeNull()
})

test('MembershipStack: settle() forgets what cannot come back, and only that', () => {
  const stack = new MembershipStack(
    [1, 5, 9].map((index) => ({ index, membership: membershipOf(['a']) })),
  )

  stack.settle(4)
  stack.settle(8) // The one at 5 is committed; the one at 9 may go.
  stack.truncate(9)
  expect(stack.index).toBe(5)
  stack.truncate(5)
  expect(stack.index).toBe(0) // The one at 1 was forgotten.
})

test('MembershipStack: they come in log order', () => {
  const membership = membershipOf(['a'])
  const stack = new MembershipStack([{ index: 5, membership }])

  expect(() => stack.push({ index: 5, membership })).toThrow('later in the log')
  expect(
    () =>
      new MembershipStack([
        { index: 5, membership },
        { index: 4, membership },
      ]),
  ).toThrow('log order')
})
