/** Whom a node keeps links with, and who of those may ask it for anything. */
import { memberOf, type Member, type Membership, type NodeId } from '../../raft/mod.ts'
import type { PeerIdentity } from '../../mesh/peer.ts'
import type { FoundingMember } from '../members/founding.ts'

export interface WantedPeer {
  readonly id: NodeId
  readonly url: string | null
  /** This end dials, whatever the ids say. */
  readonly dials: boolean
}

/**
 * The members, and those that left until they know. Before there are any: those that the cluster
 * named when it took this node in, else the founding list.
 *
 * Who moved, or was only just taken in, dials everybody: they may not know where it is. So does a
 * leader: who has not got the newest log may not know by whom it is led.
 */
export function wantedPeers(given: {
  readonly self: PeerIdentity
  readonly membership: Membership | null
  readonly promised: Membership | null
  readonly founding: readonly FoundingMember[]
  readonly departing: readonly Member[]
  readonly leads: boolean
}): readonly WantedPeer[] {
  const { self, membership, promised, founding, departing, leads } = given
  const current = membership ?? promised
  const own = current === null ? null : memberOf(current, self.id)
  const isLost = membership === null ? current !== null : own?.url !== self.url
  const known = [...(current?.members ?? founding), ...departing]
  return known
    .filter(({ id }) => id !== self.id)
    .map(({ id, url }) => ({ id, url, dials: isLost || leads }))
}

/** An empty node that is no member (yet): it may ask to be one, and nothing else. */
export function isStranger(
  membership: Membership | null,
  id: NodeId,
  peer: PeerIdentity | null,
): boolean {
  const member = membership === null ? null : memberOf(membership, id)
  return member?.incarnation !== peer?.incarnation && peer?.membershipIndex === 0
}

/**
 * Whether what is meant for a member would reach somebody else: who lost its disk has the name and
 * the address of the one that it was. It would take the snapshot that its predecessor needs, be empty
 * no more, and so never ask to be taken back (DESIGN §7). `peer`: who is linked; null: nobody.
 */
export function isReplaced(
  members: { readonly membership: Membership | null; readonly departing: readonly Member[] },
  id: NodeId,
  peer: PeerIdentity | null,
): boolean {
  if (peer === null || members.membership === null) return false
  const known = memberOf(members.membership, id) ?? memberOf({ members: members.departing }, id)
  return known !== null && known.incarnation !== peer.incarnation
}
