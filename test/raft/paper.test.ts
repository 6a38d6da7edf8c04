/**
 * One test for each rule of "In Search of an Understandable Consensus Algorithm (Extended
 * Version)", in its words and in its order. `thesis.test.ts` and `design.test.ts` go on from here.
 */
import { describe, expect, test } from 'bun:test'
import { LAN, raftConfig } from '../../src/raft/mod.ts'
import {
  acknowledgeAll,
  ackOf,
  append,
  appendResponse,
  candidateAt,
  ELECTION_MAX_MS,
  ELECTION_MIN_MS,
  entriesOf,
  entryOf,
  exchange,
  HEARTBEAT_MS,
  leaderAt,
  nodeAt,
  preCandidateAt,
  settledLeaderAt,
  voteRequest,
  voteResponse,
} from '../support/raft-node.ts'

const ROLES = {
  follower: () => nodeAt('a', { term: 1 }),
  pre_candidate: () => preCandidateAt('a', { term: 1 }),
  candidate: () => candidateAt('a', { term: 1 }),
  leader: () => leaderAt('a', { term: 1 }),
}

describe.each(Object.entries(ROLES))('as %s', (_, at) => {
  test('Raft §5.1: a server updates its term to a larger one, and reverts to follower', () => {
    const node = at()

    node.receive(append({ from: 'b', to: 'a', term: 7 }))

    expect(node.raft.term).toBe(7)
    expect(node.raft.role).toBe('follower')
    expect(node.raft.leader).toBe('b')
    expect(node.disk.hardState).toMatchObject({ term: 7, votedFor: null })
  })

  test('Raft §5.1: a request with a stale term number is rejected', () => {
    const node = at()
    const { role, term } = node.raft
    node.takeSent()

    node.receive(append({ from: 'b', to: 'a', term: 0 }))
    node.receive(voteRequest({ from: 'c', to: 'a', term: 0 }))

    const [toAppend, toVote] = node.takeSent()
    expect(toAppend).toMatchObject({
      type: 'append_response',
      to: 'b',
      term,
      result: { ok: false },
    })
    if (role === 'leader')
      expect(toVote).toBeUndefined() // Nobody deposes one that is heard.
    else expect(toVote).toMatchObject({ type: 'vote_response', to: 'c', term, granted: false })
    expect(node.raft).toMatchObject({ role, term })
  })
})

test('Raft §5.1: a response of an older term is ignored (two leaders in one term, Xraft#33)', () => {
  const voters = ['a', 'b', 'c', 'd', 'e']
  const node = candidateAt('a', { term: 1, voters })
  node.elapse(ELECTION_MAX_MS)
  for (const { to, term } of node.takeSentOf('vote_request')) {
    node.receive(voteResponse({ from: to, to: 'a', term, preVote: true }))
  }
  expect(node.raft).toMatchObject({ role: 'candidate', term: 3 })

  node.receive(voteResponse({ from: 'b', to: 'a', term: 2 }))
  node.receive(voteResponse({ from: 'c', to: 'a', term: 2 }))

  expect(node.raft.role).toBe('candidate')
})

test('Raft §5.2: when servers start up, they begin as followers', () => {
  expect(nodeAt('a').raft.role).toBe('follower')
  expect(nodeAt('a', { term: 3, votedFor: 'a' }).raft).toMatchObject({
    role: 'follower',
    leader: null,
  })
})

test('Raft §5.2: a server remains follower as long as it receives valid RPCs', () => {
  const node = nodeAt('a', { term: 1 })

  for (let i = 0; i < 50; i++) {
    node.elapse(ELECTION_MIN_MS - 1)
    node.receive(append({ from: 'b', to: 'a', term: 1, round: i }))
  }

  expect(node.raft).toMatchObject({ role: 'follower', leader: 'b', term: 1 })
})

test('Raft §5.2: leaders send periodic heartbeats to all followers', () => {
  const node = settledLeaderAt('a', { term: 1 })

  for (let i = 0; i < 3; i++) {
    expect(node.elapse(HEARTBEAT_MS - 1).takeSent()).toEqual([])
    expect(node.elapse(1).takeSent()).toMatchObject([
      { type: 'append', to: 'b', entries: [] },
      { type: 'append', to: 'c', entries: [] },
    ])
    node.receive(
      appendResponse({ from: 'b', to: 'a', term: 2, round: 1, result: { ok: true, match: 1 } }),
    )
  }
})

test('Raft §5.2: a follower that hears nothing over the election timeout begins an election', () => {
  const node = nodeAt('a', { term: 1 })

  expect(node.elapse(ELECTION_MIN_MS - 1).raft.role).toBe('follower')
  expect(node.elapse(1).raft.role).toBe('pre_candidate') // Deviation: a pre-vote first.
})

test('Raft §5.2: to begin an election it increments its term, votes for itself and asks all', () => {
  const node = preCandidateAt('a', { log: [1, 1], voters: ['a', 'b', 'c', 'd', 'e'] })
  node.takeSent()

  for (const from of ['b', 'c']) {
    node.receive(voteResponse({ from, to: 'a', term: 2, preVote: true }))
  }

  expect(node.raft).toMatchObject({ role: 'candidate', term: 2, leader: null })
  expect(node.disk.hardState).toMatchObject({ term: 2, votedFor: 'a' })
  expect(node.takeSent()).toMatchObject(
    ['b', 'c', 'd', 'e'].map((to) => ({
      type: 'vote_request',
      preVote: false,
      to,
      term: 2,
      lastTerm: 1,
      lastIndex: 2,
    })),
  )
})

test.each([
  [1, [], 'leader'],
  [2, ['b'], 'leader'],
  [2, [], 'candidate'],
  [3, ['b'], 'leader'],
  [3, [], 'candidate'],
  [4, ['b'], 'candidate'],
  [4, ['b', 'c'], 'leader'],
  [5, ['b'], 'candidate'],
  [5, ['b', 'd'], 'leader'],
  [7, ['b', 'c'], 'candidate'],
  [7, ['b', 'e', 'g'], 'leader'],
] as const)('Raft §5.2: of %d servers, votes of %j and its own make it %s', (size, from, role) => {
  const voters = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].slice(0, size)
  const node = candidateAt('a', { voters })

  for (const id of from) node.receive(voteResponse({ from: id, to: 'a', term: 1 }))

  expect(node.raft).toMatchObject({ role, term: 1 })
})

test('Raft §5.2: a vote counts once, and only of a voter', () => {
  const node = candidateAt('a', { voters: ['a', 'b', 'c', 'd', 'e'] })

  for (const from of ['b', 'b', 'b', 'x', 'y']) {
    node.receive(voteResponse({ from, to: 'a', term: 1 }))
  }
  expect(node.raft.role).toBe('candidate')

  node.receive(voteResponse({ from: 'c', to: 'a', term: 1 }))
  expect(node.raft.role).toBe('leader')
})

test('Raft §5.2: a server votes for at most one candidate in a term, first come, first served', () => {
  const node = nodeAt('a', { term: 1 })

  for (const from of ['b', 'c', 'b']) node.receive(voteRequest({ from, to: 'a', term: 2 }))

  // The second request of b repeats a vote already cast, so it is granted again.
  expect(node.takeSent()).toMatchObject([
    { type: 'vote_response', to: 'b', term: 2, granted: true },
    { type: 'vote_response', to: 'c', term: 2, granted: false },
    { type: 'vote_response', to: 'b', term: 2, granted: true },
  ])
})

test('Raft §5.2: one vote in a term, restarts included', () => {
  const node = nodeAt('a', { term: 1 })
  node.receive(voteRequest({ from: 'b', to: 'a', term: 2 }))

  node.restart()
  node.receive(voteRequest({ from: 'c', to: 'a', term: 2 }))
  node.receive(voteRequest({ from: 'b', to: 'a', term: 2 }))

  expect(node.takeSent()).toMatchObject([
    { to: 'c', granted: false },
    { to: 'b', granted: true },
  ])
})

test('Raft §5.2: a vote is kept when the leader of the term is discovered (camunda#5356)', () => {
  const node = nodeAt('a', { term: 1 })
  node.receive(voteRequest({ from: 'b', to: 'a', term: 2 }))
  node.receive(append({ from: 'c', to: 'a', term: 2, promiseMs: 0 }))
  node.takeSent()

  node.receive(voteRequest({ from: 'b', to: 'a', term: 2 }))
  node.receive(voteRequest({ from: 'c', to: 'a', term: 2 }))

  expect(node.takeSent()).toMatchObject([{ granted: false }, { granted: false }])
  expect(node.disk.hardState.votedFor).toBe('b')
})

test('Raft §5.2: a candidate recognizes a leader of its own term and returns to follower', () => {
  const node = candidateAt('a', { term: 1 })

  node.receive(append({ from: 'b', to: 'a', term: 2 }))

  expect(node.raft).toMatchObject({ role: 'follower', leader: 'b', term: 2 })
})

test('Raft §5.2: a candidate rejects an append of an older term and continues', () => {
  const node = candidateAt('a', { term: 1 })
  node.takeSent()

  node.receive(append({ from: 'b', to: 'a', term: 1 }))

  expect(node.raft).toMatchObject({ role: 'candidate', term: 2 })
  expect(node.takeSent()).toMatchObject([{ term: 2, result: { ok: false } }])
})

test('Raft §5.2: after a split vote each candidate times out and starts a new election', () => {
  const node = candidateAt('a', { term: 1, voters: ['a', 'b', 'c', 'd', 'e'] })
  node.receive(voteResponse({ from: 'b', to: 'a', term: 2 }))
  node.receive(voteResponse({ from: 'c', to: 'a', term: 2, granted: false }))

  node.elapse(ELECTION_MIN_MS)
  for (const from of ['d', 'e']) {
    node.receive(voteResponse({ from, to: 'a', term: 3, preVote: true }))
  }

  expect(node.raft).toMatchObject({ role: 'candidate', term: 3 })
})

test('Raft §5.2: a candidate that a majority refused waits as a follower', () => {
  const node = candidateAt('a', { term: 1 })

  node.receive(voteResponse({ from: 'b', to: 'a', term: 2, granted: false }))
  expect(node.raft.role).toBe('candidate')

  node.receive(voteResponse({ from: 'c', to: 'a', term: 2, granted: false }))
  expect(node.raft).toMatchObject({ role: 'follower', term: 2, leader: null })
})

const timeoutOf = (drawn: number) => {
  const node = nodeAt('a', { config: { random: (bound) => Math.floor(drawn * bound) } })
  return node.raft.nextTickMs - node.nowMs
}

test('Raft §5.2: election timeouts are chosen randomly from a fixed interval', () => {
  expect(timeoutOf(0)).toBe(600)
  expect(timeoutOf(0.5)).toBe(800)
  expect(timeoutOf(0.999)).toBe(999)
})

test('Raft §5.2: the timeout is drawn anew at the start of each election', () => {
  const draws = [100, 300, 200]
  const node = nodeAt('a', { config: { random: () => draws.shift() ?? 0 } })

  expect(node.raft.nextTickMs - node.nowMs).toBe(700)
  node.elapse(700)
  expect(node.raft.nextTickMs - node.nowMs).toBe(900)
  node.elapse(900)
  expect(node.raft.nextTickMs - node.nowMs).toBe(800)
})

test('Raft §5.2: who grants a vote campaigns no more itself until it times out again', () => {
  const node = preCandidateAt('a', { term: 2, voters: ['a', 'b', 'c', 'd', 'e'] })

  // b campaigned in term 2 meanwhile; a was about to ask for term 3.
  node.receive(voteRequest({ from: 'b', to: 'a', term: 2 }))
  for (const from of ['c', 'd']) {
    node.receive(voteResponse({ from, to: 'a', term: 3, preVote: true }))
  }

  expect(node.disk.hardState).toMatchObject({ term: 2, votedFor: 'b' })
  expect(node.raft).toMatchObject({ role: 'follower', term: 2 })
  expect(node.raft.nextTickMs - node.nowMs).toBe(ELECTION_MIN_MS)
})

test('Raft §5.3: the leader appends a command and issues AppendEntries in parallel', () => {
  const node = settledLeaderAt('a', { term: 1 })

  node.propose(1)

  expect(node.takeAnswers()).toEqual([{ id: 1, type: 'appended', at: { term: 2, index: 2 } }])
  const sent = { type: 'append', prevIndex: 1, prevTerm: 2, commit: 1, term: 2 }
  const entries = [{ term: 2, index: 2, type: 'command' }]
  expect(node.takeSent()).toMatchObject([
    { ...sent, to: 'b', entries },
    { ...sent, to: 'c', entries },
  ])
})

test.each([
  [1, [], true],
  [3, [], false],
  [3, ['b'], true],
  [3, ['b', 'c'], true],
  [5, ['b'], false],
  [5, ['b', 'c'], true],
  [5, ['d', 'e'], true],
] as const)(
  'Raft §5.3: of %d, an entry on %j and the leader is committed: %p',
  (size, from, is) => {
    const node = leaderAt('a', { voters: ['a', 'b', 'c', 'd', 'e'].slice(0, size) })

    acknowledgeAll(node, from)

    expect(node.raft.committed).toBe(is ? 1 : 0)
    expect(node.applied.map(({ index }) => index)).toEqual(is ? [1] : [])
  },
)

test('Raft §5.3: it commits all preceding entries too, also of previous leaders', () => {
  const node = leaderAt('a', { log: [1, 2, 2] })

  acknowledgeAll(node, ['b'])

  expect(node.applied.map(({ term, index }) => [term, index])).toEqual([
    [1, 1],
    [2, 2],
    [2, 3],
    [3, 4],
  ])
})

test('Raft §5.3: the leader names the committed index in future appends, heartbeats too', () => {
  const node = settledLeaderAt('a')
  node.propose(1)
  const [toB] = node.takeSentOf('append')
  expect(toB).toMatchObject({ commit: 1, prevIndex: 1 })

  node.receive(ackOf(toB ?? expect.unreachable()))

  // At once: whoever waits for this entry on a follower is told by it.
  expect(node.takeSent()).toMatchObject([
    { to: 'b', commit: 2, entries: [] },
    { to: 'c', commit: 2, entries: [] },
  ])
  expect(node.elapse(HEARTBEAT_MS).takeSent()).toMatchObject([{ commit: 2 }, { commit: 2 }])
})

test('Raft §5.3: a commit that no entries carry is told after commitNoticeMs', () => {
  const node = settledLeaderAt('a', { config: { commitNoticeMs: 2 } })
  node.elapse(HEARTBEAT_MS)
  acknowledgeAll(node)
  node.propose(1)
  const toB = node.takeSentOf('append').find(({ to }) => to === 'b') ?? expect.unreachable()

  node.receive(ackOf(toB))
  expect(node.takeSent()).toEqual([])
  expect(node.raft.nextTickMs).toBe(node.nowMs + 2)
  node.elapse(2)
  expect(node.takeSent()).toMatchObject([
    { to: 'b', commit: 2, entries: [] },
    { to: 'c', commit: 2, entries: [] },
  ])
  expect(node.raft.nextTickMs).toBeGreaterThan(node.nowMs + 2)
})

test('Raft §5.3: one whose window was full is told of the commit once it opens', () => {
  const node = settledLeaderAt('a', { config: { inflightMax: 1 } })
  node.propose(1)
  const [toB, toC] = node.takeSentOf('append')

  node.receive(ackOf(toB ?? expect.unreachable()))
  expect(node.takeSent()).toMatchObject([{ to: 'b', commit: 2 }])
  node.receive(ackOf(toC ?? expect.unreachable()))
  expect(node.takeSent()).toMatchObject([{ to: 'c', commit: 2, entries: [] }])
})

test('Raft §5.3: a follower applies what it learns to be committed, in log order', () => {
  const node = nodeAt('a', { log: [1] })

  node.receive(
    append({
      from: 'b',
      to: 'a',
      term: 1,
      prevIndex: 1,
      prevTerm: 1,
      entries: entriesOf([1, 1], 2),
    }),
  )
  expect(node.applied).toEqual([])

  node.receive(append({ from: 'b', to: 'a', term: 1, prevIndex: 3, prevTerm: 1, commit: 3 }))
  expect(node.applied.map(({ index }) => index)).toEqual([1, 2, 3])
})

// Over a log of terms 1, 2.
test.each([
  [0, 0, true],
  [1, 1, true],
  [2, 2, true],
  [1, 2, false],
  [2, 1, false],
  [2, 3, false],
  [3, 3, false],
  [9, 1, false],
])('Raft §5.3: an append after %d of term %d fits: %p', (prevIndex, prevTerm, ok) => {
  const node = nodeAt('a', { log: [1, 2] })

  node.receive(append({ from: 'b', to: 'a', term: 3, prevIndex, prevTerm }))

  expect(node.takeSent()).toMatchObject([{ type: 'append_response', result: { ok } }])
  expect(node.logTerms).toEqual([1, 2])
})

// Over a log of terms 1, 2 as well.
test.each([
  [2, 2, [3], [1, 2, 3], [3]],
  [1, 1, [3, 4], [1, 3, 4], [3, 4]],
  [0, 0, [1], [1, 2], []],
  [0, 0, [3], [3], [3]],
  [0, 0, [1, 2, 4], [1, 2, 4], [4]],
] as const)(
  'Raft §5.3: after %d of term %d, entries of terms %j give the log %j',
  (prevIndex, prevTerm, terms, log, written) => {
    const node = nodeAt('a', { log: [1, 2] })
    node.holdsWrites = true

    const entries = entriesOf(terms, prevIndex + 1)
    node.receive(append({ from: 'b', to: 'a', term: 4, prevIndex, prevTerm, entries }))

    expect(node.logTerms).toEqual([...log])
    expect(node.disk.pending.flatMap((write) => write.entries.map(({ term }) => term))).toEqual([
      ...written,
    ])
  },
)

test('Raft §5.3: a late, shorter append never truncates what followed it (RaftOS#26)', () => {
  const node = nodeAt('a', { log: [1] })
  const late = append({
    from: 'b',
    to: 'a',
    term: 1,
    prevIndex: 1,
    prevTerm: 1,
    entries: [entryOf(1, 2)],
  })
  node.receive({ ...late, entries: entriesOf([1, 1, 1], 2), commit: 3 })
  node.takeSent()

  node.receive(late)

  expect(node.raft).toMatchObject({ last: 4, committed: 3 })
  // It names what this append covered, not the end of the log.
  expect(node.takeSent()).toMatchObject([{ result: { ok: true, match: 2 } }])
})

test('Raft §5.3: a follower commits no further than this append verified (WRaft#2)', () => {
  const node = nodeAt('a', { log: [1, 1, 2, 2] })

  node.receive(append({ from: 'b', to: 'a', term: 3, prevIndex: 2, prevTerm: 1, commit: 4 }))
  expect(node.raft.committed).toBe(2)

  // An older commit index changes nothing (PySyncObj#166).
  node.receive(append({ from: 'b', to: 'a', term: 3, prevIndex: 2, prevTerm: 1, commit: 1 }))
  expect(node.raft.committed).toBe(2)
})

test('Raft §5.3: a refusal names the conflicting term and its first index', () => {
  const node = nodeAt('a', { log: [1, 2, 2, 2] })

  node.receive(append({ from: 'b', to: 'a', term: 5, prevIndex: 4, prevTerm: 4 }))
  node.receive(append({ from: 'b', to: 'a', term: 5, prevIndex: 9, prevTerm: 4 }))

  expect(node.takeSentOf('append_response').map(({ result }) => result)).toEqual([
    { ok: false, rejected: 4, conflictTerm: 2, conflictIndex: 2 },
    { ok: false, rejected: 9, conflictTerm: null, conflictIndex: 5 },
  ])
})

test('Raft §5.3: one refusal a conflicting term suffices, not one an entry', () => {
  const leader = leaderAt('a', { log: [1, 1, 1, 5, 5], voters: ['a', 'b', 'c'] })
  const follower = nodeAt('b', { log: [1, ...Array(40).fill(2), ...Array(40).fill(3)] })
  let refusals = 0

  for (let sent = leader.takeSent(); sent.length > 0; sent = leader.takeSent()) {
    follower.receive(...sent.filter(({ to }) => to === 'b'))
    const answers = follower.takeSent()
    refusals += answers.filter((m) => m.type === 'append_response' && !m.result.ok).length
    leader.receive(...answers)
  }

  expect(follower.logTerms).toEqual([1, 1, 1, 5, 5, 6])
  expect(refusals).toBeLessThanOrEqual(3)
})

test.each([
  // The leader holds terms 1 1 4 4 4, then its no-op of term 5.
  ['its own last entry of that term, where it has it', 1, 1, 3],
  ['the start of that term there, where it has none', 2, 2, 2],
  ['the end of older terms here, where that is less', 3, 4, 3],
  ['the end of the log there, where that is short', null, 2, 2],
])('Raft §5.3: after a refusal it goes on behind %s', (_, conflictTerm, conflictIndex, next) => {
  const node = leaderAt('a', { log: [1, 1, 4, 4, 4] })
  const result = { ok: false, rejected: 5, conflictTerm, conflictIndex } as const
  node.takeSent()

  node.receive(appendResponse({ from: 'b', to: 'a', term: 5, result }))

  expect(node.takeSentOf('append')).toMatchObject([{ to: 'b', prevIndex: next - 1 }])
})

test('Raft §5.3: a late refusal does not set a leader back', () => {
  const node = settledLeaderAt('a', { log: [1, 1, 1] })
  const refusal = { ok: false, rejected: 3, conflictTerm: null, conflictIndex: 1 } as const

  node.receive(appendResponse({ from: 'b', to: 'a', term: 2, round: 1, result: refusal }))
  node.propose(1)

  expect(node.takeSent()).toMatchObject([{ prevIndex: 4 }, { prevIndex: 4 }])
  expect(node.raft.progress).toMatchObject([{ match: 4 }, { match: 4 }])
})

test('Raft §5.3: acknowledgements may arrive in any order; match never goes back', () => {
  const node = settledLeaderAt('a')
  node.propose(1).propose(2)
  const toB = node.takeSentOf('append').filter(({ to }) => to === 'b')
  expect(toB).toHaveLength(2)

  for (const message of toB.toReversed()) node.receive(ackOf(message))

  expect(node.raft.progress[0]).toMatchObject({ id: 'b', match: 3 })
  expect(node.raft.committed).toBe(3)
})

test('Raft §5.3: appends are pipelined in a bounded window', () => {
  const node = settledLeaderAt('a', { config: { inflightMax: 3 } })
  const indexes = (to: string) =>
    node
      .takeSentOf('append')
      .filter((message) => message.to === to && message.entries.length > 0)
      .map(({ entries }) => entries[0]?.index)

  for (let id = 1; id <= 5; id++) node.propose(id)
  expect(indexes('b')).toEqual([2, 3, 4])

  // Room for one append: what waited travels together.
  node.receive(
    appendResponse({ from: 'b', to: 'a', term: 1, round: 1, result: { ok: true, match: 2 } }),
  )
  const [batch] = node.takeSentOf('append')
  expect(batch?.entries.map(({ index }) => index)).toEqual([5, 6])
})

test('Raft §5.3: the window is bounded in bytes too', () => {
  const node = settledLeaderAt('a', { config: { inflightBytesMax: 1_000 } })

  for (let id = 1; id <= 9; id++) node.propose(id, { text: 'x'.repeat(400) })

  expect(node.takeSentOf('append').filter(({ to }) => to === 'b')).toHaveLength(3)
})

test('Raft §5.3: the leader retries until all followers store all entries', () => {
  const nodes = [
    settledLeaderAt('a'),
    nodeAt('b', { log: [1] }),
    nodeAt('c', { log: [1] }),
  ] as const
  const [leader, b] = nodes
  for (let id = 1; id <= 4; id++) leader.propose(id)
  leader.takeSent() // All of it is lost.

  leader.elapse(HEARTBEAT_MS)
  exchange(nodes)

  expect(b.raft.last).toBe(5)
  expect(leader.raft).toMatchObject({ committed: 5, role: 'leader' })
})

test('Raft §5.3: a peer that never answers is sent heartbeats, not the same entries again', () => {
  const node = leaderAt('a')
  node.takeSent()

  node.propose(1)
  node.elapse(HEARTBEAT_MS)
  node.propose(2)
  node.elapse(HEARTBEAT_MS)

  expect(node.takeSentOf('append').every(({ entries }) => entries.length === 0)).toBe(true)
})

test.each([
  ['a', [1, 1, 1, 4, 4, 5, 5, 6, 6]],
  ['b', [1, 1, 1, 4]],
  ['c', [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6]],
  ['d', [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7]],
  ['e', [1, 1, 1, 4, 4, 4, 4]],
  ['f', [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]],
] as const)('Raft §5.3, figure 7 (%s): the leader repairs the log %j', (_, log) => {
  // The leader at the top of the figure is elected in term 8, by its own vote and a third one.
  const leaderLog = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6]
  const leader = leaderAt('a', { term: 7, log: leaderLog })
  const follower = nodeAt('b', { term: 7, log })

  exchange([leader, follower])

  expect(follower.logTerms).toEqual([...leaderLog, 8])
  expect(follower.disk.entries).toEqual(leader.disk.entries)
  expect(leader.raft.committed).toBe(11)
  expect(follower.raft.committed).toBe(11)
})

test('Raft §5.3: a leader never overwrites or deletes entries in its log', () => {
  const node = leaderAt('a', { log: [1, 1, 2] })

  acknowledgeAll(node)
  node.propose(1)

  expect(node.logTerms).toEqual([1, 1, 2, 3, 3])
  expect(() =>
    node.receive(append({ from: 'b', to: 'a', term: 3, entries: [entryOf(3, 1)] })),
  ).toThrow('one leader a term')
})

// Voters whose log ends with term 2 at index 3.
test.each([
  [2, 3, true],
  [2, 4, true],
  [3, 1, true],
  [2, 2, false],
  [1, 9, false],
])(
  'Raft §5.4.1: a candidate that ends with term %d at %d gets the vote: %p',
  (lastTerm, lastIndex, granted) => {
    const node = nodeAt('a', { log: [1, 2, 2] })

    node.receive(voteRequest({ from: 'b', to: 'a', term: 5, lastTerm, lastIndex, preVote: true }))
    node.receive(voteRequest({ from: 'b', to: 'a', term: 5, lastTerm, lastIndex }))

    expect(node.takeSent()).toMatchObject([
      { preVote: true, granted },
      { preVote: false, granted, term: 5 },
    ])
    expect(node.disk.hardState).toMatchObject({ term: 5, votedFor: granted ? 'b' : null })
  },
)

test('Raft §5.4.2, figure 8: an entry of an older term is not committed by counting', () => {
  // Time (c): S1 leads term 4 and has brought the entry of term 2 to a majority.
  const s1 = leaderAt('a', { term: 3, log: [1, 2], voters: ['a', 'b', 'c', 'd', 'e'] })
  s1.takeSent()
  const upTo = (match: number, from: string) =>
    s1.receive(appendResponse({ from, to: 'a', term: 4, result: { ok: true, match } }))

  upTo(2, 'b')
  upTo(2, 'c')
  upTo(2, 'd')
  expect(s1.raft.committed).toBe(0)

  // Time (e): an entry of its own term on a majority commits both.
  upTo(3, 'b')
  expect(s1.raft.committed).toBe(0)
  upTo(3, 'c')
  expect(s1.raft.committed).toBe(3)
})

test('Raft §5.4.2: older entries on a majority do not hold up a newer one (RaftOS#30)', () => {
  const node = leaderAt('a', { log: [1, 1, 1, 2, 2] })

  node.propose(1)
  acknowledgeAll(node, ['c'])

  expect(node.raft.committed).toBe(7)
})

test('Raft §5.5: RPCs are idempotent', () => {
  const node = nodeAt('a', { log: [1] })
  const message = append({
    from: 'b',
    to: 'a',
    term: 1,
    prevIndex: 1,
    prevTerm: 1,
    entries: entriesOf([1, 1], 2),
    commit: 2,
  })

  for (let i = 0; i < 3; i++) node.receive(message)

  const answer = { type: 'append_response', result: { ok: true, match: 3 } }
  expect(node.takeSent()).toMatchObject([answer, answer, answer])
  expect(node.logTerms).toEqual([1, 1, 1])
  expect(node.applied.map(({ index }) => index)).toEqual([1, 2])
})

test('Raft §5.6: the broadcast time is well below the election timeout', () => {
  const given = { id: 'a', incarnation: 'a-1', random: () => 0 }

  expect(LAN).toEqual({ heartbeatMs: 100, electionMinMs: 600, electionMaxMs: 1_000 })
  expect(() => raftConfig({ ...given, electionMinMs: 199 })).toThrow('one lost heartbeat')
  expect(() => raftConfig({ ...given, electionMaxMs: 600 })).toThrow('election timeouts differ')
})

test('Raft §8: a leader commits a blank no-op entry at the start of its term', () => {
  const node = leaderAt('a', { log: [1, 1] })

  expect(node.takeSent()).toMatchObject([
    { to: 'b', entries: [{ type: 'noop', term: 2, index: 3 }] },
    { to: 'c', entries: [{ type: 'noop', term: 2, index: 3 }] },
  ])
  expect(node.raft).toMatchObject({ hasCommittedInTerm: false, noopIndex: 3 })
})

test('Raft §8: no read-only request is answered before the no-op is committed (etcd#7331)', () => {
  const node = leaderAt('a', { log: [1, 1] })
  const noop = node.takeSentOf('append')

  node.read(1)
  for (const message of noop) {
    const { round } = message
    node.receive(
      appendResponse({ from: message.to, to: 'a', term: 2, round, result: { ok: true, match: 2 } }),
    )
  }
  expect(node.takeAnswers()).toEqual([])

  node.receive(...noop.map(ackOf))
  acknowledgeAll(node)
  expect(node.takeAnswers()).toEqual([{ id: 1, type: 'read_at', index: 3 }])
})

test('Raft §8: a read-only request waits for heartbeats exchanged with a majority', () => {
  const node = settledLeaderAt('a', { voters: ['a', 'b', 'c', 'd', 'e'] })

  node.read(1)
  const heartbeats = node.takeSentOf('append')
  expect(heartbeats).toHaveLength(4)
  for (const message of heartbeats.slice(0, 1)) node.receive(ackOf(message))
  expect(node.takeAnswers()).toEqual([])

  for (const message of heartbeats.slice(1, 2)) node.receive(ackOf(message))
  expect(node.takeAnswers()).toEqual([{ id: 1, type: 'read_at', index: 1 }])
})

test('Raft §8: a server that does not lead refuses, and names the leader', () => {
  const node = nodeAt('a', { term: 1 })
  node.propose(1)
  node.receive(append({ from: 'b', to: 'a', term: 1 }))
  node.propose(2).read(3)

  expect(node.takeAnswers()).toEqual([
    { id: 1, type: 'refused', code: 'not_leader', leader: null },
    { id: 2, type: 'refused', code: 'not_leader', leader: 'b' },
    { id: 3, type: 'refused', code: 'not_leader', leader: 'b' },
  ])
})
