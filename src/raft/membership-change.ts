/**
 * From one membership to the next (Raft §6, DESIGN §7), as pure functions. Where the voters change,
 * the way leads over the joint configuration; where they do not, one entry is enough: no quorum
 * changes with a learner, an address or a wish.
 */
import { assert } from '../lib/assert.ts'
import { memberOf } from './membership.ts'
import type { Configuration, Member, Membership, MembershipTarget, NodeId } from './types.ts'

/** What to append to get from `current` to `target`: the joint configuration, or the target. */
export function enterChange(current: Membership, target: MembershipTarget): Membership {
  assert(current.outgoing === null, 'a joint configuration is left before the next change')
  assert(target.voters.length > 0, 'somebody decides')
  // Else an amnesiac would be heard as the voter that it was.
  assert(
    current.voters.every((id) => !target.voters.includes(id) || isSame(current, target, id)),
    'a voter that lost its disk is a learner first',
  )
  assert(
    target.members.every((member) => keepsKind(memberOf(current, member.id), member)),
    'a member changes its kind by leaving and coming back with an empty directory',
  )
  if (sameIds(current.voters, target.voters)) return normal({ ...target, outgoing: null })
  const outgoing = current.voters
  // A voter that becomes a learner is one only once the joint configuration is left. One that
  // lost its disk is a stranger: what bears its name is a learner at once, and is not counted.
  const demoted = new Set(
    target.learners.filter((id) => outgoing.includes(id) && isSame(current, target, id)),
  )
  const leaving = current.members.filter(
    ({ id }) => outgoing.includes(id) && memberOf(target, id) === null,
  )
  return normal({
    members: sortedById([...target.members, ...leaving]),
    voters: target.voters,
    outgoing,
    learners: target.learners.filter((id) => !demoted.has(id)),
    wanted: target.wanted ?? { voters: target.voters, learners: target.learners },
  })
}

/** C_new alone: what follows a joint configuration. Who is in no list and not wanted is gone. */
export function leaveJoint(joint: Membership): Membership {
  assert(joint.outgoing !== null, 'only a joint configuration is left')
  const { voters, learners, wanted } = joint
  const kept = [...voters, ...learners, ...(wanted?.voters ?? []), ...(wanted?.learners ?? [])]
  const stays = new Set(kept)
  const members = joint.members.filter(({ id }) => stays.has(id))
  return normal({
    members,
    voters,
    outgoing: null,
    learners: members.map(({ id }) => id).filter((id) => !voters.includes(id)),
    wanted,
  })
}

/** A wish that is fulfilled is none. */
function normal(membership: Membership): Membership {
  const { wanted, voters, learners } = membership
  if (wanted === null) return membership
  const fulfilled = sameIds(wanted.voters, voters) && sameIds(wanted.learners, learners)
  return fulfilled ? { ...membership, wanted: null } : membership
}

/** Where the cluster is going: the wish, else what is. */
export function goalOf(membership: Membership): Configuration {
  return membership.wanted ?? membership
}

export function sameIds(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  return a.length === b.length && a.every((id, at) => id === b[at])
}

export function sortedById(members: readonly Member[]): Member[] {
  return [...members].sort((a, b) => (a.id < b.id ? -1 : 1))
}

function keepsKind(before: Member | null, after: Member): boolean {
  return before === null || before.witness === after.witness
}

/** Whether the name stands for the same node in both. */
function isSame(
  current: { readonly members: readonly Member[] },
  target: { readonly members: readonly Member[] },
  id: NodeId,
): boolean {
  return memberOf(current, id)?.incarnation === memberOf(target, id)?.incarnation
}
