import { decodeMembership, goalOf, type Member, type Membership } from '../../raft/mod.ts'

/** The members as an entry of the log left them: what a `member.changed` event tells. */
export interface MembersAt {
  readonly members: readonly {
    readonly id: string
    readonly url: string | null
    readonly role: 'voter' | 'learner' | 'witness'
  }[]
  /** What is still to come of the change; null where it is done. */
  readonly change: {
    readonly phase: 'catching_up' | 'joint'
    readonly voters: readonly string[]
    readonly learners: readonly string[]
  } | null
}

/** Of a membership in the core's encoding, such as the body of the event. */
export function membersOf(bytes: Uint8Array): MembersAt {
  const membership = decodeMembership(bytes)
  const members = membership.members.map((member) => ({
    id: member.id,
    url: member.url,
    role: roleIn(membership, member),
  }))
  return { members, change: changeIn(membership) }
}

/** A new voter is one once the joint configuration is left; an old one until then. */
export function roleIn(
  { outgoing, voters, learners }: Membership,
  { id, witness }: Member,
): 'voter' | 'learner' | 'witness' {
  if (!(outgoing ?? voters).includes(id) || learners.includes(id)) return 'learner'
  return witness ? 'witness' : 'voter'
}

/** Null where nothing is under way. */
export function changeIn(membership: Membership): MembersAt['change'] {
  if (membership.wanted === null && membership.outgoing === null) return null
  const { voters, learners } = goalOf(membership)
  return { phase: membership.outgoing === null ? 'catching_up' : 'joint', voters, learners }
}
