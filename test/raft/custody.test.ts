/** What a leader makes of a disk that lied, and a node of a state that is wrong (RELIABILITY D1, 36). */
import { describe, expect, test } from 'bun:test'
import {
  ackOf,
  acknowledgeAll,
  append,
  appendResponse,
  ELECTION_MAX_MS,
  entriesOf,
  HEARTBEAT_MS,
  incarnationOf,
  leaderAt,
  membershipOf,
  nodeAt,
  replyTo,
  settledLeaderAt,
  voteRequest,
  type TestNode,
} from '../support/raft-node.ts'

/** The answer of `from` to the newest heartbeat: it does not hold what stands before it. */
function refuse(node: TestNode, from: string): void {
  node.elapse(HEARTBEAT_MS)
  const heartbeat = node.takeSentOf('append').findLast((message) => message.to === from)
  if (heartbeat === undefined) throw new Error('a leader sends heartbeats')
  node.receive(
    appendResponse({
      ...replyTo(heartbeat),
      incarnation: incarnationOf(from),
      round: heartbeat.round,
      result: { ok: false, rejected: heartbeat.prevIndex, conflictTerm: null, conflictIndex: 1 },
    }),
  )
}

describe('a disk that lost what it had acknowledged', () => {
  test('is named to the leader’s host, told so with every heartbeat, and sent nothing else', () => {
    const node = settledLeaderAt('a')
    const last = node.raft.last
    refuse(node, 'c')

    expect(node.raft.progress.find(({ id }) => id === 'c')).toMatchObject({
      state: 'lost',
      match: 0,
    })
    node.takeSent()
    node.propose(1)
    node.elapse(HEARTBEAT_MS)
    const toC = node.takeSent().filter(({ to }) => to === 'c')
    expect(toC.length).toBeGreaterThan(0)
    for (const message of toC)
      expect(message).toMatchObject({ type: 'log_lost', acknowledged: last })
  })

  test('does not count for commit, lease or check-quorum any more', () => {
    const node = settledLeaderAt('a')
    refuse(node, 'c')
    const { committed } = node.raft
    node.takeSent()

    node.propose(1)
    const toC = { ...append({ from: 'a', to: 'c', term: node.raft.term }), round: 1 }
    node.receive({ ...ackOf(toC), result: { ok: true, match: node.raft.last } })
    expect(node.raft.committed).toBe(committed)

    node.elapse(ELECTION_MAX_MS)
    expect(node.raft.role).not.toBe('leader') // b is silent, and c no longer a voice.
  })

  test('is not what a late refusal looks like', () => {
    const node = settledLeaderAt('a')
    node.elapse(HEARTBEAT_MS)
    const late = node.takeSentOf('append').find(({ to }) => to === 'c')
    if (late === undefined) throw new Error('a leader sends heartbeats')
    node.propose(1)
    acknowledgeAll(node) // What was sent after it came first, and was accepted.
    node.receive(
      appendResponse({
        ...replyTo(late),
        incarnation: incarnationOf('c'),
        round: late.round,
        result: { ok: false, rejected: late.prevIndex, conflictTerm: null, conflictIndex: 1 },
      }),
    )
    expect(node.raft.progress.find(({ id }) => id === 'c')?.state).toBe('replicate')
  })

  test('is told to its own host', () => {
    const node = nodeAt('c', { log: [1, 1] })
    expect(node.raft.lostUpTo).toBe(0)
    const envelope = { from: 'a', incarnation: incarnationOf('a'), to: 'c', term: 1 }
    node.receive({ ...envelope, type: 'log_lost', acknowledged: 5 })
    expect(node.raft.lostUpTo).toBe(5)
  })
})

describe('a fenced node', () => {
  test('does not campaign, at the leader’s word neither, and votes as ever', () => {
    const node = nodeAt('a', { log: [1, 1] }).step({ type: 'fence', on: true })
    node.elapse(3 * ELECTION_MAX_MS)
    expect(node.raft.role).toBe('follower')
    expect(node.takeSentOf('vote_request')).toEqual([])

    const envelope = { from: 'b', incarnation: incarnationOf('b'), to: 'a' }
    node.receive(append({ ...envelope, term: 2, prevIndex: 2, prevTerm: 1 }))
    node.receive({ ...envelope, type: 'timeout_now', term: 2 })
    expect(node.raft.role).toBe('follower')

    node.elapse(3 * ELECTION_MAX_MS)
    node.receive(voteRequest({ from: 'c', to: 'a', term: 3, lastTerm: 2, lastIndex: 9 }))
    expect(node.takeSentOf('vote_response').at(-1)).toMatchObject({ granted: true })
  })

  test('hands leadership over, and stands down where nobody takes it', () => {
    const node = settledLeaderAt('a')
    acknowledgeAll(node)
    node.step({ type: 'fence', on: true })
    expect(node.takeSentOf('timeout_now')).toHaveLength(1)
    node.elapse(ELECTION_MAX_MS)
    expect(node.raft.role).toBe('follower')

    const alone = leaderAt('a', { membership: membershipOf(['a']) })
    alone.step({ type: 'fence', on: true })
    expect(alone.raft.role).toBe('follower')
    alone.elapse(3 * ELECTION_MAX_MS)
    expect(alone.raft.role).toBe('follower')
    alone.step({ type: 'fence', on: false })
    alone.elapse(3 * ELECTION_MAX_MS)
    expect(alone.raft.role).toBe('leader')
  })

  test('goes on behind the state that it is given, with the log that it has', () => {
    const node = nodeAt('a', { log: [1, 1, 1, 1] })
    node.step({ type: 'fence', on: true })
    node.step({ type: 'state_replaced', snapshot: { index: 3, term: 1 }, clusterMs: 900 })
    expect(node.raft).toMatchObject({ applied: 3, committed: 3, last: 4 })

    const envelope = { from: 'b', incarnation: incarnationOf('b'), to: 'a', term: 1 }
    const entries = entriesOf([1], 5)
    node.receive(append({ ...envelope, prevIndex: 4, prevTerm: 1, entries, commit: 5 }))
    expect(node.raft.applied).toBe(5)
    expect(node.logTerms).toEqual([1, 1, 1, 1, 1])
  })

  test('refuses a state of an entry that its log does not hold', () => {
    const node = nodeAt('a', { log: [1, 1] })
    const snapshot = { index: 9, term: 1 }
    expect(() => node.step({ type: 'state_replaced', snapshot, clusterMs: 1 })).toThrow(
      'the log holds',
    )
  })
})
