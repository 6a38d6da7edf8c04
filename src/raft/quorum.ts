import { assert } from '../lib/assert.ts'
import type { Membership, NodeId } from './types.ts'

/**
 * The highest number that a majority of `voters` has reached. Fed with durable log positions
 * (the leader's own included, Thesis §10.2.1) it is what Raft §5.3 calls stored on a majority;
 * fed with acknowledged rounds it is the newest round that proves leadership.
 *
 * Not yet the commit index: a leader commits it only if that entry is of its own term
 * (Raft §5.4.2, figure 8). That rule needs the log, so it lives in `leader.ts`.
 */
export function majorityReached(
  voters: readonly NodeId[],
  reached: (id: NodeId) => number,
): number {
  assert(voters.length > 0, 'a quorum has at least one voter')
  // Sorted by insertion: asked for each acknowledgement, of a handful of voters.
  const descending: number[] = []
  for (const id of voters) {
    const value = reached(id)
    let at = descending.length
    for (; at > 0 && (descending[at - 1] as number) < value; at--) {
      descending[at] = descending[at - 1] as number
    }
    descending[at] = value
  }
  return descending[voters.length >> 1] as number // Second of three, third of four or five.
}

/** The same over every active configuration: while joint, both majorities (Raft §6). */
export function quorumReached(membership: Membership, reached: (id: NodeId) => number): number {
  const incoming = majorityReached(membership.voters, reached)
  const { outgoing, learners } = membership
  if (outgoing === null) return incoming
  // Who lost its disk is a learner under the name of a voter, and does not speak for it.
  const heard = (id: NodeId): number => (learners.includes(id) ? -Infinity : reached(id))
  return Math.min(incoming, majorityReached(outgoing, heard))
}

/** Whether more than half of `voters`, one configuration, are so. */
export function isMajority(voters: readonly NodeId[], isSo: (id: NodeId) => boolean): boolean {
  return voters.filter(isSo).length * 2 > voters.length
}

export type VoteResult = 'won' | 'lost' | 'pending'

/** How an election stands in every active configuration; a vote not yet cast is absent. */
export function tally(membership: Membership, votes: ReadonlyMap<NodeId, boolean>): VoteResult {
  const incoming = tallyMajority(membership.voters, votes)
  if (membership.outgoing === null) return incoming
  const outgoing = tallyMajority(membership.outgoing, votes)
  if (incoming === 'lost' || outgoing === 'lost') return 'lost'
  return incoming === 'won' && outgoing === 'won' ? 'won' : 'pending'
}

function tallyMajority(voters: readonly NodeId[], votes: ReadonlyMap<NodeId, boolean>): VoteResult {
  const needed = (voters.length >> 1) + 1
  const granted = voters.filter((id) => votes.get(id) === true).length
  if (granted >= needed) return 'won'
  const refused = voters.filter((id) => votes.get(id) === false).length
  return voters.length - refused < needed ? 'lost' : 'pending'
}
