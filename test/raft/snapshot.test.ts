/** Compaction and snapshots as the core sees them (Raft §7; RELIABILITY 46–49, 52). */
import { describe, expect, test } from 'bun:test'
import { encodeMembership, type EntryId, type InstallSnapshot } from '../../src/raft/mod.ts'
import {
  acknowledgeAll,
  append,
  appendResponse,
  entriesOf,
  HEARTBEAT_MS,
  incarnationOf,
  membershipOf,
  nodeAt,
  replyTo,
  settledLeaderAt,
  voteRequest,
  type TestNode,
} from '../support/raft-node.ts'

const membership = membershipOf(['a', 'b', 'c'])
const bytes = encodeMembership(membership)

function offer(snapshot: EntryId, given: Partial<InstallSnapshot> = {}): InstallSnapshot {
  return {
    type: 'install_snapshot',
    from: 'b',
    incarnation: incarnationOf('b'),
    to: 'a',
    term: 5,
    snapshot,
    membershipIndex: 1,
    membership: bytes,
    ...given,
  }
}

function installed(node: TestNode, snapshot: EntryId): TestNode {
  const at = { index: 1, membership }
  node.disk.restart(snapshot)
  return node.step({ type: 'snapshot_installed', snapshot, clusterMs: 900, membership: at })
}

/** A leader whose log is compacted up to 4, and whose peer c has nothing. */
function leaderWithout(): TestNode {
  const node = settledLeaderAt('a', { log: [1, 1, 1, 1, 1, 1] })
  node.step({ type: 'compacted', at: { index: 4, term: 1 } })
  return node
}

function refuseAs(node: TestNode, from: string, conflictIndex: number): void {
  node.elapse(HEARTBEAT_MS)
  const heartbeat = node.takeSentOf('append').find((message) => message.to === from)
  if (heartbeat === undefined) throw new Error('a leader sends heartbeats')
  node.receive(
    appendResponse({
      ...replyTo(heartbeat),
      round: heartbeat.round,
      result: { ok: false, rejected: heartbeat.prevIndex, conflictTerm: null, conflictIndex },
    }),
  )
}

/** A leader newly elected, to whom c says that it has nothing. */
function leaderWithEmptyPeer(): TestNode {
  const node = leaderHeardByB()
  node.step({ type: 'compacted', at: { index: 4, term: 1 } })
  refuseAs(node, 'c', 1)
  return node
}

function leaderHeardByB(): TestNode {
  const node = nodeAt('a', { log: [1, 1, 1, 1, 1, 1] })
  node.elapse(Math.max(0, node.raft.nextTickMs - node.nowMs))
  for (let round = 0; round < 2; round++) {
    for (const request of node.takeSentOf('vote_request')) {
      if (request.to !== 'b') continue
      node.receive({
        ...replyTo(request),
        type: 'vote_response',
        incarnation: incarnationOf('b'),
        preVote: request.preVote,
        granted: true,
      })
    }
  }
  acknowledgeAll(node, ['b'])
  node.step({ type: 'tick' })
  return node
}

describe('compaction', () => {
  test('entries that are gone have no term; those behind them are served as before', () => {
    const node = leaderWithout()

    expect(node.raft.compacted).toBe(4)
    expect([3, 4, 5].map((index) => node.raft.termAt(index))).toEqual([null, 1, 1])
    expect(node.propose(1).raft.last).toBe(8)
  })

  test('a shorter compaction than the last changes nothing', () => {
    const node = leaderWithout()
    node.step({ type: 'compacted', at: { index: 2, term: 1 } })

    expect(node.raft.compacted).toBe(4)
  })

  test('a whole log may be compacted, and its clock goes on', () => {
    const node = settledLeaderAt('a', { log: [1, 1] })
    const last = { index: node.raft.last, term: node.raft.term }
    node.step({ type: 'compacted', at: last })

    expect(node.raft.termAt(last.index)).toBe(last.term)
    node.elapse(50).propose(1)
    acknowledgeAll(node)
    const clocks = node.applied.map(({ clusterMs }) => clusterMs)
    expect(clocks).toEqual(clocks.toSorted((a, b) => a - b))
    // Votes are judged by the entry that the log starts after (scenario 7).
    node.elapse(0)
    expect(node.raft.last).toBe(last.index + 1)
  })

  test('an append before the start of the log adds no duplicates (WRaft#1, scenario 48)', () => {
    const node = nodeAt('a', { term: 1, log: [1, 1, 1, 1, 1], applied: 5 })
    node.step({ type: 'compacted', at: { index: 4, term: 1 } })

    node.receive(append({ from: 'b', to: 'a', term: 1, entries: entriesOf([1, 1, 1]), commit: 5 }))

    expect(node.raft.last).toBe(5)
    expect(node.takeSentOf('append_response')[0]?.result).toEqual({ ok: true, match: 3 })
  })
})

describe('a leader', () => {
  test('offers a snapshot, with heartbeats, to a peer that needs what is gone', () => {
    const node = leaderWithEmptyPeer()
    expect(node.raft.progress.find(({ id }) => id === 'c')?.state).toBe('snapshot')
    node.takeSent()

    node.elapse(HEARTBEAT_MS) // Without one to offer it only goes on proving that it leads.
    const before = node.takeSent().filter(({ to }) => to === 'c')
    expect(before.map(({ type }) => type)).toEqual(['append'])
    expect(before[0]).toMatchObject({ prevIndex: 4, entries: [] })

    const snapshot = { index: 6, term: 1 }
    node.step({
      type: 'snapshot_ready',
      meta: { snapshot, membershipIndex: 1, membership: bytes },
    })
    for (let i = 0; i < 2; i++) {
      node.elapse(HEARTBEAT_MS)
      const offers = node.takeSentOf('install_snapshot')
      expect(offers).toEqual([
        expect.objectContaining({ to: 'c', term: node.raft.term, snapshot, membership: bytes }),
      ])
    }
  })

  test('goes on with entries once the snapshot is acknowledged', () => {
    const node = leaderWithEmptyPeer()
    node.takeSent()
    node.receive(
      appendResponse({
        from: 'c',
        to: 'a',
        term: node.raft.term,
        round: 0,
        result: { ok: true, match: 6 },
      }),
    )

    expect(node.raft.progress.find(({ id }) => id === 'c')).toMatchObject({
      match: 6,
      state: 'replicate',
    })
    const sent = node.takeSentOf('append').find(({ to }) => to === 'c')
    expect(sent).toMatchObject({ prevIndex: 6, prevTerm: 1 })
    expect(sent?.entries[0]?.index).toBe(7)
  })

  test('a dead peer in need of one holds nothing up (openraft#808, scenario 52)', () => {
    const node = leaderWithEmptyPeer()
    node.propose(1)
    acknowledgeAll(node, ['b'])

    expect(node.raft.committed).toBe(node.raft.last)
    node.step({ type: 'read_index', id: 9 })
    acknowledgeAll(node, ['b'])
    expect(node.takeAnswers()).toContainEqual(expect.objectContaining({ type: 'read_at', id: 9 }))
  })

  test('offers none that ends before its log starts: the peer would need another at once', () => {
    const node = leaderWithEmptyPeer()
    const meta = { snapshot: { index: 3, term: 1 }, membershipIndex: 1, membership: bytes }
    node.step({ type: 'snapshot_ready', meta })
    node.takeSent()
    node.elapse(HEARTBEAT_MS)

    expect(node.takeSentOf('install_snapshot')).toEqual([])
  })
})

describe('a follower', () => {
  test('wants what it does not hold, and is the snapshot once it was installed', () => {
    const node = nodeAt('a', { term: 5, log: [1, 1] })
    const at = { index: 10, term: 4 }
    node.receive(offer(at))
    expect(node.raft.wantedSnapshot?.snapshot).toEqual(at)
    expect(node.takeSentOf('append_response')).toEqual([]) // Nothing is acknowledged yet.

    installed(node, at)

    expect(node.raft).toMatchObject({ last: 10, committed: 10, applied: 10, persisted: 10 })
    expect(node.raft.wantedSnapshot).toBeNull()
    expect(node.takeSentOf('append_response')[0]).toMatchObject({
      to: 'b',
      term: 5,
      result: { ok: true, match: 10 },
    })
    const [entry] = entriesOf([5], 11)
    if (entry === undefined) throw new Error('an entry')
    const next = { prevIndex: 10, prevTerm: 4, entries: [entry], commit: 11 }
    node.receive(append({ from: 'b', to: 'a', term: 5, ...next }))
    expect(node.applied.at(-1)?.index).toBe(11)
  })

  test('appends and heartbeats meanwhile neither write nor commit what is not there (46)', () => {
    const node = nodeAt('a', { term: 5, log: [1, 1] })
    node.receive(offer({ index: 10, term: 4 }))
    const entries = entriesOf([5], 11)
    node.receive(
      append({ from: 'b', to: 'a', term: 5, prevIndex: 10, prevTerm: 4, entries, commit: 11 }),
    )

    expect(node.raft).toMatchObject({ last: 2, committed: 0 })
    expect(node.raft.wantedSnapshot).not.toBeNull()
  })

  test('the log may catch up by itself: then the offer is of no use', () => {
    const node = nodeAt('a', { term: 5, log: [1, 1] })
    node.receive(offer({ index: 4, term: 1 }))
    const entries = entriesOf([1, 1, 1], 3)
    node.receive(append({ from: 'b', to: 'a', term: 5, prevIndex: 2, prevTerm: 1, entries }))

    expect(node.raft.wantedSnapshot).toBeNull()
  })

  test('a conflicting tail, also beyond the snapshot, is discarded (hashicorp#697, 47)', () => {
    const node = nodeAt('a', { term: 5, log: [1, 1, 2, 2, 2, 2, 2, 2] })
    const at = { index: 4, term: 4 }
    node.receive(offer(at))
    expect(node.raft.wantedSnapshot?.snapshot).toEqual(at)
    installed(node, at)

    expect(node.raft).toMatchObject({ last: 4, committed: 4 })
    expect(node.raft.termAt(4)).toBe(4)
  })

  test('what it holds already is acknowledged and keeps its log (stale, repeated: 48)', () => {
    const node = nodeAt('a', { term: 5, log: [1, 1, 4, 4], applied: 1 })
    node.receive(offer({ index: 3, term: 4 }))
    node.receive(offer({ index: 3, term: 4 }))
    node.receive(offer({ index: 2, term: 1 }))

    expect(node.raft).toMatchObject({ last: 4, committed: 3 })
    expect(node.raft.wantedSnapshot).toBeNull()
    const results = node.takeSentOf('append_response').map(({ result }) => result)
    expect(results).toEqual([
      { ok: true, match: 3 },
      { ok: true, match: 3 },
      { ok: true, match: 2 },
    ])
  })

  test('the term of a snapshot never lowers its own, an old leader offers nothing (WRaft#4)', () => {
    const node = nodeAt('a', { term: 7, log: [1, 1] })
    node.receive(offer({ index: 10, term: 4 }, { term: 5 }))
    expect(node.raft.wantedSnapshot).toBeNull()
    node.receive(offer({ index: 10, term: 4 }, { term: 8 }))
    installed(node, { index: 10, term: 4 })

    expect(node.raft.term).toBe(8)
  })

  test('two offers one after the other: the newer one counts (etcd#18055, 49)', () => {
    const node = nodeAt('a', { term: 5, log: [1] })
    node.receive(offer({ index: 10, term: 4 }))
    node.receive(
      offer({ index: 20, term: 5 }, { from: 'c', incarnation: incarnationOf('c'), term: 6 }),
    )

    expect(node.raft.wantedSnapshot).toMatchObject({ from: 'c', snapshot: { index: 20, term: 5 } })
    installed(node, { index: 20, term: 5 })
    expect(node.raft.last).toBe(20)
  })

  test('writes under way when it is installed say nothing about the log afterwards (ABA)', () => {
    const node = nodeAt('a', { term: 5, log: [1] })
    node.holdsWrites = true
    const entries = entriesOf([2, 2], 2)
    node.receive(append({ from: 'b', to: 'a', term: 5, prevIndex: 1, prevTerm: 1, entries }))
    node.receive(offer({ index: 10, term: 4 }))
    installed(node, { index: 10, term: 4 })
    node.persist()

    expect(node.raft).toMatchObject({ last: 10, persisted: 10 })
  })

  test('votes are judged by the snapshot where the log is empty (scenario 7)', () => {
    const node = nodeAt('a', { term: 5, log: [1] })
    node.receive(offer({ index: 10, term: 4 }))
    installed(node, { index: 10, term: 4 })
    node.takeSent()
    node.elapse(10_000)
    const term = node.raft.term + 1
    const ask = (lastIndex: number) =>
      node.receive(voteRequest({ from: 'c', to: 'a', term, lastTerm: 4, lastIndex }))
    ask(9)
    expect(node.takeSentOf('vote_response').at(-1)?.granted).toBe(false)
    ask(10)
    expect(node.takeSentOf('vote_response').at(-1)?.granted).toBe(true)
  })
})
