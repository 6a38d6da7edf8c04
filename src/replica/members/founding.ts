/**
 * How a cluster begins, and who may speak to us (DESIGN §7).
 *
 * Only the lowest id of the `--cluster` list founds, and only after all listed nodes have
 * answered "empty" with the same list. Whoever meets an existing cluster never founds another.
 * A node that lost its disk is a stranger under an old name: it is let in to be taken back as a
 * learner, and whoever bears that name with other data is refused.
 */
import { assert } from '../../lib/assert.ts'
import type { PeerIdentity } from '../../mesh/peer.ts'
import { memberOf, type Incarnation, type Member } from '../../raft/mod.ts'
import type { Membership, NodeId } from '../../raft/mod.ts'
import type { PeerLink } from '../ports.ts'

export interface FoundingMember {
  readonly id: NodeId
  /** Null: it only dials. */
  readonly url: string | null
}

/** `n1=http://…,n2=none`, sorted by id: equal on all nodes that were started alike. */
export function foundingList(members: readonly FoundingMember[]): string {
  return [...members]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map(({ id, url }) => `${id}=${url ?? 'none'}`)
    .join(',')
}

/**
 * Why a peer is refused, as a sentence for both operators; null where it is welcome.
 * `membership` is null on a node that knows none yet.
 */
export function judgePeer(
  self: PeerIdentity,
  peer: PeerIdentity,
  known: {
    readonly membership: Membership | null
    /** As whom a node of that name is connected just now. */
    readonly connectedAs: (id: NodeId) => Incarnation | null
    /** Of the state: who does not know it could not read the log. */
    readonly clusterVersion: number
  },
): string | null {
  const { clusterVersion } = known
  if (peer.clusterVersionMax < clusterVersion) {
    const program = `${peer.id} runs rollcall ${peer.version}, which knows no more than`
    return `the cluster has clusterVersion ${clusterVersion}: ${program} ${peer.clusterVersionMax}`
  }
  if (peer.id === self.id) return `both nodes are called ${self.id}`
  if (self.clusterId !== null && peer.clusterId !== null && self.clusterId !== peer.clusterId) {
    return `${peer.id} belongs to cluster ${peer.clusterId}, ${self.id} to ${self.clusterId}`
  }
  const { membership } = known
  if (membership !== null) {
    return judgeByMembership(self, peer, { membership, connectedAs: known.connectedAs })
  }
  // Any member may bring the log to an empty node of its cluster.
  if (self.clusterId !== null && hasMembership(peer)) return null
  if (self.join !== null) {
    return hasMembership(peer) ? null : `${peer.id} has no cluster yet that could be joined`
  }
  if (self.foundingList === null) return `${self.id} was started without --cluster`
  const listed = self.foundingList.split(',').some((entry) => entry.startsWith(`${peer.id}=`))
  if (!listed) {
    const what = `${peer.id} is not in the --cluster list of ${self.id}`
    const how = `if ${self.id} was a member there and lost its disk, start it with --join URL instead`
    return hasMembership(peer) ? `${what}; ${how}` : what
  }
  if (peer.clusterId === null && peer.foundingList !== self.foundingList) {
    return `${self.id} and ${peer.id} were started with different --cluster lists`
  }
  return null
}

/** It knows a membership, so its cluster exists. */
function hasMembership(peer: PeerIdentity): boolean {
  return peer.membershipIndex > 0
}

function judgeByMembership(
  self: PeerIdentity,
  peer: PeerIdentity,
  known: {
    readonly membership: Membership
    readonly connectedAs: (id: NodeId) => Incarnation | null
  },
): string | null {
  const member = memberOf(known.membership, peer.id)
  if (member?.incarnation === peer.incarnation) return null
  // It knows a newer membership: who is in that is for those who know it to say.
  if (peer.membershipIndex > self.membershipIndex) return null
  if (member === null) {
    if (!hasMembership(peer) && peer.join !== null) return null
    const why = hasMembership(peer) ? 'it was removed' : 'it was started without --join'
    return `${peer.id} is not a member of the cluster of ${self.id}: ${why}`
  }
  if (member.witness !== peer.witness) return kindProblem(member, peer.witness)
  if (member.incarnation === null) return null
  if (hasMembership(peer)) {
    return (
      `${peer.id} is known with another data directory (incarnation ${member.incarnation}, ` +
      `not ${peer.incarnation}): this one was replaced`
    )
  }
  // It lost its disk, and is taken back as a learner, where its name is free.
  const isTaken = known.connectedAs(peer.id) === member.incarnation
  return isTaken ? `a node called ${peer.id} is there, with another data directory` : null
}

/** Why a node cannot be the member whose name it has: it keeps data where that one does not. */
export function kindProblem({ id, witness }: Member, isWitness: boolean): string {
  assert(witness !== isWitness, 'they are of different kinds')
  const [is, started] = witness ? ['a witness', 'without'] : ['a data node', 'with']
  return (
    `${id} is a member as ${is}, and was started ${started} --witness: start it as it is listed, ` +
    'or remove it and add it again with an empty data directory'
  )
}

/**
 * Whether this directory is another cluster's than the `--cluster` list means: a majority of the
 * list says that it belongs elsewhere, and nobody was ever met who does not. The reason, or null.
 */
export function misplacedBy(
  self: PeerIdentity,
  members: readonly FoundingMember[],
  foreigners: ReadonlyMap<NodeId, string>,
): string | null {
  if (self.clusterId === null) return null
  const foreign = members.filter(({ id }) => id !== self.id && foreigners.has(id))
  if (foreign.length * 2 <= members.length) return null
  const others = foreign.map(({ id }) => `${id} of ${foreigners.get(id)}`)
  return (
    `the data directory belongs to cluster ${self.clusterId}, but ${others.join(' and ')}; ` +
    'choose the right one with --data, or the right nodes with --cluster'
  )
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
    if (!link?.connected || link.identity === null) {
      return [url === null ? `${id}, which only dials` : `${id} at ${url}`]
    }
    const { clusterId } = link.identity
    // Whoever meets an existing cluster founds no other: it was in it, and lost its disk.
    if (hasMembership(link.identity)) return [`${id} (it is in a cluster already)`]
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
      return { id, url, incarnation: identity.incarnation, witness: identity.witness }
    }),
    voters: sorted.map(({ id }) => id),
    outgoing: null,
    learners: [],
    wanted: null,
  }
}
