import { expect, test } from 'bun:test'
import type { PeerIdentity } from '../../src/mesh/peer.ts'
import type { Membership } from '../../src/raft/types.ts'
import { firstMembership, foundingList, judgePeer, waitsFor } from '../../src/replica/founding.ts'
import type { PeerLink } from '../../src/replica/ports.ts'

const MEMBERS = ['n1', 'n2', 'n3'].map((id) => ({ id, url: `http://127.0.0.1/${id}` }))
const LIST = foundingList(MEMBERS)

function identity(id: string, given: Partial<PeerIdentity> = {}): PeerIdentity {
  const incarnation = `inc-${id}`
  return { id, incarnation, clusterId: null, foundingList: LIST, url: null, version: '1', ...given }
}

function link(id: string, given: Partial<PeerLink> = {}): PeerLink {
  const nothing = { lastContactMs: 0, refusal: null }
  return { id, connected: true, identity: identity(id), ...nothing, ...given }
}

const MEMBERSHIP: Membership = firstMembership(identity('n1'), MEMBERS, [link('n2'), link('n3')])

test('foundingList() does not depend on the order in which nodes were listed', () => {
  expect(foundingList(MEMBERS.toReversed())).toBe(LIST)
})

test('waitsFor() is null only when all listed nodes answered empty with the same list', () => {
  expect(waitsFor(identity('n1'), MEMBERS, [link('n2'), link('n3')])).toBeNull()
  expect(waitsFor(identity('n1'), MEMBERS, [link('n2')])).toContain('n3')
  expect(
    waitsFor(identity('n1'), MEMBERS, [link('n2'), link('n3', { connected: false })]),
  ).toContain('n3')
  const other = link('n3', { identity: identity('n3', { foundingList: 'n3=x' }) })
  expect(waitsFor(identity('n1'), MEMBERS, [link('n2'), other])).toContain('another list')
  const taken = link('n3', { identity: identity('n3', { clusterId: 'c' }) })
  expect(waitsFor(identity('n1'), MEMBERS, [link('n2'), taken])).toContain('another cluster')
})

test('waitsFor() lets a founder that crashed after it chose an id found the same cluster again', () => {
  const founder = identity('n1', { clusterId: 'c' })
  const adopted = link('n2', { identity: identity('n2', { clusterId: 'c' }) })

  expect(waitsFor(founder, MEMBERS, [adopted, link('n3')])).toBeNull()
})

test('firstMembership() counts every node under the incarnation it was heard with', () => {
  expect(MEMBERSHIP.voters).toEqual(['n1', 'n2', 'n3'])
  expect(MEMBERSHIP.members.map(({ incarnation }) => incarnation)).toEqual([
    'inc-n1',
    'inc-n2',
    'inc-n3',
  ])
})

test('judgePeer() refuses another cluster, a non-member and a lost disk, each by name', () => {
  const self = identity('n1', { clusterId: 'c' })

  expect(judgePeer(self, identity('n2', { clusterId: 'd' }), MEMBERSHIP)).toContain('cluster d')
  expect(judgePeer(self, identity('n9'), MEMBERSHIP)).toContain('not a member')
  expect(judgePeer(self, identity('n2', { incarnation: 'new' }), MEMBERSHIP)).toContain(
    'lost its data',
  )
  expect(judgePeer(self, identity('n2'), MEMBERSHIP)).toBeNull()
  expect(judgePeer(self, identity('n2', { clusterId: 'c' }), MEMBERSHIP)).toBeNull()
})

test('judgePeer() on an empty node wants the same list, and whoever it names', () => {
  const self = identity('n2')

  expect(judgePeer(self, identity('n1', { clusterId: 'c' }), null)).toBeNull()
  expect(judgePeer(self, identity('n1'), null)).toBeNull()
  expect(judgePeer(self, identity('n4'), null)).toContain('not in the --cluster list')
  const other = identity('n1', { foundingList: 'n1=x,n2=y' })
  expect(judgePeer(self, other, null)).toContain('different --cluster lists')
  expect(judgePeer(self, identity('n2'), null)).toContain('both nodes are called n2')
})
