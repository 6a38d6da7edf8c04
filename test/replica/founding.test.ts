import { expect, test } from 'bun:test'
import type { PeerIdentity } from '../../src/mesh/peer.ts'
import type { Membership } from '../../src/raft/types.ts'
import {
  firstMembership,
  foundingList,
  judgePeer,
  waitsFor,
  misplacedBy,
} from '../../src/replica/members/founding.ts'
import type { PeerLink } from '../../src/replica/ports.ts'

const MEMBERS = ['n1', 'n2', 'n3'].map((id) => ({ id, url: `http://127.0.0.1/${id}` }))
const LIST = foundingList(MEMBERS)

function identity(id: string, given: Partial<PeerIdentity> = {}): PeerIdentity {
  const incarnation = `inc-${id}`
  const nothing = { clusterId: null, url: null, membershipIndex: 0, join: null, witness: false }
  const program = { version: '1', clusterVersionMax: 2 }
  return { id, incarnation, foundingList: LIST, ...nothing, ...program, ...given }
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

test('waitsFor() never founds a second time what a peer is in already', () => {
  const member = link('n2', { identity: identity('n2', { clusterId: 'c', membershipIndex: 1 }) })
  const wiped = identity('n1', { clusterId: 'c' })

  expect(waitsFor(wiped, MEMBERS, [member, link('n3')])).toContain('in a cluster already')
})

/** As n1, a member with the membership of entry 9, unless `self` says otherwise. */
function judge(
  peer: PeerIdentity,
  given: {
    readonly self?: PeerIdentity
    readonly taken?: boolean
    readonly empty?: boolean
    readonly clusterVersion?: number
  } = {},
): string | null {
  const { self = identity('n1', { clusterId: 'c', membershipIndex: 9 }), taken = false } = given
  return judgePeer(self, peer, {
    membership: given.empty ? null : MEMBERSHIP,
    connectedAs: (id) => (taken ? `inc-${id}` : null),
    clusterVersion: given.clusterVersion ?? 1,
  })
}

test('judgePeer() refuses another cluster and whoever is no member, each by name', () => {
  expect(judge(identity('n2', { clusterId: 'd' }))).toContain('cluster d')
  expect(judge(identity('n9'))).toContain('started without --join')
  expect(judge(identity('n9', { clusterId: 'c', membershipIndex: 9 }))).toContain('was removed')
  expect(judge(identity('n2'))).toBeNull()
  expect(judge(identity('n2', { clusterId: 'c' }))).toBeNull()
})

test('judgePeer() refuses a program that could not read the log, with what to do', () => {
  const old = identity('n2', { membershipIndex: 1, clusterVersionMax: 1 })
  expect(judge(old)).toBeNull()
  expect(judge(old, { clusterVersion: 2 })).toMatch(/clusterVersion 2.*n2.*no more than 1/)
})

test('judgePeer() lets an empty node ask to join, and one that knows a newer membership in', () => {
  expect(judge(identity('n9', { join: 'voter' }))).toBeNull()
  expect(judge(identity('n9', { clusterId: 'c', membershipIndex: 10 }))).toBeNull()
  // Only an empty node joins: one that was removed does not come back by its old flag.
  const removed = identity('n9', { clusterId: 'c', membershipIndex: 9, join: 'voter' })
  expect(judge(removed)).toContain('was removed')
})

test('judgePeer() lets a lost disk come back under its name, where that is free', () => {
  const wiped = identity('n2', { incarnation: 'new' })
  expect(judge(wiped)).toBeNull()
  expect(judge(wiped, { taken: true })).toContain('a node called n2 is there')
  const old = identity('n2', { incarnation: 'old', clusterId: 'c', membershipIndex: 4 })
  expect(judge(old)).toContain('replaced')
})

test('judgePeer() on an empty node wants the same list, and whoever it names', () => {
  const self = identity('n2')
  const given = { self, empty: true }

  expect(judge(identity('n1', { clusterId: 'c' }), given)).toBeNull()
  expect(judge(identity('n1'), given)).toBeNull()
  expect(judge(identity('n4'), given)).toMatch(/not in the --cluster list of n2$/)
  const member = identity('n4', { clusterId: 'c', membershipIndex: 3 })
  expect(judge(member, given)).toContain('start it with --join URL instead')
  const other = identity('n1', { foundingList: 'n1=x,n2=y' })
  expect(judge(other, given)).toContain('different --cluster lists')
  expect(judge(identity('n2'), given)).toContain('both nodes are called n2')
})

test('judgePeer() on an empty node of a cluster hears any member of it', () => {
  const member = identity('n9', { clusterId: 'c', membershipIndex: 3 })
  expect(judge(member, { self: identity('n2', { clusterId: 'c' }), empty: true })).toBeNull()

  const joining = identity('n2', { join: 'voter', foundingList: null })
  expect(judge(member, { self: joining, empty: true })).toBeNull()
  expect(judge(identity('n1'), { self: joining, empty: true })).toContain('no cluster yet')
})

/** All of cluster `d`. */
const foreign = (...ids: string[]) => new Map(ids.map((id) => [id, 'd']))

test('misplacedBy() names a directory of another cluster, once a majority of the list says so', () => {
  const self = identity('n3', { clusterId: 'c' })

  expect(misplacedBy(self, MEMBERS, foreign('n1'))).toBeNull()
  expect(misplacedBy(self, MEMBERS, foreign('n1', 'n9', 'n3'))).toBeNull()
  expect(misplacedBy(identity('n3'), MEMBERS, foreign('n1', 'n2'))).toBeNull()
  expect(misplacedBy(self, MEMBERS, foreign('n1', 'n2'))).toContain('cluster c')
})

test('judgePeer() refuses a node of another kind than the member whose name it has', () => {
  const knows = { membership: MEMBERSHIP, connectedAs: () => null, clusterVersion: 1 }
  const self = identity('n1', { clusterId: 'c', membershipIndex: 1 })
  const peer = identity('n2', { incarnation: 'another', clusterId: 'c', witness: true })
  expect(judgePeer(self, peer, knows)).toContain(
    'n2 is a member as a data node, and was started with',
  )
  expect(judgePeer(self, { ...peer, witness: false }, knows)).toBeNull()
})

test('firstMembership() founds with the witnesses that say so', () => {
  const witness = link('n3', { identity: identity('n3', { witness: true }) })
  const { members } = firstMembership(identity('n1'), MEMBERS, [link('n2'), witness])
  expect(members.map((member) => member.witness)).toEqual([false, false, true])
})
