/** The rules of Ongaro's thesis that the core follows beyond the paper, one test each. */
import { expect, test } from 'bun:test'
import {
  acknowledgeAll,
  ackOf,
  append,
  appendResponse,
  candidateAt,
  ELECTION_MAX_MS,
  ELECTION_MIN_MS,
  entriesOf,
  exchange,
  HEARTBEAT_MS,
  leaderAt,
  nodeAt,
  preCandidateAt,
  settledLeaderAt,
  voteRequest,
  voteResponse,
} from '../support/raft-node.ts'

/** A leader that asks for no promise, so that the next one is heard at once. */
const from = (id: string, term: number) => ({ from: id, to: 'a', term, promiseMs: 0 })

test('Thesis §3.8: a vote is durable before it is cast', () => {
  const node = nodeAt('a', { term: 1 })
  node.holdsWrites = true

  node.receive(voteRequest({ from: 'b', to: 'a', term: 2 }))
  expect(node.takeSent()).toEqual([])
  // Term and vote are one record: no crash can separate them.
  expect(node.disk.pending).toMatchObject([{ hardState: { term: 2, votedFor: 'b' }, entries: [] }])

  node.persist()
  expect(node.takeSent()).toMatchObject([{ type: 'vote_response', to: 'b', granted: true }])
})

test('Thesis §3.8: a vote that a crash undid was never cast, so another may get it', () => {
  const node = nodeAt('a', { term: 1 })
  node.holdsWrites = true
  node.receive(voteRequest({ from: 'b', to: 'a', term: 2 }))

  node.restart()
  node.receive(voteRequest({ from: 'c', to: 'a', term: 2 })).persist()

  expect(node.takeSent()).toMatchObject([{ to: 'c', granted: true }])
})

test('Thesis §3.8: a candidacy is durable before votes are asked for', () => {
  const node = preCandidateAt('a', { term: 1 })
  node.takeSent()
  node.holdsWrites = true

  node.receive(voteResponse({ from: 'b', to: 'a', term: 2, preVote: true }))
  expect(node.takeSent()).toEqual([])

  node.persist()
  expect(node.takeSent()).toMatchObject([
    { type: 'vote_request', to: 'b', term: 2, preVote: false },
    { type: 'vote_request', to: 'c', term: 2, preVote: false },
  ])
})

test('Thesis §3.8: entries are durable before they are acknowledged', () => {
  const node = nodeAt('a', { term: 1, promiseMs: ELECTION_MIN_MS })
  node.holdsWrites = true

  node.receive(append({ from: 'b', to: 'a', term: 1, entries: entriesOf([1, 1]) }))
  expect(node.takeSent()).toEqual([])

  node.persist()
  expect(node.takeSent()).toMatchObject([{ result: { ok: true, match: 2 } }])
})

test('Thesis §3.8: a heartbeat is answered at once, with what is durable of what it covers', () => {
  const node = nodeAt('a', { log: [1], promiseMs: ELECTION_MIN_MS })
  node.holdsWrites = true
  const sent = { from: 'b', to: 'a', term: 1 }

  node.receive(append({ ...sent, prevIndex: 1, prevTerm: 1, entries: entriesOf([1, 1], 2) }))
  node.receive(append({ ...sent, prevIndex: 3, prevTerm: 1, round: 2 }))

  expect(node.takeSent()).toMatchObject([{ round: 2, result: { ok: true, match: 1 } }])
})

test('Thesis §3.8: what waited for the disk in an older term is never said', () => {
  const node = nodeAt('a', { term: 1 })
  node.holdsWrites = true
  node.receive(append({ from: 'b', to: 'a', term: 1, entries: entriesOf([1]), promiseMs: 0 }))

  node.receive(append({ from: 'c', to: 'a', term: 2, entries: entriesOf([2]), promiseMs: 0 }))
  node.persist()

  expect(node.takeSent()).toMatchObject([{ to: 'c', term: 2, result: { ok: true, match: 1 } }])
})

test('Thesis §3.8: a late write of replaced entries proves nothing, not even for equal ones (ABA)', () => {
  const node = nodeAt('a', { term: 1 })
  node.holdsWrites = true
  node.receive(append({ ...from('b', 1), entries: entriesOf([1]) }))
  node.receive(append({ ...from('c', 2), entries: entriesOf([2]) }))
  // The entry of term 1 comes back, by a leader that never saw the one of term 2.
  node.receive(append({ ...from('b', 3), entries: entriesOf([1, 3]), commit: 1 }))
  expect(node.disk.pending).toHaveLength(3)

  node.persist(1)
  expect(node.raft).toMatchObject({ persisted: 0, committed: 1 })
  node.persist(1) // The disk holds the entry of term 2 now.
  expect(node.disk.termAt(1)).toBe(2)
  expect(node.raft.persisted).toBe(0)
  expect(node.applied).toEqual([])

  node.persist(1)
  expect(node.raft.persisted).toBe(2)
  expect(node.applied.map(({ term }) => term)).toEqual([1])
})

test('Thesis §10.2.1: a leader sends an entry while its own disk still works', () => {
  const node = settledLeaderAt('a')
  node.holdsWrites = true

  node.propose(1)

  expect(node.disk.pending).toHaveLength(1)
  expect(node.takeSentOf('append').map(({ entries }) => entries.length)).toEqual([1, 1])
})

test('Thesis §10.2.1: it counts itself only once its own write is durable (etcd#14370)', () => {
  const node = settledLeaderAt('a')
  node.holdsWrites = true
  node.propose(1)
  const [toB] = node.takeSentOf('append')

  node.receive(ackOf(toB ?? expect.unreachable()))
  expect(node.raft.committed).toBe(1)

  node.persist()
  expect(node.raft.committed).toBe(2)
})

test('Thesis §10.2.1: the only voter commits nothing before its disk did', () => {
  const node = nodeAt('a', { voters: ['a'] })
  node.holdsWrites = true
  node.elapse(ELECTION_MIN_MS)
  expect(node.raft.role).toBe('candidate') // Its own vote counts no earlier than any other.
  node.persist()
  expect(node.raft.role).toBe('leader')
  expect(node.read(1).takeAnswers()).toEqual([])
  expect(node.leaseMs).toBe(0)

  node.persist()

  expect(node.raft.committed).toBe(1)
  expect(node.takeAnswers()).toEqual([{ id: 1, type: 'read_at', index: 1 }])
  expect(node.leaseMs).toBe(ELECTION_MIN_MS)
})

test('Thesis §10.2.1: a majority without the leader commits; it applies when it is durable', () => {
  const node = settledLeaderAt('a')
  node.holdsWrites = true
  node.propose(1)

  acknowledgeAll(node)
  expect(node.raft.committed).toBe(2)
  expect(node.applied.map(({ index }) => index)).toEqual([1])

  node.persist()
  expect(node.applied.map(({ index }) => index)).toEqual([1, 2])
})

test('Thesis §4.2.3: who hears a leader neither votes nor raises its term for another', () => {
  const node = nodeAt('a', { term: 1 })
  node.receive(append({ from: 'b', to: 'a', term: 1 }))
  node.takeSent()

  for (const preVote of [true, false]) {
    node.receive(voteRequest({ from: 'c', to: 'a', term: 9, lastTerm: 8, lastIndex: 9, preVote }))
  }

  expect(node.takeSent()).toEqual([])
  expect(node.raft).toMatchObject({ term: 1, leader: 'b', role: 'follower' })
})

test('Thesis §4.2.3: a leader that hears a majority is not deposed by a vote request', () => {
  const node = settledLeaderAt('a')

  node.receive(voteRequest({ from: 'c', to: 'a', term: 9, lastTerm: 8, lastIndex: 9 }))

  expect(node.raft).toMatchObject({ role: 'leader', term: 1 })
})

test('Thesis §6.2: a leader steps down when no majority answers for an election timeout', () => {
  const node = settledLeaderAt('a', { voters: ['a', 'b', 'c', 'd', 'e'] })
  const answer = (from: string) =>
    node.receive(appendResponse({ from, to: 'a', term: 1, result: { ok: true, match: 1 } }))

  for (let i = 0; i < 30; i++) {
    node.elapse(HEARTBEAT_MS)
    answer('b')
    answer('c')
  }
  expect(node.raft.role).toBe('leader')

  for (let passed = 0; passed < ELECTION_MAX_MS; passed += HEARTBEAT_MS) {
    node.elapse(HEARTBEAT_MS)
    answer('b') // With its own that is two of five.
  }
  expect(node.raft).toMatchObject({ role: 'follower', leader: null, term: 1 })
})

test('Thesis §6.2: what strangers answer keeps no leader in office', () => {
  const node = settledLeaderAt('a')

  for (let passed = 0; passed < ELECTION_MAX_MS; passed += HEARTBEAT_MS) {
    node.elapse(HEARTBEAT_MS)
    for (const from of ['x', 'y']) {
      node.receive(appendResponse({ from, to: 'a', term: 1, result: { ok: true, match: 1 } }))
    }
  }

  expect(node.raft.role).toBe('follower')
})

test('Thesis §6.2: reads that wait are refused when it steps down', () => {
  const node = settledLeaderAt('a')
  node.read(7)

  node.elapse(ELECTION_MAX_MS)

  expect(node.takeAnswers()).toEqual([{ id: 7, type: 'refused', code: 'not_leader', leader: null }])
})

test('Thesis §6.4: the read index is the one at arrival; the round begins after it', () => {
  const node = settledLeaderAt('a')
  node.elapse(HEARTBEAT_MS)
  const before = node.takeSentOf('append')

  node.read(1)
  const after = node.takeSentOf('append')
  node.receive(...before.map(ackOf)) // Sent before the read arrived: they prove nothing for it.
  expect(node.takeAnswers()).toEqual([])

  node.receive(...after.map(ackOf))
  expect(node.takeAnswers()).toEqual([{ id: 1, type: 'read_at', index: 1 }])
})

test('Thesis §6.4: one round serves all reads that waited for it', () => {
  const node = settledLeaderAt('a')

  for (const id of [1, 2, 3]) node.raft.step({ type: 'read_index', id }, node.clock)
  node.drain()
  const round = node.takeSentOf('append')
  expect(round).toHaveLength(2)

  node.receive(...round.slice(0, 1).map(ackOf))
  expect(node.takeAnswers().map(({ id }) => id)).toEqual([1, 2, 3])
})

test('Thesis §6.4: a lost round is made good by any later one', () => {
  const node = settledLeaderAt('a')
  node.read(1).takeSent()

  node.elapse(HEARTBEAT_MS)
  acknowledgeAll(node, ['c'])

  expect(node.takeAnswers()).toEqual([{ id: 1, type: 'read_at', index: 1 }])
})

test('Thesis §6.4: an acknowledgement of an earlier leadership answers no read (etcd#20418)', () => {
  const node = settledLeaderAt('a')
  node.elapse(HEARTBEAT_MS)
  const [late] = node.takeSentOf('append')
  node.elapse(ELECTION_MAX_MS) // Steps down.
  node.elapse(ELECTION_MIN_MS).takeSent()
  for (const preVote of [true, false]) {
    node.receive(voteResponse({ from: 'b', to: 'a', term: 2, preVote }))
  }
  acknowledgeAll(node)
  expect(node.raft).toMatchObject({ role: 'leader', term: 2, hasCommittedInTerm: true })

  node.read(1)
  const [round] = node.takeSentOf('append')
  node.receive(ackOf(late ?? expect.unreachable()))
  expect(node.takeAnswers()).toEqual([])
  // Rounds grow over leaderships too: even in the new term the old number proves nothing.
  node.receive({ ...ackOf(late ?? expect.unreachable()), term: 2 })
  expect(node.takeAnswers()).toEqual([])
  expect(round?.round).toBeGreaterThan(late?.round ?? Infinity)
})

test('Thesis §6.4: reads beyond the bound are refused', () => {
  const node = settledLeaderAt('a', { config: { readsMax: 2 } })

  node.read(1).read(2).read(3)

  const refused = { type: 'refused', code: 'too_many_requests', leader: 'a' }
  expect(node.takeAnswers()).toMatchObject([{ id: 3, ...refused }])
})

test('Thesis §9.6: a pre-vote raises no term and stores nothing', () => {
  const node = nodeAt('a', { term: 4, log: [4] })
  node.holdsWrites = true

  node.elapse(ELECTION_MIN_MS)

  expect(node.raft).toMatchObject({ role: 'pre_candidate', term: 4 })
  expect(node.disk.pending).toEqual([])
  expect(node.takeSent()).toMatchObject([
    { to: 'b', preVote: true, term: 5, lastTerm: 4, lastIndex: 1 },
    { to: 'c', preVote: true, term: 5, lastTerm: 4, lastIndex: 1 },
  ])
})

test('Thesis §9.6: granting one changes neither term, vote nor timer (hashicorp/raft 42d3446)', () => {
  const node = nodeAt('a', { term: 4 })
  node.holdsWrites = true
  const dueMs = node.raft.nextTickMs

  node.elapse(ELECTION_MIN_MS - 1)
  for (const from of ['b', 'c']) {
    node.receive(voteRequest({ from, to: 'a', term: 5, preVote: true }))
  }

  const granted = { type: 'vote_response', preVote: true, granted: true, term: 5 }
  expect(node.takeSent()).toMatchObject([
    { ...granted, to: 'b' },
    { ...granted, to: 'c' },
  ])
  expect(node.disk.pending).toEqual([])
  expect(node.raft).toMatchObject({ term: 4, nextTickMs: dueMs })
})

test('Thesis §9.6: a server that was cut off raises no term, and deposes nobody on its return', () => {
  const [a, b, c] = [settledLeaderAt('a'), nodeAt('b', { log: [1] }), nodeAt('c', { log: [1] })]
  a.elapse(HEARTBEAT_MS)
  exchange([a, b, c])
  for (let i = 0; i < 20; i++) c.elapse(ELECTION_MAX_MS)
  c.takeSent() // All of it is lost.
  expect(c.raft).toMatchObject({ role: 'pre_candidate', term: 1 })

  a.elapse(HEARTBEAT_MS)
  exchange([a, b, c])

  for (const node of [a, b, c]) expect(node.raft).toMatchObject({ term: 1, leader: 'a' })
})

test('Thesis §9.6: a pre-vote is not granted for a term that has begun already', () => {
  const node = nodeAt('a', { term: 5 })

  node.receive(voteRequest({ from: 'b', to: 'a', term: 5, preVote: true }))

  // The refusal tells our term, so that the asker catches up.
  expect(node.takeSent()).toMatchObject([{ preVote: true, granted: false, term: 5 }])
})

test('Thesis §9.6: a pre-vote that was refused with a newer term makes a follower of that term', () => {
  const node = preCandidateAt('a', { term: 1 })

  node.receive(voteResponse({ from: 'b', to: 'a', term: 6, preVote: true, granted: false }))

  expect(node.raft).toMatchObject({ role: 'follower', term: 6 })
})

test('Thesis §9.6: a server stuck in a higher term comes back, by deposing the leader once (etcd)', () => {
  const a = settledLeaderAt('a')
  const b = nodeAt('b', { log: [1] })
  const c = candidateAt('c', { term: 3, log: [1] })
  c.takeSent()

  a.elapse(HEARTBEAT_MS)
  exchange([a, b, c]) // Nobody heeds its requests; but it refuses the heartbeat, with its term.
  expect(a.raft).toMatchObject({ role: 'follower', term: 4 })

  for (let i = 0; i < 20 && a.raft.role !== 'leader'; i++) {
    a.elapse(HEARTBEAT_MS)
    exchange([a, b, c])
  }
  for (const node of [a, b, c]) expect(node.raft).toMatchObject({ leader: 'a', term: 5 })
})

const TIMEOUT_NOW = {
  type: 'timeout_now',
  from: 'b',
  incarnation: 'b-1',
  to: 'a',
  term: 1,
} as const

test('Thesis §3.10: the leader brings the target up to date, then tells it to campaign', () => {
  const node = settledLeaderAt('a')
  node.propose(1).takeSent()

  node.step({ type: 'transfer' })
  expect(node.takeSent()).toEqual([])
  node.receive(appendResponse({ from: 'c', to: 'a', term: 1, result: { ok: true, match: 2 } }))
  expect(node.takeSentOf('timeout_now')).toEqual([])

  // It chose b; of two that are equally far, the one heard last, or else the first.
  node.receive(appendResponse({ from: 'b', to: 'a', term: 1, result: { ok: true, match: 2 } }))
  expect(node.takeSentOf('timeout_now')).toMatchObject([{ to: 'b', term: 1 }])
})

test('Thesis §3.10: of equals it chooses the one heard last, and never one that is silent', () => {
  const node = settledLeaderAt('a')
  node.elapse(HEARTBEAT_MS)
  acknowledgeAll(node, ['c'])

  node.step({ type: 'transfer' })
  expect(node.takeSentOf('timeout_now')).toMatchObject([{ to: 'c' }])

  const alone = settledLeaderAt('a')
  alone.elapse(ELECTION_MIN_MS).takeSent()
  alone.step({ type: 'transfer' }).propose(1)
  expect(alone.takeSentOf('timeout_now')).toEqual([])
  expect(alone.takeAnswers()).toMatchObject([{ type: 'appended' }]) // So it goes on leading.
})

test('Thesis §3.10: meanwhile it takes no proposals and no reads', () => {
  const node = settledLeaderAt('a')
  node.read(1)

  node.step({ type: 'transfer' }).propose(2).propose(3, { own: true }).read(4)

  const refused = { type: 'refused', code: 'not_leader', leader: null } as const
  expect(node.takeAnswers()).toEqual([1, 2, 3, 4].map((id) => ({ id, ...refused })))
})

test('Thesis §6.4.1: its lease ends before TimeoutNow leaves, for the rest of its term', () => {
  const node = settledLeaderAt('a')
  node.elapse(HEARTBEAT_MS)
  acknowledgeAll(node)
  expect(node.leaseMs).toBeGreaterThan(0)

  node.propose(1).step({ type: 'transfer' })
  expect(node.leaseMs).toBe(0)
  for (let i = 0; i < 5; i++) {
    acknowledgeAll(node)
    expect(node.leaseMs).toBe(0)
    node.elapse(HEARTBEAT_MS)
  }
  expect(node.raft.role).toBe('leader')
})

test('Thesis §3.10: a transfer that fails ends in stepping down after an election timeout', () => {
  const node = settledLeaderAt('a')
  node.step({ type: 'transfer' })

  for (let passed = 0; passed < ELECTION_MIN_MS; passed += HEARTBEAT_MS) {
    expect(node.raft.role).toBe('leader')
    node.elapse(HEARTBEAT_MS)
    acknowledgeAll(node)
  }

  expect(node.raft.role).toBe('follower')
})

/** A leader whose target is given one more entry with every heartbeat. Returns when that ended. */
function handOverSlowly(
  node: ReturnType<typeof settledLeaderAt>,
  entries: number,
): { passedMs: number; told: number } {
  for (let id = 1; id <= entries; id++) node.propose(id)
  node.step({ type: 'transfer' })
  let told = 0
  let passedMs = 0
  for (let match = 2; node.raft.role === 'leader' && told === 0; match++) {
    node.elapse(HEARTBEAT_MS)
    passedMs += HEARTBEAT_MS
    if (node.raft.role !== 'leader') break
    node.receive(appendResponse({ from: 'b', to: 'a', term: 1, result: { ok: true, match } }))
    told = node.takeSentOf('timeout_now').length
  }
  return { passedMs, told }
}

test('Thesis §3.10: a target that keeps catching up is waited for', () => {
  const entries = (2 * ELECTION_MIN_MS) / HEARTBEAT_MS
  const { passedMs, told } = handOverSlowly(settledLeaderAt('a'), entries)

  expect(told).toBe(1)
  expect(passedMs).toBeGreaterThan(ELECTION_MIN_MS)
})

test('Thesis §3.10: but not for ever', () => {
  const node = settledLeaderAt('a')
  const { passedMs, told } = handOverSlowly(node, (20 * ELECTION_MIN_MS) / HEARTBEAT_MS)

  expect(told).toBe(0)
  expect(passedMs).toBeLessThanOrEqual(8 * ELECTION_MIN_MS)
  expect(node.raft.role).toBe('follower')
})

test('Thesis §3.10: the target campaigns at once, past every promise to the old leader', () => {
  const [a, b, c] = [settledLeaderAt('a'), nodeAt('b', { log: [1] }), nodeAt('c', { log: [1] })]
  a.elapse(HEARTBEAT_MS)
  exchange([a, b, c])

  a.step({ type: 'transfer' })
  exchange([a, b, c])

  for (const node of [a, b, c])
    expect(node.raft).toMatchObject({ leader: 'b', term: 2, committed: 2 })
})

test('Thesis §3.10: TimeoutNow is void in any other term, and of anybody but the leader', () => {
  const node = nodeAt('a', { term: 1 })
  node.receive(TIMEOUT_NOW) // Nobody leads, as far as it knows.
  expect(node.raft).toMatchObject({ role: 'follower', term: 1 })

  node.receive(append({ from: 'c', to: 'a', term: 1 }))
  node.receive(TIMEOUT_NOW)
  expect(node.raft).toMatchObject({ role: 'follower', leader: 'c', term: 1 })

  node.receive(append({ from: 'b', to: 'a', term: 3 }))
  node.receive(TIMEOUT_NOW)
  expect(node.raft).toMatchObject({ role: 'follower', leader: 'b', term: 3 })

  node.receive({ ...TIMEOUT_NOW, term: 3 })
  expect(node.raft).toMatchObject({ role: 'candidate', term: 4 })
})

test('Thesis §3.10: a candidate of a transfer that fails asks for pre-votes next, unmarked', () => {
  const node = nodeAt('a', { term: 1 })
  node.receive(append({ from: 'b', to: 'a', term: 1 }), TIMEOUT_NOW)
  expect(node.takeSentOf('vote_request')).toMatchObject([
    { to: 'b', term: 2, preVote: false, transfer: true },
    { to: 'c', term: 2, preVote: false, transfer: true },
  ])

  node.elapse(ELECTION_MIN_MS)

  expect(node.takeSentOf('vote_request')).toMatchObject([
    { to: 'b', term: 3, preVote: true, transfer: false },
    { to: 'c', term: 3, preVote: true, transfer: false },
  ])
})

test('Thesis §6.2: what a leader without a quorum piles up is bounded', () => {
  const node = leaderAt('a', { config: { uncommittedBytesMax: 100 } })
  const text = 'x'.repeat(60)

  node.propose(1, { text }).propose(2, { text })
  expect(node.takeAnswers()).toMatchObject([
    { id: 1, type: 'appended' },
    { id: 2, type: 'refused', code: 'too_many_requests' },
  ])
  node.propose(3, { text, own: true }) // The leader's own have a lane of their own.
  expect(node.takeAnswers()).toMatchObject([{ id: 3, type: 'appended' }])

  acknowledgeAll(node)
  node.propose(4, { text })
  expect(node.takeAnswers()).toMatchObject([{ id: 4, type: 'appended' }])
})
