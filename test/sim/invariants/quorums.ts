/**
 * Majorities, counted once more: an invariant that asked `raft/quorum.ts` would believe whatever
 * that file does. While joint both configurations must agree (Raft §6), and whoever lost its disk
 * is a learner under the name of a voter, for which it does not speak.
 */
import type { Membership, NodeId } from '../../../src/raft/mod.ts'

/** Whether those who `agree` are a majority of every active configuration. */
export function haveMajority(membership: Membership, agree: (id: NodeId) => boolean): boolean {
  return configurationsOf(membership).every((voters) => isMajority(voters, membership, agree))
}

/** The one that is in force; the old and the new one while joint. */
export function configurationsOf({ voters, outgoing }: Membership): readonly (readonly NodeId[])[] {
  return outgoing === null ? [voters] : [voters, outgoing]
}

function isMajority(
  voters: readonly NodeId[],
  { learners }: Membership,
  agree: (id: NodeId) => boolean,
): boolean {
  const agreeing = voters.filter((id) => !learners.includes(id) && agree(id))
  return agreeing.length * 2 > voters.length
}

/** As whom a member is known; null for nobody of that name. */
export function incarnationIn({ members }: Membership, id: NodeId): string | null {
  return members.find((member) => member.id === id)?.incarnation ?? null
}

/** Whether that very incarnation votes. */
export function votesIn(membership: Membership, id: NodeId, incarnation: string): boolean {
  if (incarnationIn(membership, id) !== incarnation || membership.learners.includes(id))
    return false
  return configurationsOf(membership).some((voters) => voters.includes(id))
}
