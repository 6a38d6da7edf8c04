/** Scenario 59: witnesses (Thesis §11.7.2, DESIGN §7, `src/raft/DESIGN.md`). */
import { expect, test } from 'bun:test'
import type { Entry, Membership, Message } from '../../src/raft/mod.ts'
import { enterChange } from '../../src/raft/membership-change.ts'
import { Pace } from '../../src/raft/pace.ts'
import {
  ackOf,
  acknowledgeAll,
  append,
  appendResponse,
  ELECTION_MIN_MS,
  entriesOf,
  exchange,
  HEARTBEAT_MS,
  leaderAt,
  membershipOf,
  nodeAt,
  settledLeaderAt,
  voteRequest,
  type TestNode,
} from '../support/raft-node.ts'

/** Two data nodes, and `w`. */
const ABW = membershipOf(['a', 'b', 'w'], { witnesses: ['w'] })
const AS_DATA = { membership: ABW }
const AS_WITNESS = { membership: ABW, config: { witness: true } }
const withheld = (entries: readonly Entry[]): Entry[] =>
  entries.map((entry) => ({ ...entry, type: 'withheld', data: new Uint8Array(0) }))

/** Entries sent to `id`, by index. */
function sentTo(node: TestNode, id: string): number[] {
  return entriesTo(node.takeSent(), id).map(({ index }) => index)
}

function entriesTo(messages: readonly Message[], id: string): Entry[] {
  return messages.flatMap((m) => (m.type === 'append' && m.to === id ? m.entries : []))
}

/** A heartbeat interval, in which those answer. */
function beat(node: TestNode, from: readonly string[]): void {
  node.elapse(HEARTBEAT_MS)
  acknowledgeAll(node, from)
}

/** `b` is gone for longer than the leader is patient. */
function without(node: TestNode): void {
  for (let ms = 0; ms <= ELECTION_MIN_MS; ms += HEARTBEAT_MS) beat(node, ['w'])
}

test('59: an entry is sent to a witness when leader and data voters hold it durably', () => {
  const a = settledLeaderAt('a', AS_DATA)
  a.holdsWrites = true
  a.propose(1)
  const sent = a.takeSent()
  const entries = entriesTo(sent, 'b')
  expect(entries.map(({ type }) => type)).toEqual(['command'])
  expect(entriesTo(sent, 'w')).toEqual([])

  // The other data node alone: the leader itself may still lose it.
  for (const message of sent) {
    if (message.type === 'append' && message.to === 'b') a.receive(ackOf(message))
  }
  expect(entriesTo(a.takeSent(), 'w')).toEqual([])

  a.persist()
  expect(entriesTo(a.takeSent(), 'w')).toEqual(withheld(entries))
})

test('59: what both data nodes hold is committed without the witness', () => {
  const a = settledLeaderAt('a', AS_DATA)
  a.propose(1)
  acknowledgeAll(a, ['b'])
  expect(a.raft.committed).toBe(2)
  expect(a.raft.dataCopies).toEqual({ copies: 2, quorum: 2 })
})

test('59: a data voter that is silent for an election timeout is not waited for: degraded', () => {
  const a = settledLeaderAt('a', AS_DATA)
  a.propose(1)
  acknowledgeAll(a, ['w'])
  expect(a.raft.committed).toBe(1)

  without(a)

  expect(a.raft.committed).toBe(2)
  expect(a.raft.dataCopies).toEqual({ copies: 1, quorum: 2 })
  // Nothing waits from now on.
  a.propose(2)
  expect(sentTo(a, 'w')).toEqual([3])
})

test('59: a leader that hears nobody gives the witness nothing: it may be the one that is deaf', () => {
  const a = settledLeaderAt('a', AS_DATA)
  without(a)
  a.propose(1)
  expect(sentTo(a, 'w')).toEqual([2])

  // The witness falls silent, too: the other data node would need its vote.
  for (let ms = 0; ms <= ELECTION_MIN_MS; ms += HEARTBEAT_MS) a.elapse(HEARTBEAT_MS)
  a.takeSent()
  a.propose(2)
  expect(sentTo(a, 'w')).toEqual([])
})

test('59: the copy of a leader that is to go does not count: one who stays must hold the entry', () => {
  const a = settledLeaderAt('a', AS_DATA)
  without(a)
  a.takeSent()

  const { membershipIndex: after } = a.raft
  const target = { ...membershipOf(['b', 'w'], { witnesses: ['w'] }), wanted: null }
  a.step({ type: 'propose_membership', id: 9, after, target })
  expect(a.raft.membership).toMatchObject({ voters: ['b', 'w'], outgoing: ['a', 'b', 'w'] })
  beat(a, ['w'])
  expect(sentTo(a, 'w')).toEqual([])

  a.elapse(HEARTBEAT_MS)
  const toWitness: number[] = []
  for (let sent = a.takeSent(); sent.length > 0; sent = a.takeSent()) {
    toWitness.push(...entriesTo(sent, 'w').map(({ index }) => index))
    for (const message of sent) if (message.type === 'append') a.receive(ackOf(message))
  }
  expect(toWitness).toContain(a.raft.membershipIndex)
})

test('59: who was late while a witness was there is not late still when the next one comes', () => {
  const voters = ['a', 'b', 'c']
  const withWitness = membershipOf(voters, { learners: ['w'], witnesses: ['w'] })
  const a = settledLeaderAt('a', { membership: withWitness })
  const change = (target: Membership): void => {
    const { membershipIndex: after } = a.raft
    a.step({ type: 'propose_membership', id: 9, after, target })
  }
  for (let ms = 0; ms <= ELECTION_MIN_MS; ms += HEARTBEAT_MS) beat(a, ['c', 'w'])
  change(membershipOf(voters))
  acknowledgeAll(a, ['c', 'w'])
  for (let ms = 0; ms <= ELECTION_MIN_MS; ms += HEARTBEAT_MS) beat(a, ['b', 'c'])
  change(withWitness)

  acknowledgeAll(a, ['c'])
  expect([a.raft.committed, a.raft.progressOf('b')?.match]).toEqual([3, 2])

  a.elapse(HEARTBEAT_MS)
  const probe = a.takeSentOf('append').find(({ to }) => to === 'w')!
  const result = {
    ok: false,
    rejected: probe.prevIndex,
    conflictTerm: null,
    conflictIndex: 1,
  } as const
  a.receive({ ...ackOf(probe), result })
  expect(sentTo(a, 'w')).toEqual([1, 2])
})

test('59: nor is one that answers and stores nothing', () => {
  const a = settledLeaderAt('a', AS_DATA)
  a.propose(1)
  for (let ms = 0; ms <= ELECTION_MIN_MS; ms += HEARTBEAT_MS) {
    a.elapse(HEARTBEAT_MS)
    for (const message of a.takeSent()) {
      if (message.type !== 'append') continue
      const ack = ackOf(message)
      const result = message.to === 'b' ? ({ ok: true, match: 1 } as const) : ack.result
      a.receive({ ...ack, result })
    }
  }
  expect(a.raft.committed).toBe(2)
  expect(a.raft.dataCopies).toEqual({ copies: 1, quorum: 2 })
})

test('59: whole again once the data voter holds all that the witness may hold', () => {
  const a = settledLeaderAt('a', AS_DATA)
  const holds = (match: number): void => {
    const round = a.takeSentOf('append').at(-1)?.round ?? 0
    a.receive(appendResponse({ from: 'b', to: 'a', term: 1, round, result: { ok: true, match } }))
  }
  a.propose(1).propose(2)
  without(a)
  a.elapse(HEARTBEAT_MS)
  holds(2)
  a.propose(3)
  expect([sentTo(a, 'w'), a.raft.committed]).toEqual([[4], 3])

  // It keeps up from here on, and could not be elected: the witness may hold entry 4.
  a.elapse(HEARTBEAT_MS)
  holds(3)
  a.propose(4)
  expect([sentTo(a, 'w'), a.raft.dataCopies?.copies]).toEqual([[], 1])

  a.elapse(HEARTBEAT_MS)
  holds(5)
  expect(a.raft.dataCopies).toEqual({ copies: 2, quorum: 2 })
})

test('59: the silence of the leader before counts from when it was heard last', () => {
  const b = nodeAt('b', { ...AS_DATA, log: [1] })
  b.receive(append({ from: 'a', to: 'b', term: 1, prevIndex: 1, prevTerm: 1 }))
  const w = nodeAt('w', { ...AS_WITNESS, log: [1] })
  w.receive(append({ from: 'a', to: 'w', term: 1, prevIndex: 1, prevTerm: 1 }))
  b.takeSent()
  w.takeSent()

  w.elapse(ELECTION_MIN_MS)
  b.elapse(ELECTION_MIN_MS)
  exchange([b, w])

  expect([b.raft.role, b.raft.committed]).toEqual(['leader', 2])
  expect(b.raft.dataCopies).toEqual({ copies: 1, quorum: 2 })
})

test('59: a stale data node is not elected by the witness, restarts included: unavailable, not wrong', () => {
  const a = leaderAt('a', AS_DATA)
  const w = nodeAt('w', AS_WITNESS)
  for (let ms = 0; ms <= 2 * ELECTION_MIN_MS; ms += HEARTBEAT_MS) {
    a.elapse(HEARTBEAT_MS)
    w.elapse(HEARTBEAT_MS)
    a.takeSentOf('append').forEach((message) => void (message.to === 'w' && w.receive(message)))
    for (const message of w.takeSent()) a.receive(message)
  }
  expect(a.raft.committed).toBe(1)
  expect(w.disk.hardState.term).toBe(1)

  w.restart()
  w.elapse(10 * ELECTION_MIN_MS)
  w.receive(voteRequest({ from: 'b', to: 'w', term: 2, lastTerm: 0, lastIndex: 0 }))
  expect(w.takeSentOf('vote_response')).toMatchObject([{ granted: false, term: 2 }])
  w.receive(voteRequest({ from: 'a', to: 'w', term: 3, lastTerm: 1, lastIndex: 1 }))
  expect(w.takeSentOf('vote_response')).toMatchObject([{ granted: true, term: 3 }])
  // The vote is as durable as anybody's.
  w.restart()
  w.elapse(10 * ELECTION_MIN_MS)
  w.receive(voteRequest({ from: 'b', to: 'w', term: 3, lastTerm: 3, lastIndex: 9 }))
  expect(w.takeSentOf('vote_response')).toMatchObject([{ granted: false, term: 3 }])
})

test('59: a witness never campaigns, whatever time passes and whoever asks it to', () => {
  const w = nodeAt('w', { ...AS_WITNESS, log: [1] })
  w.elapse(100 * ELECTION_MIN_MS)
  expect([w.raft.role, w.takeSent()]).toEqual(['follower', []])

  w.receive(append({ from: 'a', to: 'w', term: 1, prevIndex: 1, prevTerm: 1 }))
  w.takeSent()
  w.receive({ type: 'timeout_now', from: 'a', incarnation: 'a-1', to: 'w', term: 1 })
  expect([w.raft.role, w.raft.term, w.takeSent()]).toEqual(['follower', 1, []])
})

test('59: a witness, too, forgets a leader that has fallen silent', () => {
  const w = nodeAt('w', { ...AS_WITNESS, log: [1] })
  w.receive(append({ from: 'a', to: 'w', term: 1, prevIndex: 1, prevTerm: 1 }))
  w.elapse(ELECTION_MIN_MS / 2)
  expect(w.raft.leader).toBe('a')

  w.elapse(2 * ELECTION_MIN_MS)

  expect(w.raft).toMatchObject({ role: 'follower', leader: null, term: 1 })
  w.receive(append({ from: 'a', to: 'w', term: 1, prevIndex: 1, prevTerm: 1 }))
  expect(w.raft.leader).toBe('a')
})

test('59: a transfer goes to no witness', () => {
  const a = settledLeaderAt('a', AS_DATA)
  without(a)
  a.step({ type: 'transfer', to: 'w' }).step({ type: 'transfer' })
  expect(a.takeSentOf('timeout_now')).toEqual([])
  expect(a.propose(7).takeAnswers()).toMatchObject([{ type: 'appended' }])
})

test('59: lease, reads and check-quorum count it, also while it lacks entries', () => {
  const a = settledLeaderAt('a', AS_DATA)
  a.propose(1) // Which b has not acknowledged, so the witness was not sent it.
  acknowledgeAll(a, ['w'])
  a.takeAnswers()
  a.read(2)
  acknowledgeAll(a, ['w'])
  expect(a.takeAnswers()).toEqual([{ id: 2, type: 'read_at', index: 1 }])
  expect(a.leaseMs).toBeGreaterThan(0)
  for (let i = 0; i < 30; i++) beat(a, ['w'])
  expect(a.raft.role).toBe('leader')
})

test('59: a witness acknowledges no more than it holds', () => {
  const w = nodeAt('w', { ...AS_WITNESS, log: [1] })
  w.receive(append({ from: 'a', to: 'w', term: 1, prevIndex: 1, prevTerm: 1, commit: 5 }))
  expect(w.takeSentOf('append_response')).toMatchObject([{ result: { ok: true, match: 1 } }])
  expect(w.raft.committed).toBe(1)
  w.receive(append({ from: 'a', to: 'w', term: 1, prevIndex: 5, prevTerm: 1, commit: 5 }))
  expect(w.takeSentOf('append_response')).toMatchObject([{ result: { ok: false } }])
})

test('59: it stores memberships whole, and is refused payloads as a data node is refused holes', () => {
  const [whole] = entriesOf([1])
  const to = { prevIndex: 0, prevTerm: 0, term: 1, from: 'a' }
  const w = nodeAt('w', AS_WITNESS)
  expect(() => w.receive(append({ ...to, to: 'w', entries: [whole!] }))).toThrow('payloads')
  const b = nodeAt('b', AS_DATA)
  const holes = withheld([whole!])
  expect(() => b.receive(append({ ...to, to: 'b', entries: holes }))).toThrow('payloads')

  const a = settledLeaderAt('a', AS_DATA)
  const target = { ...ABW, wanted: { voters: ABW.voters, learners: ['c'] } }
  const member = { id: 'c', incarnation: null, url: 'http://c', witness: false }
  const members = [ABW.members[0]!, ABW.members[1]!, member, ABW.members[2]!]
  const after = a.raft.membershipIndex
  a.step({
    type: 'propose_membership',
    id: 1,
    after,
    target: { ...target, members, learners: ['c'] },
  })
  const sent = a.takeSent()
  for (const m of sent) if (m.type === 'append' && m.to === 'b') a.receive(ackOf(m))
  expect(entriesTo(a.takeSent(), 'w')).toEqual(entriesTo(sent, 'b'))
})

test('59: who is behind the start of the log is given a place in it, and fetches nothing', () => {
  const a = settledLeaderAt('a', AS_DATA)
  for (let id = 1; id <= 5; id++) a.propose(id)
  acknowledgeAll(a, ['b'])
  a.step({ type: 'compacted', at: { index: 4, term: 1 } })
  a.elapse(HEARTBEAT_MS)
  // A new leadership knows nothing of the witness, which lost its log.
  a.receive({
    ...ackOf(a.takeSentOf('append').find(({ to }) => to === 'w')!),
    result: { ok: false, rejected: 6, conflictTerm: null, conflictIndex: 1 },
  })
  const w = nodeAt('w', AS_WITNESS)
  a.elapse(HEARTBEAT_MS)
  const offer = a.takeSentOf('install_snapshot').find(({ to }) => to === 'w')
  expect(offer?.snapshot).toEqual({ index: 6, term: 1 })
  w.receive(offer!)
  expect(w.raft.wantedSnapshot).toEqual(offer!)
  w.step({
    type: 'snapshot_installed',
    snapshot: offer!.snapshot,
    clusterMs: 0,
    membership: { index: 0, membership: ABW },
  })
  w.takeSentOf('append_response').forEach((ack) => a.receive(ack))
  a.propose(9)
  expect([w.raft.compacted, w.raft.last]).toEqual([6, 6])
  for (const m of a.takeSent()) if (m.type === 'append' && m.to === 'b') a.receive(ackOf(m))
  expect(sentTo(a, 'w')).toEqual([7])
})

test('59: a member keeps its kind as long as it keeps its name', () => {
  const members = ABW.members.map((member) => ({ ...member, witness: false }))
  expect(() => enterChange(ABW, { ...ABW, members })).toThrow('changes its kind')
})

test('Pace: out of step by being late or silent, back with the first round in time', () => {
  const patienceMs = 100
  const pace = new Pace(10, 0)
  const look = (nowMs: number, match: number, last: number): boolean => {
    pace.heard(nowMs)
    pace.look({ match, last, nowMs, patienceMs })
    return pace.inStep
  }
  // A round ends at 10, the next at 20: a voter that is always a little behind keeps up.
  expect([look(50, 10, 20), look(90, 15, 30), look(140, 20, 40)]).toEqual([true, true, true])
  // It takes too long for the next; the rest of that round is no reason to believe it.
  expect([look(240, 39, 90), look(250, 40, 90)]).toEqual([false, false])
  expect([look(349, 89, 99), look(349.5, 90, 99)]).toEqual([false, true])
  // A leader that stood still learns nothing about others.
  expect(look(1_000, 99, 120)).toBe(true)
  // Silence, with nothing to be late for.
  pace.look({ match: 120, last: 120, nowMs: 1_100, patienceMs })
  expect(pace.inStep).toBe(false)
})
