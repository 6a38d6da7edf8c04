import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import {
  decodeMembership,
  encodeMembership,
  type Membership,
  type MembershipTarget,
} from '../../src/raft/mod.ts'
import { enterChange, leaveJoint } from '../../src/raft/membership-change.ts'
import {
  planChange,
  planPromotion,
  planUpdate,
  quorumProblem,
  waitingOf,
  warningsOf,
  type Connected,
  type MemberChange,
  type MemberSight,
  type Planned,
} from '../../src/replica/members/member-change.ts'
import { membershipOf } from '../support/raft-node.ts'

const ABC = membershipOf(['a', 'b', 'c'])
const url = (id: string): string => `http://${id}:7100`

/** Nobody is connected but those who are named; all can be reached but those who are named. */
function sightOf(
  given: {
    readonly connected?: Readonly<Record<string, Omit<Connected, 'witness'> & Partial<Connected>>>
    readonly down?: readonly string[]
  } = {},
): MemberSight {
  const { connected = {}, down = [] } = given
  return {
    isReachable: (id) => !down.includes(id),
    connectedAs(id) {
      const known = connected[id]
      return known === undefined ? null : { witness: false, ...known }
    },
  }
}

function plan(
  current: Membership,
  change: MemberChange,
  sight = sightOf(),
  force = false,
): Planned {
  return planChange(current, change, { sight, force })
}

function targetOf(planned: Planned): MembershipTarget {
  if (planned.type !== 'propose') throw new Error(JSON.stringify(planned))
  return planned.target
}

const add = (id: string, role: 'voter' | 'learner' = 'voter') =>
  ({ type: 'add', id, url: url(id), role }) as const

test('planChange() adds a voter as a learner that nothing was heard of, with a wish', () => {
  const target = targetOf(plan(ABC, add('d')))

  expect(target).toMatchObject({
    voters: ['a', 'b', 'c'],
    learners: ['d'],
    wanted: { voters: ['a', 'b', 'c', 'd'], learners: [] },
  })
  expect(target.members.at(-1)).toMatchObject({ id: 'd', incarnation: null, url: url('d') })
})

test('planChange() is idempotent', () => {
  expect(plan(ABC, { type: 'add', id: 'a', url: null, role: 'voter' })).toEqual({ type: 'done' })
  const grown = enterChange(ABC, targetOf(plan(ABC, add('d'))))
  expect(plan(grown, add('d'))).toEqual({ type: 'done' })
  const members = ['a', 'b', 'c'].map((id) => ({ id, url: null, role: 'voter' }) as const)
  expect(plan(ABC, { type: 'set', members })).toEqual({ type: 'done' })
})

test.each([
  [
    'an unknown one without a url',
    { type: 'add', id: 'd', url: null, role: 'voter' },
    'give its url',
  ],
  [
    "another one at a member's url",
    { type: 'add', id: 'd', url: url('a'), role: 'voter' },
    'a is the member at',
  ],
  ['a known one elsewhere', { type: 'add', id: 'a', url: url('x'), role: 'voter' }, '--advertise'],
  ['a voter as a learner', { type: 'add', id: 'a', url: null, role: 'learner' }, 'a votes'],
  ['to remove nobody', { type: 'remove', id: 'd' }, 'd is not a member'],
  ['a list with a double', { type: 'set', members: [add('a'), add('a')] }, 'listed twice'],
  [
    'two at one url',
    { type: 'set', members: [add('a'), { ...add('d'), url: url('a') }] },
    'one url',
  ],
  ['nobody who votes', { type: 'set', members: [add('a', 'learner')] }, 'somebody must vote'],
  ['a new one without a url', { type: 'set', members: [{ ...add('d'), url: null }] }, 'd is new'],
  [
    'one to come back that was none',
    { type: 'join', id: 'd', incarnation: 'd-1', url: null, role: null, witness: false },
    'd is not a member',
  ],
] as const)('planChange() refuses %s', (_, change, why) => {
  const planned = plan(ABC, change)
  expect(planned).toMatchObject({ type: 'refuse', detail: expect.stringContaining(why) })
})

test('planChange() refuses to promote who never started, and to remove the last voter', () => {
  const grown = enterChange(ABC, targetOf(plan(ABC, add('d', 'learner'))))
  const promote = plan(grown, { type: 'add', id: 'd', url: null, role: 'voter' })
  expect(promote).toMatchObject({
    code: 'conflict',
    detail: expect.stringContaining('never started'),
  })
  const last = plan(membershipOf(['a']), { type: 'remove', id: 'a' })
  expect(last).toMatchObject({ code: 'conflict', detail: expect.stringContaining('last voter') })
})

test('planChange() withdraws a wish, but not that for the only voter that is wanted', () => {
  const grown = enterChange(ABC, targetOf(plan(ABC, add('d'))))
  const withdraw = { type: 'add', id: 'd', url: null, role: 'learner' } as const
  const withdrawn = enterChange(grown, targetOf(plan(grown, withdraw)))
  expect(withdrawn).toMatchObject({ voters: ['a', 'b', 'c'], learners: ['d'], wanted: null })

  const replaced = enterChange(ABC, targetOf(plan(ABC, { type: 'set', members: [add('d')] })))
  expect(plan(replaced, withdraw)).toMatchObject({ code: 'conflict' })
})

test('planChange() refuses what would lose the quorum of who can be reached, unless forced', () => {
  const sight = sightOf({ down: ['c'] })
  const remove = { type: 'remove', id: 'b' } as const
  expect(plan(ABC, remove, sight)).toMatchObject({
    code: 'conflict',
    detail: expect.stringContaining('would lose its quorum'),
  })
  expect(targetOf(plan(ABC, remove, sight, true)).voters).toEqual(['a', 'c'])
  // To remove the one that is down is just what helps.
  expect(targetOf(plan(ABC, { type: 'remove', id: 'c' }, sight)).voters).toEqual(['a', 'b'])
})

test('planChange() waits for new voters before it lets old ones go', () => {
  const members = [add('a'), add('b'), add('d')]
  const target = targetOf(plan(ABC, { type: 'set', members }))
  expect(target).toMatchObject({
    voters: ['a', 'b', 'c'],
    learners: ['d'],
    wanted: { voters: ['a', 'b', 'd'], learners: [] },
  })
  const current = enterChange(ABC, target)
  expect(waitingOf(current)).toEqual(['d'])
  expect(planPromotion(current)).toMatchObject({ voters: ['a', 'b', 'd'], learners: [] })
})

test('planChange() sends nobody elsewhere who is connected', () => {
  const connected = { a: { incarnation: 'a-1', url: url('a') } }
  const members = [{ ...add('a'), url: url('x') }, add('b'), add('c')]
  const set = { type: 'set', members } as const
  expect(plan(ABC, set, sightOf({ connected }))).toMatchObject({ code: 'conflict' })
  expect(targetOf(plan(ABC, set)).members[0]?.url).toBe(url('x'))
})

test('planChange() takes a lost voter back as a learner, where nobody bears its name', () => {
  const who = { id: 'c', incarnation: 'c-2', url: url('c'), witness: false }
  const join = { type: 'join', ...who, role: null } as const
  const target = targetOf(plan(ABC, join, sightOf({ down: ['c'] })))
  expect(target).toMatchObject({
    voters: ['a', 'b'],
    learners: ['c'],
    wanted: { voters: ['a', 'b', 'c'], learners: [] },
  })
  const joint = enterChange(ABC, target)
  expect(joint).toMatchObject({ outgoing: ['a', 'b', 'c'], learners: ['c'] })
  expect(leaveJoint(joint)).toMatchObject({
    outgoing: null,
    learners: ['c'],
    wanted: target.wanted,
  })

  const connected = { c: { incarnation: 'c-1', url: url('c') } }
  expect(plan(ABC, join, sightOf({ connected }))).toMatchObject({ code: 'conflict' })
})

test('planUpdate() learns who a new name is, and where a member says that it is', () => {
  const grown = enterChange(ABC, targetOf(plan(ABC, add('d', 'learner'))))
  expect(planUpdate(grown, sightOf())).toBeNull()
  const d = sightOf({ connected: { d: { incarnation: 'd-7', url: url('d') } } })
  expect(planUpdate(grown, d)?.members.at(-1)).toMatchObject({ id: 'd', incarnation: 'd-7' })
  const moved = sightOf({ connected: { b: { incarnation: 'b-1', url: url('y') } } })
  expect(planUpdate(ABC, moved)?.members[1]).toMatchObject({ id: 'b', url: url('y') })
  const stranger = sightOf({ connected: { b: { incarnation: 'b-2', url: url('y') } } })
  expect(planUpdate(ABC, stranger)).toBeNull()
})

const ABW = membershipOf(['a', 'b', 'w'], { witnesses: ['w'] })

test('planChange() adds a witness as a learner first, and takes a lost one back as one', () => {
  const AB = membershipOf(['a', 'b'])
  const target = targetOf(plan(AB, { type: 'add', id: 'w', url: url('w'), role: 'witness' }))
  expect(target).toMatchObject({ learners: ['w'], wanted: { voters: ['a', 'b', 'w'] } })
  expect(target.members.at(-1)).toMatchObject({ id: 'w', witness: true })

  const who = { id: 'w', incarnation: 'w-2', url: url('w'), role: null }
  const back = { type: 'join', ...who, witness: true } as const
  const taken = targetOf(plan(ABW, back, sightOf({ down: ['w'] })))
  expect(taken).toMatchObject({ voters: ['a', 'b'], learners: ['w'] })
  expect(taken.members.at(-1)).toMatchObject({ incarnation: 'w-2', witness: true })
})

test('planUpdate() takes nobody of another kind for the member that was listed', () => {
  const AB = membershipOf(['a', 'b'])
  const listed = enterChange(AB, targetOf(plan(AB, { ...add('w'), role: 'witness' })))
  const said = { incarnation: 'w-1', url: url('w') }
  expect(planUpdate(listed, sightOf({ connected: { w: said } }))).toBeNull()
  const sight = sightOf({ connected: { w: { ...said, witness: true } } })
  expect(planUpdate(listed, sight)?.members.at(-1)).toMatchObject({ incarnation: 'w-1' })
})

test.each([
  ['a witness as a voter', add('w'), 'w is a witness'],
  ['a witness as a learner', add('w', 'learner'), 'w is a witness'],
  ['a data node as a witness', { ...add('a'), role: 'witness' }, 'a keeps data'],
  [
    'a witness in a list as a voter',
    { type: 'set', members: [add('a'), add('w')] },
    'w is a witness',
  ],
  ['witnesses alone', { type: 'set', members: [{ ...add('w'), role: 'witness' }] }, 'keep no data'],
  [
    'a data node that comes back under the name of a witness',
    { type: 'join', id: 'w', incarnation: 'w-2', url: url('w'), role: null, witness: false },
    'was started without --witness',
  ],
] as const)('planChange() refuses %s', (_, change, why) => {
  expect(plan(ABW, change, sightOf({ down: ['w'] }))).toMatchObject({
    type: 'refuse',
    detail: expect.stringContaining(why),
  })
})

test('planChange() keeps somebody who can lead', () => {
  const AW = membershipOf(['a', 'w', 'x'], { witnesses: ['w', 'x'] })
  expect(plan(AW, { type: 'remove', id: 'a' })).toMatchObject({
    detail: expect.stringContaining('last voter with data'),
  })
  const dead = plan(ABW, { type: 'remove', id: 'b' }, sightOf({ down: ['a', 'b'] }))
  expect(dead).toMatchObject({ detail: expect.stringContaining('lose its quorum') })
  const [, , w] = AW.members
  const target = { ...AW, members: [AW.members[0]!, w!], voters: ['a', 'w'] }
  expect(quorumProblem(AW, target, sightOf({ down: ['a'] }))).toContain('quorum')
})

test('warningsOf() points out witnesses that outnumber what they vote for', () => {
  expect(warningsOf(ABW)).toEqual([])
  const few = membershipOf(['a', 'w', 'x'], { witnesses: ['w', 'x'] })
  expect(warningsOf(few)).toEqual([expect.stringContaining('only 1 of 3 voters keep data')])
})

test('warningsOf() points out an even number of voters', () => {
  expect(warningsOf(ABC)).toEqual([])
  expect(warningsOf(membershipOf(['a', 'b']))).toEqual([expect.stringContaining('2 voters')])
})

const IDS = ['a', 'b', 'c', 'd', 'e'] as const
const id = fc.constantFrom(...IDS)
const role = fc.constantFrom('voter', 'learner')
const wanted = fc.record({ id, role }).map((each) => ({ ...each, url: url(each.id) }))
const changes: fc.Arbitrary<
  MemberChange | { readonly type: 'promote' } | { readonly type: 'meet' }
> = fc.oneof(
  wanted.map((each) => ({ type: 'add', ...each }) as const),
  id.map((name) => ({ type: 'remove', id: name }) as const),
  fc.uniqueArray(wanted, { maxLength: 5, selector: (each) => each.id }).map((members) => {
    return { type: 'set', members } as const
  }),
  fc.record({ id, n: fc.nat(9) }).map(({ id: name, n }) => {
    const who = { id: name, incarnation: `${name}-${n}`, url: url(name), role: 'voter' as const }
    return { type: 'join', witness: false, ...who } as const
  }),
  fc.constant({ type: 'promote' } as const),
  fc.constant({ type: 'meet' } as const),
)

/** Whoever is a member under no incarnation yet is met, and says who it is. */
const MET = sightOf({
  connected: Object.fromEntries(IDS.map((name) => [name, { incarnation: `${name}-m`, url: null }])),
})

function next(
  current: Membership,
  change: typeof changes extends fc.Arbitrary<infer T> ? T : never,
) {
  if (change.type === 'promote') {
    const waits = waitingOf(current).some((name) => {
      return current.members.find((member) => member.id === name)?.incarnation === null
    })
    return current.wanted === null || waits ? null : planPromotion(current)
  }
  if (change.type === 'meet') return planUpdate(current, MET)
  const planned = plan(current, change, sightOf({ down: ['c', 'd', 'e'] }), true)
  return planned.type === 'propose' ? planned.target : null
}

test('any row of changes leads from one membership that can be stored to the next', () => {
  fc.assert(
    fc.property(fc.array(changes, { maxLength: 30 }), (row) => {
      let current: Membership = membershipOf(['a', 'b'])
      for (const change of row) {
        const target = next(current, change)
        if (target === null) continue
        current = decodeMembership(encodeMembership(enterChange(current, target)))
        if (current.outgoing !== null) {
          current = decodeMembership(encodeMembership(leaveJoint(current)))
        }
        // Nobody is a member who neither votes nor learns, and no wish is already fulfilled.
        const listed = [...current.voters, ...current.learners].sort()
        expect(current.members.map((member) => member.id)).toEqual(listed)
        expect(quorumProblem(current, current, sightOf())).toBeNull()
      }
    }),
    { numRuns: 2_000 },
  )
})

test('planChange() lets one node that only dials join, and no second one', () => {
  const who = { id: 'd', incarnation: 'd1', url: null } as const
  const asked = { type: 'join', ...who, role: 'voter', witness: false } as const
  const { members } = targetOf(plan(ABC, asked))
  expect(members.find(({ id }) => id === 'd')).toMatchObject({ url: null, incarnation: 'd1' })

  const withOne = {
    ...ABC,
    members: ABC.members.map((m) => (m.id === 'b' ? { ...m, url: null } : m)),
  }
  expect(plan(withOne, asked)).toMatchObject({
    type: 'refuse',
    code: 'conflict',
    detail: expect.stringContaining('so does b'),
  })
})

test('planUpdate() follows a member that only dials from now on, but not a second one', () => {
  const incarnationOf = (id: string) => ABC.members.find((m) => m.id === id)?.incarnation ?? ''
  const hidden = (id: string) => ({ [id]: { incarnation: incarnationOf(id), url: null } })
  const sight = sightOf({ connected: hidden('b') })
  const target = planUpdate(ABC, sight)
  expect(target?.members.find(({ id }) => id === 'b')?.url).toBeNull()

  const after = { ...ABC, members: target?.members ?? [] }
  expect(planUpdate(after, sightOf({ connected: { ...hidden('b'), ...hidden('c') } }))).toBeNull()
})
