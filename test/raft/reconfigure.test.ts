/** Changes of membership: Raft §6, Thesis §4, DESIGN §7; scenarios 53–58 of the reliability list. */
import { expect, test } from 'bun:test'
import type { Membership, MembershipTarget, NodeId } from '../../src/raft/mod.ts'
import { decodeMembership, encodeMembership } from '../../src/raft/mod.ts'
import {
  acknowledgeAll,
  ackOf,
  append,
  appendResponse,
  ELECTION_MAX_MS,
  ELECTION_MIN_MS,
  entryOf,
  exchange,
  HEARTBEAT_MS,
  incarnationOf,
  leaderAt,
  membershipOf,
  nodeAt,
  preCandidateAt,
  settledLeaderAt,
  TestNode,
  voteResponse,
} from '../support/raft-node.ts'

const ABC = membershipOf(['a', 'b', 'c'])

function change(node: TestNode, target: MembershipTarget, id = 1): TestNode {
  const after = node.raft.membershipIndex
  return node.step({ type: 'propose_membership', id, after, target })
}

/** Nodes of one cluster, all with that membership and nothing in their logs. */
function clusterOf(ids: readonly NodeId[], membership: Membership): TestNode[] {
  return ids.map((id) => nodeAt(id, { membership }))
}

function nodeOf(nodes: readonly TestNode[], id: NodeId): TestNode {
  return nodes.find((node) => node.id === id) ?? expect.unreachable()
}

/** Delivers among `ids` alone; what others say or are told is lost. */
function talk(nodes: readonly TestNode[], ids: readonly NodeId[]): void {
  const present = nodes.filter(({ id }) => ids.includes(id))
  for (const node of nodes) if (!present.includes(node)) node.takeSent()
  exchange(present)
}

/** Lets `id` win an election among `ids`, after all of them lost their leader. */
function elect(nodes: readonly TestNode[], id: NodeId, ids: readonly NodeId[]): TestNode {
  for (const node of nodes) {
    node.nowMs += 2 * ELECTION_MAX_MS
    node.wallMs += 2 * ELECTION_MAX_MS
  }
  const candidate = nodeOf(nodes, id)
  candidate.step({ type: 'tick' })
  talk(nodes, ids)
  return candidate
}

function beat(nodes: readonly TestNode[], ids: readonly NodeId[]): void {
  for (const node of nodes) {
    node.nowMs += HEARTBEAT_MS
    node.wallMs += HEARTBEAT_MS
    if (ids.includes(node.id) && node.raft.role === 'leader') node.step({ type: 'tick' })
  }
  talk(nodes, ids)
}

test.each([
  ['one more', membershipOf(['a', 'b', 'c', 'd'])],
  ['one less', membershipOf(['a', 'b'])],
  ['one for another', membershipOf(['a', 'b', 'd'])],
  ['a learner', membershipOf(['a', 'b', 'c'], { learners: ['d'] })],
])('53: %s: nothing before an entry of the term is committed (Ongaro 2015)', (_, target) => {
  const node = leaderAt('a')
  node.takeAnswers()

  change(node, target)
  expect(node.takeAnswers()).toMatchObject([{ type: 'refused', code: 'term_not_committed' }])
  expect(node.raft).toMatchObject({ last: 1, membership: ABC })

  acknowledgeAll(node)
  change(node, target)
  expect(node.takeAnswers()).toMatchObject([{ type: 'appended', at: { term: 1, index: 2 } }])
})

const ABCD = membershipOf(['a', 'b', 'c', 'd'])

test.each([
  ['an add and a removal', ['a', 'b', 'c', 'd', 'e'], ['a', 'b', 'c'], ['e'], ['a', 'd', 'e']],
  ['two adds', ['a', 'b', 'c', 'd', 'e'], ['a', 'b', 'c', 'd', 'f'], ['e'], ['a', 'd', 'e']],
  ['two removals', ['a', 'b', 'c'], ['b', 'c', 'd'], [], ['a', 'c']],
])("53: Ongaro's history, %s: the first change never undoes the second", (...given) => {
  const [first = [], second = [], fresh = [], friends = []] = given.slice(1) as NodeId[][]
  const ids: readonly NodeId[] = ['a', 'b', 'c', 'd', 'e', 'f']
  const nodes = ids.map((id) => nodeAt(id, { membership: ABCD.voters.includes(id) ? ABCD : null }))
  const a = elect(nodes, 'a', ABCD.voters)
  // The first change reaches its leader and whoever is new, and nobody else.
  change(a, membershipOf(first))
  talk(nodes, ['a', ...fresh])
  // The next leader, without it, changes to something else and commits that.
  const b = elect(nodes, 'b', ['b', 'c', 'd', ...(second.includes('f') ? ['f'] : [])])
  expect(b.raft.role).toBe('leader')
  change(b, membershipOf(second))
  talk(nodes, ['b', 'c', 'd', 'f'])
  const { committed } = b.raft
  expect(b.raft.membership?.outgoing).toBeNull()

  elect(nodes, 'a', friends)
  for (const id of friends) {
    const node = nodeOf(nodes, id)
    // With what it knew it cannot win, so nothing that was committed is written over.
    expect(node.raft.role === 'leader' && node.raft.term > b.raft.term).toBe(false)
  }
  expect(b.raft.committed).toBe(committed)
})

test('54: one uncommitted membership at a time; the tail of a new leader counts too', () => {
  const node = settledLeaderAt('a')
  change(node, membershipOf(['a', 'b', 'c'], { learners: ['d'] }))
  node.takeAnswers()
  change(node, membershipOf(['a', 'b', 'c'], { learners: ['d', 'e'] }), 2)
  expect(node.takeAnswers()).toMatchObject([{ code: 'change_under_way' }])

  const after = node.raft.membershipIndex - 1
  acknowledgeAll(node)
  node.step({ type: 'propose_membership', id: 3, after, target: ABC })
  expect(node.takeAnswers()).toMatchObject([{ code: 'membership_changed' }])
})

test('54: a membership is in force from its append on, and reverts with its entry', () => {
  const node = nodeAt('b')
  const next = membershipOf(['b', 'c', 'd'])
  const entry = { ...entryOf(1, 1), type: 'membership', data: encodeMembership(next) } as const
  node.receive(append({ from: 'a', to: 'b', term: 1, entries: [entry] }))
  expect(node.raft.membership).toEqual(next)

  node.receive(append({ from: 'c', to: 'b', term: 2, entries: [entryOf(2, 1)] }))
  expect(node.raft).toMatchObject({ membership: ABC, membershipIndex: 0 })
})

test('55: joint from its append on, left once it is committed by both majorities, and only once', () => {
  const node = settledLeaderAt('a')
  change(node, membershipOf(['a', 'd', 'e']))
  expect(node.raft.membership).toMatchObject({
    voters: ['a', 'd', 'e'],
    outgoing: ['a', 'b', 'c'],
  })

  acknowledgeAll(node, ['b', 'c'])
  expect(node.raft).toMatchObject({ committed: 1, last: 2 })
  node.elapse(HEARTBEAT_MS)
  acknowledgeAll(node, ['a', 'd'])
  expect(node.raft).toMatchObject({ last: 3, membership: membershipOf(['a', 'd', 'e']) })
  for (let i = 0; i < 5; i++) {
    node.elapse(HEARTBEAT_MS)
    acknowledgeAll(node)
  }
  expect(node.raft).toMatchObject({ last: 3, committed: 3 })
})

test('55: while joint a write and a ReadIndex need both majorities', () => {
  const node = settledLeaderAt('a')
  change(node, membershipOf(['a', 'd', 'e'])).read(7)
  node.takeAnswers()

  acknowledgeAll(node, ['b', 'c'])
  expect(node.takeAnswers()).toEqual([])
  node.elapse(HEARTBEAT_MS)
  acknowledgeAll(node, ['d'])
  expect(node.takeAnswers()).toMatchObject([{ id: 7, type: 'read_at' }])
})

test('55: while joint an election needs both majorities', () => {
  const joint = membershipOf(['a', 'b', 'c'], { outgoing: ['a', 'd', 'e'] })
  const node = preCandidateAt('a', { membership: joint })

  const vote = { to: 'a', term: 1, preVote: true }
  node.receive(voteResponse({ ...vote, from: 'b' }), voteResponse({ ...vote, from: 'c' }))
  expect(node.raft.role).toBe('pre_candidate')
  node.receive(voteResponse({ ...vote, from: 'd' }))
  expect(node.raft.role).toBe('candidate')
})

test('55: whoever leads next leaves an abandoned joint configuration', () => {
  const nodes = clusterOf(['a', 'b', 'c', 'd'], ABC)
  const a = elect(nodes, 'a', ['a', 'b', 'c'])
  change(a, membershipOf(['a', 'b', 'd']))
  // Everybody stores it, and the leader dies before it hears of that.
  for (const message of a.takeSent()) nodeOf(nodes, message.to).receive(message)
  for (const message of a.takeSent()) nodeOf(nodes, message.to).receive(message)
  for (const node of nodes) if (node !== a) node.takeSent()

  const b = elect(nodes, 'b', ['b', 'c', 'd'])
  expect(b.raft).toMatchObject({ role: 'leader', membership: membershipOf(['a', 'b', 'd']) })
  const memberships = b.applied.filter(({ type }) => type === 'membership')
  expect(memberships.map(({ data }) => decodeMembership(data).outgoing)).toEqual([
    ['a', 'b', 'c'],
    null,
  ])
})

test('56: a leader that is not in C_new hands over, and its successor leaves the joint', () => {
  const nodes = clusterOf(['a', 'b', 'c'], ABC)
  const a = elect(nodes, 'a', ['a', 'b', 'c'])
  change(a, membershipOf(['b', 'c']))
  talk(nodes, ['a', 'b', 'c'])

  const leader = nodes.find(({ raft }) => raft.role === 'leader') ?? expect.unreachable()
  expect(leader.id).not.toBe('a')
  expect(leader.raft.membership).toEqual(membershipOf(['b', 'c']))
  // It was told: it holds the entry that says so, and never campaigns again.
  expect(a.raft.membership).toEqual(membershipOf(['b', 'c']))
  for (let i = 0; i < 5; i++) a.elapse(ELECTION_MAX_MS)
  expect(a.takeSent()).toEqual([])
})

test('56: with nobody to hand over to, a leader that is out steps down once that is committed', () => {
  const node = settledLeaderAt('a', { voters: ['a', 'b'] })
  change(node, membershipOf(['b']))
  node.nowMs += ELECTION_MIN_MS // Nobody was heard of late: nobody could take over.
  node.wallMs += ELECTION_MIN_MS
  const [joint] = node.takeSentOf('append')
  node.receive({ ...ackOf(joint ?? expect.unreachable()), from: 'b', incarnation: 'b-1' })
  acknowledgeAll(node)
  node.elapse(ELECTION_MIN_MS)

  expect(node.raft.role).toBe('follower')
})

test('56: two nodes become one, and the one goes on alone', () => {
  const nodes = clusterOf(['a', 'b'], membershipOf(['a', 'b']))
  const a = elect(nodes, 'a', ['a', 'b'])
  change(a, membershipOf(['a']))
  talk(nodes, ['a', 'b'])
  expect(a.raft).toMatchObject({ role: 'leader', membership: membershipOf(['a']) })

  a.propose(9)
  talk(nodes, ['a'])
  expect(a.raft.committed).toBe(a.raft.last)
})

test('56: a removed node is sent the entry that removes it, then nothing more', () => {
  const nodes = clusterOf(['a', 'b', 'c'], ABC)
  const a = elect(nodes, 'a', ['a', 'b', 'c'])
  change(a, membershipOf(['a', 'b']))
  talk(nodes, ['a', 'b', 'c'])

  const c = nodeOf(nodes, 'c')
  expect(c.raft.membership).toEqual(membershipOf(['a', 'b']))
  beat(nodes, ['a', 'b', 'c'])
  a.elapse(HEARTBEAT_MS)
  expect(a.takeSent().filter(({ to }) => to === 'c')).toEqual([])
  expect(a.raft.departing).toEqual([])
})

test('56: one that was away when it was removed is not waited for, and disturbs nobody', () => {
  const nodes = clusterOf(['a', 'b', 'c'], ABC)
  const a = elect(nodes, 'a', ['a', 'b', 'c'])
  change(a, membershipOf(['a', 'b']))
  talk(nodes, ['a', 'b'])
  expect(a.raft.departing).toMatchObject([{ id: 'c' }])
  for (let ms = 0; ms <= 2 * ELECTION_MAX_MS; ms += HEARTBEAT_MS) beat(nodes, ['a', 'b'])
  expect(a.raft.departing).toEqual([])

  const { term } = a.raft
  nodeOf(nodes, 'c').elapse(ELECTION_MAX_MS)
  talk(nodes, ['a', 'b', 'c'])
  expect(a.raft).toMatchObject({ role: 'leader', term })
})

test('57: what a learner holds is known, and counts for nothing', () => {
  const node = leaderAt('a', {
    membership: membershipOf(['a', 'b', 'c'], { learners: ['d', 'e'] }),
  })
  acknowledgeAll(node, ['d', 'e'])

  expect(node.raft.committed).toBe(0)
  expect(node.raft.progress).toMatchObject([
    { id: 'b', match: 0 },
    { id: 'c', match: 0 },
    { id: 'd', match: 1 },
    { id: 'e', match: 1 },
  ])
})

test('57: one grows to two: the second counts from the append on', () => {
  const nodes = clusterOf(['a', 'b'], membershipOf(['a']))
  const a = elect(nodes, 'a', ['a'])
  change(a, membershipOf(['a'], { learners: ['b'] }))
  talk(nodes, ['a', 'b'])
  change(a, membershipOf(['a', 'b']))
  const { last } = a.raft
  expect(a.raft.committed).toBe(last - 1) // Alone it can decide nothing any more.
  talk(nodes, ['a', 'b'])
  expect(a.raft).toMatchObject({ committed: last + 1, membership: membershipOf(['a', 'b']) })
})

test('57: nothing is sent to a learner that was never in contact', () => {
  const node = settledLeaderAt('a')
  const members = [...ABC.members, { id: 'd', incarnation: null, url: null, witness: false }]
  change(node, { ...ABC, members, learners: ['d'] })
  node.elapse(HEARTBEAT_MS)

  expect(node.takeSent().filter(({ to }) => to === 'd')).toEqual([])
  expect(node.raft.progress.map(({ id }) => id)).toEqual(['b', 'c'])
})

const isForD = ({ to }: { readonly to: string }): boolean => to === 'd'

test('DESIGN §7: a learner is sent nothing before the entry that names it is committed', () => {
  const node = settledLeaderAt('a')
  const d = { id: 'd', incarnation: incarnationOf('d'), url: null, witness: false }
  change(node, { ...ABC, members: [...ABC.members, d], learners: ['d'] })

  node.elapse(HEARTBEAT_MS)
  expect(node.takeSent().filter(isForD)).toEqual([]) // Another leader may not know it at all.
  node.elapse(HEARTBEAT_MS)
  acknowledgeAll(node, ['b'])
  node.elapse(HEARTBEAT_MS)
  expect(node.takeSentOf('append').filter(isForD)).not.toEqual([])
})

test('DESIGN §7: a voter that lost its disk leaves as the old one, and comes in as a learner', () => {
  const node = settledLeaderAt('a')
  const members = ABC.members.map((member) =>
    member.id === 'c' ? { ...member, incarnation: 'c-2' } : member,
  )
  const wanted = { voters: ['a', 'b', 'c'], learners: [] }
  change(node, { members, voters: ['a', 'b'], learners: ['c'], wanted })
  expect(node.raft.membership).toMatchObject({ outgoing: ['a', 'b', 'c'], learners: ['c'] })

  // Two of the three old voters are needed still, and the stranger is none of them.
  const ack = { from: 'c', to: 'a', term: 1, round: 99, incarnation: 'c-2' }
  node.elapse(HEARTBEAT_MS)
  const { round } = node.takeSentOf('append').at(-1) ?? expect.unreachable()
  node.receive(appendResponse({ ...ack, round, result: { ok: true, match: 2 } }))
  expect(node.raft).toMatchObject({ committed: 1, last: 2 })
  // What its predecessor says counts no more.
  node.receive(
    appendResponse({ ...ack, incarnation: 'c-1', round, result: { ok: true, match: 2 } }),
  )
  expect(node.raft.committed).toBe(1)

  node.elapse(HEARTBEAT_MS)
  acknowledgeAll(node, ['b'])
  expect(node.raft.membership).toEqual({
    members,
    voters: ['a', 'b'],
    outgoing: null,
    learners: ['c'],
    wanted,
  })
})

test('DESIGN §7: a voter that lost its disk never goes on as one', () => {
  const node = settledLeaderAt('a')
  const members = ABC.members.map((member) => {
    return member.id === 'c' ? Object.assign({}, member, { incarnation: 'c-2' }) : member
  })
  expect(() => change(node, { ...ABC, members })).toThrow('a learner first')
  expect(() => change(node, { ...ABC, members, voters: ['b', 'c'] })).toThrow('a learner first')
})

test('56: left out by a membership that only it holds, a voter stands for election to finish it', () => {
  const nodes = clusterOf(['a', 'b', 'c', 'd'], ABCD)
  const a = elect(nodes, 'a', ['a', 'b', 'c', 'd'])
  change(a, ABC)
  // All hold the joint configuration; what follows reaches d alone, and a is gone for good.
  for (const { to, ...message } of a.takeSentOf('append'))
    nodeOf(nodes, to).receive({ to, ...message })
  const [b, c, d] = ['b', 'c', 'd'].map((id) => nodeOf(nodes, id))
  const acks = [b, c, d].flatMap((node) => node?.takeSentOf('append_response') ?? [])
  a.receive(...acks)
  for (const message of a.takeSentOf('append')) if (message.to === 'd') d?.receive(message)
  expect(d?.raft.membership).toEqual(ABC)
  expect(b?.raft.membership).toMatchObject({ outgoing: ['a', 'b', 'c', 'd'] })

  // b and c lack what d holds, so d refuses them: nobody but d can be elected.
  const leader = elect(nodes, 'd', ['b', 'c', 'd'])
  expect(leader.raft.committed).toBe(leader.raft.last)
  expect(b?.raft.membership).toEqual(ABC)
  // And once it is committed it is out.
  talk(nodes, ['b', 'c', 'd'])
  for (let i = 0; i < 4; i++) beat(nodes, ['b', 'c', 'd'])
  const leads = nodes.filter((node) => node !== a && node.raft.role === 'leader')
  expect(leads.map(({ id }) => id)).not.toContain('d')
})

test('DESIGN §7: a voter becomes a learner only once the joint configuration is left', () => {
  const node = settledLeaderAt('a')
  change(node, membershipOf(['a', 'b'], { learners: ['c'] }))
  expect(node.raft.membership).toMatchObject({ outgoing: ['a', 'b', 'c'], learners: [] })

  acknowledgeAll(node, ['c']) // It still is a voter of C_old, and b is missing in C_new.
  expect(node.raft.committed).toBe(1)
  node.elapse(HEARTBEAT_MS)
  acknowledgeAll(node, ['b'])
  expect(node.raft.membership).toEqual(membershipOf(['a', 'b'], { learners: ['c'] }))
})

test.each([
  ['itself', 'a'],
  ['a learner', 'd'],
  ['a node that was removed', 'x'],
])('58: leadership is not handed to %s', (_, to) => {
  const node = settledLeaderAt('a', {
    membership: membershipOf(['a', 'b', 'c'], { learners: ['d'] }),
  })
  node.step({ type: 'transfer', to }).propose(5)

  expect(node.takeSentOf('timeout_now')).toEqual([])
  expect(node.takeAnswers()).toMatchObject([{ id: 5, type: 'appended' }])
})

test('58: to the voter that was named, though another is further; a second one changes nothing', () => {
  const node = settledLeaderAt('a')
  node.propose(1)
  acknowledgeAll(node, ['b'])
  node.step({ type: 'transfer', to: 'c' }, { type: 'transfer', to: 'b' })
  expect(node.takeSentOf('timeout_now')).toEqual([]) // It lags: it is caught up first.

  node.elapse(HEARTBEAT_MS)
  const sent = node.takeSent()
  for (const message of sent) if (message.type === 'append') node.receive(ackOf(message))
  const orders = [...sent, ...node.takeSent()].filter(({ type }) => type === 'timeout_now')
  expect(orders).toMatchObject([{ to: 'c' }])
})

test('58: while leadership is handed over no membership is taken', () => {
  const node = settledLeaderAt('a')
  node.step({ type: 'transfer' })
  change(node, membershipOf(['a', 'b']))
  expect(node.takeAnswers()).toMatchObject([{ type: 'refused', code: 'not_leader', leader: null }])
})
