import { expect, test } from 'bun:test'
import type { PeerIdentity } from '../../src/mesh/mod.ts'
import { isReplaced } from '../../src/replica/peers/peers.ts'
import { membershipOf, incarnationOf } from '../support/raft-node.ts'

function peer(id: string, incarnation: string): PeerIdentity {
  const nobody = { clusterId: null, foundingList: null, url: null, join: null, witness: false }
  const version = { version: '0.1.0', clusterVersionMax: 1 }
  return { id, incarnation, membershipIndex: 0, ...version, ...nobody }
}

test('DESIGN §7: what is meant for a member does not reach who bears its name after it', () => {
  const membership = membershipOf(['a', 'b', 'c'])
  const among = { membership, departing: [] }

  expect(isReplaced(among, 'b', peer('b', incarnationOf('b')))).toBeFalse()
  expect(isReplaced(among, 'b', peer('b', 'another disk'))).toBeTrue()
  expect(isReplaced(among, 'b', null)).toBeFalse()
})

test('DESIGN §7: one that left is told so, also over a link from when it was empty', () => {
  const left = { id: 'd', incarnation: 'd-1', url: null, witness: false }
  const among = { membership: membershipOf(['a', 'b']), departing: [left] }

  expect(isReplaced(among, 'd', peer('d', 'd-1'))).toBeFalse()
  expect(isReplaced(among, 'd', peer('d', 'd-2'))).toBeTrue()
})
