/** What DESIGN §6 and §7 add to Raft: promises, the leader lease, incarnations, founding. */
import { expect, test } from 'bun:test'
import {
  acknowledgeAll,
  ackOf,
  append,
  appendResponse,
  ELECTION_MAX_MS,
  ELECTION_MIN_MS,
  entriesOf,
  exchange,
  HEARTBEAT_MS,
  leaderAt,
  membershipOf,
  nodeAt,
  preCandidateAt,
  settledLeaderAt,
  voteRequest,
  voteResponse,
  type TestNode,
} from '../support/raft-node.ts'

/** P(1−ρ)/(1+ρ) of 600 ms and 5 %. */
const LEASE_MS = (600 * 0.95) / 1.05

/** A leader whose last round is just being acknowledged. */
function leaseHolder(options: Parameters<typeof settledLeaderAt>[1] = {}): TestNode {
  const node = settledLeaderAt('a', options)
  node.elapse(HEARTBEAT_MS)
  acknowledgeAll(node)
  return node
}

test('DESIGN §6: the lease lasts P(1−ρ)/(1+ρ)', () => {
  const node = leaseHolder()

  expect(node.leaseMs).toBeCloseTo(LEASE_MS, 6)
  expect(LEASE_MS).toBeCloseTo(542.857, 3)

  node.nowMs += 500
  node.wallMs += 500
  expect(node.leaseMs).toBeCloseTo(LEASE_MS - 500, 6)
  node.nowMs += 43
  node.wallMs += 43
  expect(node.leaseMs).toBe(0)
})

test('DESIGN §6: it counts from the sending of the round, not from its acknowledgement', () => {
  const node = settledLeaderAt('a')
  node.elapse(HEARTBEAT_MS)
  const round = node.takeSentOf('append')

  node.elapse(80)
  node.receive(...round.map(ackOf))

  expect(node.leaseMs).toBeCloseTo(LEASE_MS - 80, 6)
})

test('DESIGN §6: it takes a majority of voters', () => {
  const node = settledLeaderAt('a', { voters: ['a', 'b', 'c', 'd', 'e'] })
  node.elapse(ELECTION_MIN_MS) // What the election proved is over.
  const [toB, toC] = node.takeSentOf('append').slice(-4)
  expect(node.leaseMs).toBe(0)

  node.receive(ackOf(toB ?? expect.unreachable()))
  expect(node.leaseMs).toBe(0)
  node.receive(ackOf(toC ?? expect.unreachable()))
  expect(node.leaseMs).toBeCloseTo(LEASE_MS, 6)
})

test('DESIGN §6: while joint it takes a majority of both configurations', () => {
  const node = settledLeaderAt('a', { voters: ['a', 'd', 'e'] })
  node.step({ type: 'propose_membership', id: 1, after: 0, target: membershipOf(['a', 'b', 'c']) })
  node.elapse(ELECTION_MIN_MS)
  const { round } = node.takeSentOf('append').at(-1) ?? expect.unreachable()
  // Heard, but without the joint entry: it stays uncommitted, and so in force.
  const heard = (from: string) =>
    appendResponse({ from, to: 'a', term: 1, round, result: { ok: true, match: 0 } })

  node.receive(heard('b'), heard('c'))
  expect(node.leaseMs).toBe(0)
  node.receive(heard('e'))
  expect(node.leaseMs).toBeCloseTo(LEASE_MS, 6)
})

test('DESIGN §6: a refused append acknowledges its round too: the promise was made', () => {
  const node = settledLeaderAt('a').propose(1) // b never had it.
  node.elapse(ELECTION_MIN_MS)
  const [toB] = node.takeSentOf('append').slice(-2)
  const result = { ok: false, rejected: 2, conflictTerm: null, conflictIndex: 2 } as const

  const round = toB?.round ?? expect.unreachable()
  node.receive(appendResponse({ from: 'b', to: 'a', term: 1, round, result }))

  expect(node.leaseMs).toBeCloseTo(LEASE_MS, 6)
})

/** Whether the lease of a leader with a slow clock outlives the promise of a voter with a fast one. */
function overlaps(drift: number): boolean {
  const leader = settledLeaderAt('a')
  const voter = nodeAt('b', { log: [1] })
  leader.elapse(HEARTBEAT_MS)
  const heartbeat = leader.takeSentOf('append').find(({ to }) => to === 'b') ?? expect.unreachable()
  voter.receive(heartbeat) // With no delay at all: the worst case.
  leader.receive(...voter.takeSentOf('append_response'))
  const [leaderMs, wallMs, voterMs] = [leader.nowMs, leader.wallMs, voter.nowMs]

  for (let realMs = 0; realMs < 1_000; realMs++) {
    leader.nowMs = leaderMs + realMs * (1 - drift)
    leader.wallMs = wallMs + realMs * (1 - drift)
    voter.nowMs = voterMs + realMs * (1 + drift)
    const candidacy = { from: 'c', to: 'b', term: 2, lastTerm: 1, lastIndex: 1 }
    voter.receive(voteRequest({ ...candidacy, preVote: true }))
    if (voter.takeSent().length > 0) return leader.leaseMs > 0
  }
  return expect.unreachable('a promise ends')
}

test('DESIGN §6: clocks that run apart within ρ cannot make it overlap a promise; others can', () => {
  expect(overlaps(0)).toBe(false)
  expect(overlaps(0.049)).toBe(false)
  expect(overlaps(0.06)).toBe(true) // So this test sees what it looks for.
})

test('DESIGN §6: there is no lease before the no-op of the term is committed', () => {
  const node = leaderAt('a', { log: [1] })
  for (const { to, round } of node.takeSentOf('append')) {
    node.receive(
      appendResponse({ from: to, to: 'a', term: 2, round, result: { ok: true, match: 1 } }),
    )
  }
  expect(node.leaseMs).toBe(0)

  acknowledgeAll(node)
  expect(node.raft.hasCommittedInTerm).toBe(true)
  expect(node.leaseMs).toBeGreaterThan(0)
})

test('DESIGN §6: void while wall and monotonic clock are apart by more than 100 ms', () => {
  for (const jumpMs of [101, -101, 86_400_000, -86_400_000]) {
    const node = leaseHolder()
    node.wallMs += jumpMs
    expect(node.leaseMs, `${jumpMs}`).toBe(0)

    // The next acknowledged round restores it.
    node.elapse(HEARTBEAT_MS)
    acknowledgeAll(node)
    expect(node.leaseMs).toBeCloseTo(LEASE_MS, 6)
  }
})

test('DESIGN §6: wall time never lengthens a lease, and a short pause is taken off', () => {
  const node = leaseHolder()
  const { wallMs } = node

  node.wallMs = wallMs - 100
  expect(node.leaseMs).toBeCloseTo(LEASE_MS, 6)
  node.wallMs = wallMs + 100
  expect(node.leaseMs).toBeCloseTo(LEASE_MS - 100, 6)
})

test('DESIGN §6: after a pause of this process the lease is over, whoever asks first', () => {
  const node = leaseHolder()

  node.nowMs += 5_000
  node.wallMs += 5_000

  expect(node.leaseMs).toBe(0)
  expect(node.raft.role).toBe('leader') // It does not know yet; the lease does.
})

test('DESIGN §6: void, and over, when a write has been pending for longer than P', () => {
  const node = leaseHolder()
  node.holdsWrites = true
  node.propose(1)
  const keepAlive = () => {
    node.elapse(HEARTBEAT_MS)
    acknowledgeAll(node)
  }

  for (let i = 0; i < 6; i++) keepAlive()
  expect(node.leaseMs).toBeGreaterThan(0)

  node.nowMs += 1
  node.wallMs += 1
  expect(node.leaseMs).toBe(0) // Before any timer ran.
  keepAlive()
  expect(node.raft).toMatchObject({ role: 'follower', leader: null })
})

test('DESIGN §6: a disk that is slow, but no slower than P, deposes nobody', () => {
  const node = leaseHolder()
  node.holdsWrites = true
  node.propose(1)

  for (let i = 0; i < 50; i++) {
    node.elapse(HEARTBEAT_MS)
    acknowledgeAll(node)
    if (i % 5 === 4) node.persist().propose(i)
  }

  expect(node.raft.role).toBe('leader')
  expect(node.leaseMs).toBeGreaterThan(0)
})

test('DESIGN §6: a leader whose disk hangs before its no-op is durable never holds a lease', () => {
  const node = preCandidateAt('a', { term: 1 })
  node.takeSent()
  node.receive(voteResponse({ from: 'b', to: 'a', term: 2, preVote: true }))
  node.holdsWrites = true
  node.receive(voteResponse({ from: 'b', to: 'a', term: 2 }))
  acknowledgeAll(node, ['b'])

  expect(node.raft).toMatchObject({ role: 'leader', committed: 0 })
  expect(node.leaseMs).toBe(0)
  for (let i = 0; i < 7; i++) node.elapse(HEARTBEAT_MS)
  expect(node.raft.role).toBe('follower')
})

test('DESIGN §6: P travels in each append', () => {
  const node = leaderAt('a', { config: { electionMinMs: 700, electionMaxMs: 900 } })

  expect(node.takeSentOf('append').map(({ promiseMs }) => promiseMs)).toEqual([700, 700])
})

test('DESIGN §6: a voter refuses votes and pre-votes for P after hearing from a leader', () => {
  const node = nodeAt('a', { term: 1 })
  node.receive(append({ from: 'b', to: 'a', term: 1 }))
  node.takeSent()
  const ask = (preVote: boolean) =>
    node.receive(voteRequest({ from: 'c', to: 'a', term: 2, preVote }))

  node.nowMs += ELECTION_MIN_MS - 1
  ask(true)
  ask(false)
  expect(node.takeSent()).toEqual([])
  expect(node.raft.term).toBe(1)

  node.nowMs += 1
  ask(true)
  ask(false)
  expect(node.takeSent()).toMatchObject([{ granted: true }, { granted: true }])
})

test('DESIGN §6: its own candidacy waits too, whatever its own timeout is', () => {
  const node = nodeAt('a', { term: 1 })
  node.receive(append({ from: 'b', to: 'a', term: 1, promiseMs: 5_000 }))

  node.elapse(4_999)
  expect(node.raft.role).toBe('follower')
  node.elapse(1)
  expect(node.raft.role).toBe('pre_candidate')
})

test('DESIGN §6: an append that does not fit is heard as well', () => {
  const node = nodeAt('a', { term: 1 })
  node.receive(append({ from: 'b', to: 'a', term: 1, prevIndex: 9, prevTerm: 1 }))
  node.takeSent()

  node.receive(voteRequest({ from: 'c', to: 'a', term: 2 }))

  expect(node.takeSent()).toEqual([])
})

test('DESIGN §6: an append of a leader of the past promises nothing', () => {
  const node = nodeAt('a', { term: 3 })
  node.receive(append({ from: 'b', to: 'a', term: 2 }))
  node.takeSent()

  node.receive(voteRequest({ from: 'c', to: 'a', term: 4 }))

  expect(node.takeSent()).toMatchObject([{ to: 'c', granted: true }])
})

test('DESIGN §6: P is durable before the first acknowledgement that promises a larger one', () => {
  const node = nodeAt('a', { term: 1 })
  node.holdsWrites = true
  const hear = (promiseMs: number) =>
    node.receive(append({ from: 'b', to: 'a', term: 1, promiseMs }))

  hear(600)
  expect(node.takeSent()).toEqual([])
  expect(node.disk.pending).toMatchObject([{ hardState: { promiseMs: 600 } }])
  node.persist()
  expect(node.takeSent()).toHaveLength(1)

  // An equal or smaller one is covered already: heartbeats write nothing.
  hear(600)
  hear(300)
  expect(node.takeSent()).toHaveLength(2)
  expect(node.disk.pending).toEqual([])

  hear(700)
  expect(node.takeSent()).toEqual([])
  expect(node.disk.pending).toMatchObject([{ hardState: { promiseMs: 700 } }])
})

test('DESIGN §6: after boot a voter refuses for as long as it ever promised', () => {
  const node = nodeAt('a', { term: 1 })
  node.receive(append({ from: 'b', to: 'a', term: 1, promiseMs: 2_000 }))
  node.receive(append({ from: 'b', to: 'a', term: 1, promiseMs: 600 }))

  node.nowMs += 1_999
  node.restart()
  node.elapse(1_999)
  node.receive(voteRequest({ from: 'c', to: 'a', term: 2 }))
  expect(node.takeSent()).toEqual([])
  expect(node.raft).toMatchObject({ role: 'follower', term: 1 })

  node.nowMs += 1
  node.receive(voteRequest({ from: 'c', to: 'a', term: 2 }))
  expect(node.takeSent()).toMatchObject([{ granted: true }])
})

test('DESIGN §6: who never promised anything votes right after boot', () => {
  const node = nodeAt('a')

  node.receive(voteRequest({ from: 'b', to: 'a', term: 1 }))

  expect(node.takeSent()).toMatchObject([{ granted: true }])
})

test('DESIGN §6: only a vote request marked as a transfer passes a promise', () => {
  const node = nodeAt('a', { term: 1 })
  node.receive(append({ from: 'b', to: 'a', term: 1 }))
  node.takeSent()

  node.receive(voteRequest({ from: 'c', to: 'a', term: 2, transfer: true }))

  expect(node.takeSent()).toMatchObject([{ to: 'c', granted: true, term: 2 }])
})

test('DESIGN §6: staleness counts from the last confirmed round, also after stepping down', () => {
  const node = leaseHolder()
  expect(node.stalenessMs).toBe(0)

  node.elapse(ELECTION_MAX_MS)

  expect(node.raft.role).toBe('follower')
  expect(node.stalenessMs).toBe(ELECTION_MAX_MS)
})

test('DESIGN §6: what waited for a paused follower makes its state no fresher', () => {
  const leader = settledLeaderAt('a')
  const follower = nodeAt('b', { log: [1] })
  const exchange = (): void => {
    follower.receive(...leader.takeSentOf('append').filter(({ to }) => to === 'b'))
    leader.receive(...follower.takeSentOf('append_response'))
  }
  const beat = (): void => {
    leader.elapse(HEARTBEAT_MS)
    follower.elapse(HEARTBEAT_MS)
    exchange()
  }
  beat()
  expect(follower.stalenessMs).toBeNull() // The leader had heard nothing of it before.
  beat()
  expect(follower.stalenessMs).toBe(HEARTBEAT_MS)

  leader.elapse(HEARTBEAT_MS) // Sent, and then the follower sleeps for a while.
  follower.nowMs += 60_000
  exchange()

  expect(follower.stalenessMs).toBeGreaterThanOrEqual(60_000)
})

test('DESIGN §6: a leader that has lost its quorum makes nobody fresher', () => {
  const leader = leaseHolder()
  const follower = nodeAt('b', { log: [1] })
  leader.takeSent()
  for (let i = 0; i < 5; i++) {
    leader.elapse(HEARTBEAT_MS)
    follower.elapse(HEARTBEAT_MS)
    follower.receive(...leader.takeSentOf('append').filter(({ to }) => to === 'b'))
  }
  expect(leader.raft.role).toBe('leader') // It has not noticed yet.
  expect(follower.stalenessMs).toBeNull()
})

test('DESIGN §7: a vote under another incarnation does not count', () => {
  const node = preCandidateAt('a', { term: 1 })
  const grant = (preVote: boolean, incarnation: string) =>
    node.receive(voteResponse({ from: 'b', to: 'a', term: 2, preVote, incarnation }))

  grant(true, 'b-2')
  expect(node.raft.role).toBe('pre_candidate')
  grant(true, 'b-1')
  expect(node.raft.role).toBe('candidate')
  grant(false, 'b-2')
  expect(node.raft.role).toBe('candidate')
  grant(false, 'b-1')
  expect(node.raft.role).toBe('leader')
})

test('DESIGN §7: acknowledgements under another incarnation commit, prove and keep nothing', () => {
  const node = leaderAt('a')
  node.read(1)
  for (const message of node.takeSentOf('append')) {
    node.receive({ ...ackOf(message), incarnation: 'stranger' })
  }

  expect(node.raft).toMatchObject({ committed: 0, role: 'leader' })
  expect(node.raft.progress.map(({ match }) => match)).toEqual([0, 0])
  expect(node.leaseMs).toBe(0)
  expect(node.takeAnswers()).toEqual([])
})

test('DESIGN §7: a node that lost its disk does not campaign under its old name', () => {
  const members = membershipOf(['a', 'b', 'c']).members.map((member) =>
    member.id === 'a' ? { ...member, incarnation: 'a-0' } : member,
  )
  const node = nodeAt('a', { membership: { ...membershipOf(['a', 'b', 'c']), members } })

  for (let i = 0; i < 10; i++) node.elapse(ELECTION_MAX_MS)

  expect(node.raft).toMatchObject({ role: 'follower', term: 0 })
  expect(node.takeSent()).toEqual([])
})

test('DESIGN §7: an empty node never campaigns, and a learner neither', () => {
  const empty = nodeAt('a', { membership: null })
  const learner = nodeAt('a', { membership: membershipOf(['b', 'c'], { learners: ['a'] }) })

  for (const node of [empty, learner]) {
    for (let i = 0; i < 10; i++) node.elapse(ELECTION_MAX_MS)
    expect(node.raft.role).toBe('follower')
    expect(node.takeSent()).toEqual([])
  }
})

test('DESIGN §7: a learner that is asked votes: it may be a voter already, elsewhere (etcd#10998)', () => {
  const node = nodeAt('a', { membership: membershipOf(['b', 'c'], { learners: ['a'] }) })

  node.receive(voteRequest({ from: 'b', to: 'a', term: 1 }))

  expect(node.takeSent()).toMatchObject([{ granted: true }])
})

test('DESIGN §7: a learner and a fenced voter forget a leader that has fallen silent', () => {
  const learner = nodeAt('a', { membership: membershipOf(['b', 'c'], { learners: ['a'] }) })
  const fenced = nodeAt('a', { membership: membershipOf(['a', 'b', 'c']) })
  fenced.step({ type: 'fence', on: true })
  for (const node of [learner, fenced]) {
    node.receive(append({ from: 'b', to: 'a', term: 1 }))
    expect(node.raft.leader).toBe('b')

    node.elapse(2 * ELECTION_MIN_MS)

    expect(node.raft).toMatchObject({ role: 'follower', leader: null, term: 1 })
  }
})

test('DESIGN §7: a founder brings entry 1 to nodes that know nobody yet', () => {
  const founder = nodeAt('a', { membership: null })
  const others = [nodeAt('b', { membership: null }), nodeAt('c', { membership: null })]

  founder.step({ type: 'bootstrap', membership: membershipOf(['a', 'b', 'c']) })
  expect(founder.disk.entries).toMatchObject([
    { type: 'membership', term: 1, index: 1, clusterMs: 0 },
  ])
  founder.step({ type: 'tick' }) // At once: nobody else can campaign.
  exchange([founder, ...others])

  for (const node of [founder, ...others]) {
    expect(node.raft).toMatchObject({ leader: 'a', term: 2, committed: 2, last: 2 })
    expect(node.raft.membership).toEqual(membershipOf(['a', 'b', 'c']))
  }
})

test('DESIGN §7: no vote request leaves a founder before entry 1 is durable', () => {
  const node = nodeAt('a', { membership: null })
  node.holdsWrites = true

  node.step({ type: 'bootstrap', membership: membershipOf(['a', 'b', 'c']) }, { type: 'tick' })
  expect(node.takeSent()).toEqual([])

  node.persist()
  expect(node.takeSent()).toMatchObject([{ type: 'vote_request' }, { type: 'vote_request' }])
})

test('DESIGN §7: the founder of a cluster of one leads at once', () => {
  const node = nodeAt('a', { membership: null })

  node.step({ type: 'bootstrap', membership: membershipOf(['a']) }, { type: 'tick' })
  node.propose(1).read(2)

  expect(node.raft).toMatchObject({ role: 'leader', committed: 3 })
  expect(node.takeAnswers()).toEqual([
    { id: 1, type: 'appended', at: { term: 2, index: 3 } },
    { id: 2, type: 'read_at', index: 3 },
  ])
})

test('DESIGN §7: only an empty node founds', () => {
  const bootstrap = { type: 'bootstrap', membership: membershipOf(['a']) } as const

  expect(() => nodeAt('a', { log: [1] }).step(bootstrap)).toThrow('only an empty node founds')
  expect(() => nodeAt('a').step(bootstrap)).toThrow('founds no other')
})

test('DESIGN §7: a membership is in force from its append on, and falls back when it is lost', () => {
  const node = nodeAt('b', { membership: null })
  const founding = nodeAt('a', { membership: null })
  founding.step({ type: 'bootstrap', membership: membershipOf(['a', 'b', 'c']) })
  const entries = [...founding.disk.entries]

  node.receive(append({ from: 'a', to: 'b', term: 1, entries }))
  expect(node.raft).toMatchObject({ membership: { voters: ['a', 'b', 'c'] }, committed: 0 })

  node.receive(append({ from: 'c', to: 'b', term: 2, entries: entriesOf([2]) }))
  expect(node.raft.membership).toBeNull()
})

test('DESIGN §1.2: clusterMs goes on from the last entry with the monotonic clock', () => {
  const node = preCandidateAt('a', { log: [1, 1] }) // Its last entry says 20.
  node.takeSent()
  for (const preVote of [true, false]) {
    node.receive(voteResponse({ from: 'b', to: 'a', term: 2, preVote }))
  }
  node.elapse(50)
  node.wallMs += 1_000_000
  node.propose(1)

  expect(node.disk.entries.slice(2).map(({ clusterMs }) => clusterMs)).toEqual([20, 70])
})

test('DESIGN §1.2: a node without entries goes on from its state', () => {
  const node = leaderAt('a', { term: 1 })

  expect(node.disk.entries.map(({ clusterMs }) => clusterMs)).toEqual([0])
})

test('DESIGN §4: a node that starts over an older database applies again from there', () => {
  const node = nodeAt('a', { log: [1, 1, 1, 1], applied: 2, config: { applyEntriesMax: 1 } })
  expect(node.raft).toMatchObject({ committed: 2, applied: 2, last: 4 })

  node.receive(append({ from: 'b', to: 'a', term: 1, prevIndex: 4, prevTerm: 1, commit: 4 }))

  expect(node.applied.map(({ index }) => index)).toEqual([3, 4])
})

test('DESIGN §1.6: what waits for a hung disk is bounded', () => {
  const node = nodeAt('a', { term: 1, config: { heldMax: 3 } })
  node.holdsWrites = true

  for (let round = 1; round <= 9; round++) {
    node.receive(append({ from: 'b', to: 'a', term: 1, round }))
  }
  node.persist()

  expect(node.takeSentOf('append_response').map(({ round }) => round)).toEqual([7, 8, 9])
})
