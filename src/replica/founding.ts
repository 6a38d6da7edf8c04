/**
 * How a cluster begins, and who may speak to us (DESIGN §7).
 *
 * Only the lowest id of the `--cluster` list founds, and only after all listed nodes have
 * answered "empty" with the same list. Whoever meets an existing cluster never founds another.
 * A node that lost its disk is a stranger under an old name: members refuse its incarnation.
 */
import { assert } from '../lib/assert.ts'
import type { PeerIdentity } from '../mesh/peer.ts'
import { memberOf, type Membership, type NodeId } from '../raft/mod.ts'
import type { PeerLink } from './ports.ts'

export interface FoundingMember {
  readonly id: NodeId
  readonly url: string
}

/** `n1=http://…,n2=http://…`, sorted by id: equal on all nodes that were started alike. */
export function foundingList(members: readonly FoundingMember[]): string {
  return [...members]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map(({ id, url }) => `${id}=${url}`)
    .join(',')
}

/**
 * Why a peer is refused, as a sentence for both operators; null where it is welcome.
 * `membership` is null on a node that knows none yet.
 */
export function judgePeer(
  self: PeerIdentity,
  peer: PeerIdentity,
  membership: Membership | null,
): string | null {
  if (peer.id === self.id) return `both nodes are called ${self.id}`
  if (self.clusterId !== null && peer.clusterId !== null && self.clusterId !== peer.clusterId) {
    return `${peer.id} belongs to cluster ${peer.clusterId}, ${self.id} to ${self.clusterId}`
  }
  if (membership !== null) return judgeByMembership(self, peer, membership)
  if (self.foundingList === null) return `${self.id} was started without --cluster`
  const listed = self.foundingList.split(',').some((entry) => entry.startsWith(`${peer.id}=`))
  if (!listed) return `${peer.id} is not in the --cluster list of ${self.id}`
  if (peer.clusterId === null && peer.foundingList !== self.foundingList) {
    return `${self.id} and ${peer.id} were started with different --cluster lists`
  }
  return null
}

function judgeByMembership(
  self: PeerIdentity,
  peer: PeerIdentity,
  membership: Membership,
): string | null {
  const member = memberOf(membership, peer.id)
  if (member === null) return `${peer.id} is not a member of the cluster of ${self.id}`
  if (member.incarnation !== peer.incarnation) {
    return (
      `${peer.id} is known with another data directory (incarnation ${member.incarnation}, ` +
      `not ${peer.incarnation}): it lost its data and cannot go on under its old vote`
    )
  }
  return null
}

/**
 * For whom the founder still waits, as a sentence; null once all have answered "empty" with the
 * same list, so that it may found now.
 */
export function waitsFor(
  self: PeerIdentity,
  members: readonly FoundingMember[],
  links: readonly PeerLink[],
): string | null {
  const others = members.filter(({ id }) => id !== self.id)
  const missing = others.flatMap(({ id, url }) => {
    const link = links.find((candidate) => candidate.id === id)
    if (link?.refusal) return [`${id} (refused: ${link.refusal})`]
    if (!link?.connected || link.identity === null) return [`${id} at ${url}`]
    const { clusterId } = link.identity
    if (clusterId !== null && clusterId !== self.clusterId) return [`${id} (in another cluster)`]
    return link.identity.foundingList === self.foundingList ? [] : [`${id} (another list)`]
  })
  return missing.length === 0 ? null : missing.join(', ')
}

/** The first membership, incarnations included: who is counted from now on. */
export function firstMembership(
  self: PeerIdentity,
  members: readonly FoundingMember[],
  links: readonly PeerLink[],
): Membership {
  const sorted = [...members].sort((a, b) => (a.id < b.id ? -1 : 1))
  return {
    members: sorted.map(({ id, url }) => {
      const identity = id === self.id ? self : links.find((link) => link.id === id)?.identity
      assert(identity !== null && identity !== undefined, 'a founder has heard every member')
      return { id, url, incarnation: identity.incarnation, witness: false }
    }),
    voters: sorted.map(({ id }) => id),
    outgoing: null,
    learners: [],
    wanted: null,
  }
}
