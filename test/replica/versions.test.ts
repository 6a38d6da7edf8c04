import { expect, test } from 'bun:test'
import type { PeerIdentity } from '../../src/mesh/peer.ts'
import type { Raft } from '../../src/raft/mod.ts'
import { Versions } from '../../src/replica/custody/versions.ts'
import type { Command } from '../../src/state/mod.ts'
import { membershipOf } from '../support/raft-node.ts'

function identity(id: string, clusterVersionMax: number): PeerIdentity {
  const nothing = { clusterId: null, foundingList: null, url: null, join: null, witness: false }
  const version = `0.${clusterVersionMax}`
  return { id, incarnation: id, membershipIndex: 1, ...nothing, version, clusterVersionMax }
}

/** A leader `a` of a, b and c, at clusterVersion 1; `peers` is whom it is linked with. */
function leader(peers: readonly PeerIdentity[], own = 2) {
  const proposed: Command[] = []
  const at = { nowMs: 0, version: 1, obstacle: null as string | null }
  const versions = new Versions({
    raft: { hasAppliedInTerm: true, membership: membershipOf(['a', 'b', 'c']) } as unknown as Raft,
    self: () => identity('a', own),
    clusterVersion: () => at.version,
    connectedAs: (id) => peers.find((peer) => peer.id === id) ?? null,
    membersObstacle: () => at.obstacle,
    nowMs: () => at.nowMs,
    propose: (command) => void proposed.push(command),
  })
  return { versions, proposed, at }
}

test('a change of the members on its way holds it up: it would stand before it', () => {
  const { versions, proposed, at } = leader([identity('b', 2), identity('c', 2)])
  at.obstacle = 'the last change is not committed yet'
  versions.endOfTurn()
  expect(versions.upgrade()).toEqual({ to: 2, blockedBy: ['the last change is not committed yet'] })
  expect(proposed).toEqual([])

  at.obstacle = null
  at.nowMs += 1_000
  versions.endOfTurn()
  expect(proposed).toHaveLength(1)
})

test('it rises once all members say that they know it, and is proposed once', () => {
  const { versions, proposed, at } = leader([identity('b', 2), identity('c', 2)])

  versions.endOfTurn()
  at.nowMs += 1_000
  versions.endOfTurn()

  expect(proposed).toEqual([{ type: 'cluster_version', version: 2 }])
  at.version = 2
  at.nowMs += 60_000
  versions.endOfTurn()
  expect(proposed).toHaveLength(1)
  expect(versions.upgrade()).toBeNull()
})

test('the next step follows as soon as one is applied: writes wait for the newest', () => {
  const { versions, proposed, at } = leader([identity('b', 3), identity('c', 3)], 3)
  versions.endOfTurn()
  at.version = 2
  at.nowMs += 1_000
  versions.endOfTurn()

  expect(proposed).toEqual([
    { type: 'cluster_version', version: 2 },
    { type: 'cluster_version', version: 3 },
  ])
})

test('a proposal that came to nothing is made again', () => {
  const { versions, proposed, at } = leader([identity('b', 2), identity('c', 2)])
  versions.endOfTurn()
  at.nowMs += 60_000
  versions.endOfTurn()
  expect(proposed).toHaveLength(2)
})

test('whoever is away or older holds it up, by name', () => {
  const { versions, proposed } = leader([identity('b', 1)])

  versions.endOfTurn()

  expect(proposed).toEqual([])
  expect(versions.upgrade()).toEqual({
    to: 2,
    blockedBy: [
      'b runs rollcall 0.1, which knows no more than 1',
      'c is not connected, so nobody knows what it will run',
    ],
  })
})

test('it rises by one step, however much is known', () => {
  const { versions, proposed } = leader([identity('b', 3), identity('c', 3)], 3)
  versions.endOfTurn()
  expect(proposed).toEqual([{ type: 'cluster_version', version: 2 }])
})

test('a leader that is the oldest raises nothing', () => {
  const { versions } = leader([identity('b', 2), identity('c', 2)], 1)
  expect(versions.upgrade()).toBeNull()
})
