/**
 * What somebody wants of the membership, and what to propose for it (DESIGN §7). Pure: what the
 * leader knows of the nodes comes in as a {@link MemberSight}.
 */
import { assert } from '../../lib/assert.ts'
import type { JoinRole, PeerIdentity } from '../../mesh/peer.ts'
import {
  goalOf,
  hasDataVoter,
  isMajority,
  memberOf,
  sameIds,
  sortedById,
  type Configuration,
  type Incarnation,
  type Member,
  type Membership,
  type MembershipTarget,
  type NodeId,
} from '../../raft/mod.ts'
import { kindProblem } from './founding.ts'

/** As what a node belongs to the cluster, for people: a witness is a voter that keeps no data. */
export type MemberRole = 'voter' | 'learner' | 'witness'

export interface WantedMember {
  readonly id: NodeId
  /** Null: where it is already. */
  readonly url: string | null
  readonly role: MemberRole
}

export type MemberChange =
  /** One more; of a learner that is there already: whether it is to be promoted. */
  | ({ readonly type: 'add' } & WantedMember)
  | { readonly type: 'remove'; readonly id: NodeId }
  /** The whole of it at once. */
  | { readonly type: 'set'; readonly members: readonly WantedMember[] }
  /** An empty node asks for itself; who it is was proven by the handshake. */
  | {
      readonly type: 'join'
      readonly id: NodeId
      readonly incarnation: Incarnation
      readonly url: string | null
      /** Null: only a name that is known already. */
      readonly role: JoinRole | null
      readonly witness: boolean
    }

export type Planned =
  | { readonly type: 'propose'; readonly target: MembershipTarget }
  /** It is so already. */
  | { readonly type: 'done' }
  | {
      readonly type: 'refuse'
      readonly code: 'conflict' | 'not_found' | 'invalid_request'
      readonly detail: string
    }

/** What a node said of itself when it connected. */
export type Connected = Pick<PeerIdentity, 'incarnation' | 'url' | 'witness'>

/** What the leader knows of a node just now. */
export interface MemberSight {
  /** Linked, and heard within the least election timeout; or this very node. */
  isReachable(id: NodeId): boolean
  /** As whom a node of that name is connected; null where none is. */
  connectedAs(id: NodeId): Connected | null
}

/** Far beyond what a quorum serves well; it bounds the list. */
const MEMBERS_MAX = 31

/** What to propose, given that no change is under way. */
export function planChange(
  current: Membership,
  change: MemberChange,
  given: { readonly sight: MemberSight; readonly force: boolean },
): Planned {
  assert(current.outgoing === null, 'plans are made between changes')
  switch (change.type) {
    case 'add':
      return add(current, change)
    case 'join':
      return join(current, change, given.sight)
    case 'remove':
      return keepsQuorum(remove(current, change.id), current, given)
    case 'set':
      return keepsQuorum(set(current, change.members, given.sight), current, given)
  }
}

type Refused = Extract<Planned, { readonly type: 'refuse' }>

function refuse(code: Refused['code'], detail: string): Refused {
  return { type: 'refuse', code, detail }
}

function add(current: Membership, wanted: WantedMember): Planned {
  const { id, url, role } = wanted
  const member = memberOf(current, id)
  if (member === null) {
    if (url === null) return refuse('not_found', `${id} is not a member; give its url to add it`)
    return admit(current, { id, url, role, witness: role === 'witness', incarnation: null })
  }
  if (member.witness !== (role === 'witness')) return refuse('conflict', keepsKind(member))
  if (url !== null && url !== member.url) {
    const where = `${id} is a member already, ${member.url === null ? 'which only dials' : `at ${member.url}`}`
    return refuse('conflict', `${where}; it moves by its own --advertise`)
  }
  if (current.voters.includes(id)) {
    if (role !== 'learner') return { type: 'done' }
    return refuse('conflict', `${id} votes; the whole membership (PUT) can make it a learner`)
  }
  const goal = goalOf(current)
  const isWanted = goal.voters.includes(id)
  if (isWanted === (role !== 'learner')) return { type: 'done' }
  if (role !== 'learner' && member.incarnation === null) {
    return refuse('conflict', `${id} never started: nothing was heard from ${member.url} yet`)
  }
  const placed = place(goal, id, role)
  if (!hasDataVoter(current, placed.voters)) {
    return refuse('conflict', `${id} is the only voter that is wanted; want another one first`)
  }
  return wish(current, placed)
}

/** A member's kind goes with its data directory: neither role nor flag turns one into the other. */
function keepsKind({ id, witness }: Member): string {
  const is = witness ? 'is a witness' : 'keeps data'
  return `${id} ${is}; it changes by leaving and joining again with an empty data directory`
}

/** A new member begins as a learner; that it is to vote is a wish. */
function admit(current: Membership, given: Member & WantedMember): Planned {
  const { id, url, role, incarnation, witness } = given
  const twin = current.members.find((member) => url !== null && member.url === url)
  if (twin !== undefined) return refuse('conflict', `${twin.id} is the member at ${url}`)
  if (current.members.length >= MEMBERS_MAX) {
    return refuse('conflict', `a cluster has at most ${MEMBERS_MAX} members`)
  }
  const members = sortedById([...current.members, { id, incarnation, url, witness }])
  const learners = sorted([...current.learners, id])
  const wanted = place(goalOf(current), id, role)
  return { type: 'propose', target: { members, voters: current.voters, learners, wanted } }
}

function join(
  current: Membership,
  asked: Extract<MemberChange, { type: 'join' }>,
  sight: MemberSight,
): Planned {
  const { id, incarnation, url, role, witness } = asked
  const member = memberOf(current, id)
  const twin = url === null ? otherThatOnlyDials(current, id) : null
  if (twin !== null) {
    const both = `${id} only dials (--advertise none), and so does ${twin}`
    return refuse('conflict', `${both}: the two could never reach each other`)
  }
  if (member === null) {
    if (role === null) return refuse('not_found', `${id} is not a member, and did not ask to be`)
    return admit(current, { id, incarnation, url, role, witness })
  }
  if (member.witness !== witness) return refuse('conflict', kindProblem(member, witness))
  const replaced = { ...member, incarnation, url }
  if (member.incarnation === incarnation || member.incarnation === null) {
    const isKnown = member.incarnation !== null && replaced.url === member.url
    return isKnown ? { type: 'done' } : replace(current, replaced)
  }
  const known = sight.connectedAs(id)
  if (known?.incarnation === member.incarnation || sight.isReachable(id)) {
    return refuse('conflict', `a node called ${id} is there already, with another data directory`)
  }
  return takeBack(current, replaced)
}

/**
 * A node that lost its disk. As a voter its predecessor is gone for good, so not to count it any
 * more loses nothing: as many of the others are needed as before, or one less. The newcomer is a
 * learner from the start, and promoted like any other.
 */
function takeBack(current: Membership, replaced: Member): Planned {
  const { id } = replaced
  if (!current.voters.includes(id)) return replace(current, replaced)
  const voters = current.voters.filter((voter) => voter !== id)
  if (!hasDataVoter(current, voters)) return refuse('conflict', `${id} is the only voter with data`)
  const learners = sorted([...current.learners, id])
  const members = current.members.map((member) => (member.id === id ? replaced : member))
  return { type: 'propose', target: { members, voters, learners, wanted: goalOf(current) } }
}

function replace(current: Membership, replaced: Member): Planned {
  const { voters, learners, wanted } = current
  const members = current.members.map((member) => (member.id === replaced.id ? replaced : member))
  return { type: 'propose', target: { members, voters, learners, wanted } }
}

/** What a node that is connected says of itself: its address, and who a new name is. */
export function planUpdate(current: Membership, sight: MemberSight): MembershipTarget | null {
  for (const member of current.members) {
    const known = sight.connectedAs(member.id)
    if (known === null || known.witness !== member.witness) continue
    const isNew = member.incarnation === null
    if (!isNew && known.incarnation !== member.incarnation) continue
    const { url } = known // Null: it only dials.
    if (!isNew && url === member.url) continue
    if (url === null && otherThatOnlyDials(current, member.id) !== null) continue
    const planned = replace(current, { ...member, incarnation: known.incarnation, url })
    if (planned.type === 'propose') return planned.target
  }
  return null
}

/** Two such nodes have no way to each other. One that never started may yet say where it is. */
function otherThatOnlyDials(current: Membership, id: NodeId): NodeId | null {
  const other = current.members.find((member) => {
    return member.url === null && member.incarnation !== null && member.id !== id
  })
  return other?.id ?? null
}

function remove(current: Membership, id: NodeId): Planned {
  const member = memberOf(current, id)
  if (member === null) return refuse('not_found', `${id} is not a member`)
  const without = (ids: readonly NodeId[]): NodeId[] => ids.filter((other) => other !== id)
  const goal = goalOf(current)
  const wanted = { voters: without(goal.voters), learners: without(goal.learners) }
  const voters = without(current.voters)
  if (!hasDataVoter(current, voters) || !hasDataVoter(current, wanted.voters)) {
    return refuse('conflict', `${id} is the last voter with data: without it there is no cluster`)
  }
  const members = current.members.filter((other) => other.id !== id)
  const target = { members, voters, learners: without(current.learners), wanted }
  return { type: 'propose', target }
}

function set(current: Membership, list: readonly WantedMember[], sight: MemberSight): Planned {
  const ids = new Set(list.map(({ id }) => id))
  if (ids.size < list.length) return refuse('invalid_request', 'a member is listed twice')
  if (list.length > MEMBERS_MAX) {
    return refuse('invalid_request', `a cluster has at most ${MEMBERS_MAX} members`)
  }
  const listed: Member[] = []
  for (const wanted of list) {
    const member = placeOf(current, wanted, sight)
    if ('type' in member) return member
    listed.push(member)
  }
  const urls = new Set(listed.flatMap(({ url }) => (url === null ? [] : [url])))
  if (urls.size < listed.filter(({ url }) => url !== null).length) {
    return refuse('invalid_request', 'two members have one url')
  }
  const of = (learns: boolean): NodeId[] =>
    sorted(list.filter(({ role }) => (role === 'learner') === learns).map(({ id }) => id))
  const goal = { voters: of(false), learners: of(true) }
  if (goal.voters.length === 0) return refuse('invalid_request', 'somebody must vote')
  if (!hasDataVoter({ members: listed }, goal.voters)) {
    return refuse('invalid_request', 'witnesses keep no data: somebody else must vote, too')
  }
  return wish({ ...current, members: sortedById(listed) }, goal, current)
}

/** A wanted member with its address, or why it cannot be had there. */
function placeOf(
  current: Membership,
  { id, url, role }: WantedMember,
  sight: MemberSight,
): Member | Refused {
  const member = memberOf(current, id)
  if (member === null) {
    if (url === null) return refuse('invalid_request', `${id} is new, so it needs a url`)
    return { id, incarnation: null, url, witness: role === 'witness' }
  }
  if (member.witness !== (role === 'witness')) return refuse('conflict', keepsKind(member))
  const known = sight.connectedAs(id)
  // Where it can be reached is for itself to say: a slip in a list must not cost a voter.
  if (url !== null && url !== member.url && known?.incarnation === member.incarnation) {
    return refuse(
      'conflict',
      `${id} is connected, at ${member.url}; it moves by its own --advertise`,
    )
  }
  return { ...member, url: url ?? member.url }
}

/**
 * The way to a goal, from `current` (whose members are those to come): at once where nobody has
 * to catch up first, else with the new ones as learners until {@link planPromotion}.
 */
function wish(current: Membership, goal: Configuration, before: Membership = current): Planned {
  const waiting = goal.voters.filter((id) => !before.voters.includes(id))
  const kept = new Set([...goal.voters, ...goal.learners])
  if (waiting.length === 0) {
    const members = current.members.filter(({ id }) => kept.has(id))
    return settle(before, { members, ...goal, wanted: null })
  }
  const staying = before.members.filter(
    ({ id }) => before.voters.includes(id) && memberOf(current, id) === null,
  )
  const members = sortedById([
    ...current.members.filter(({ id }) => kept.has(id) || before.voters.includes(id)),
    ...staying,
  ])
  const learners = members.map(({ id }) => id).filter((id) => !before.voters.includes(id))
  return settle(before, { members, voters: before.voters, learners, wanted: goal })
}

function settle(before: Membership, target: MembershipTarget): Planned {
  const isSame =
    sameIds(before.voters, target.voters) &&
    sameIds(before.learners, target.learners) &&
    sameIds(goalOf(before).voters, target.wanted?.voters ?? target.voters) &&
    sameIds(goalOf(before).learners, target.wanted?.learners ?? target.learners) &&
    target.members.every(({ id, url }) => memberOf(before, id)?.url === url)
  return isSame ? { type: 'done' } : { type: 'propose', target }
}

/** The joint change that fulfils a wish; who it waits for is the caller's to judge. */
export function planPromotion(current: Membership): MembershipTarget {
  const { wanted } = current
  assert(wanted !== null, 'there is a wish')
  const kept = new Set([...wanted.voters, ...wanted.learners])
  const members = current.members.filter(({ id }) => kept.has(id))
  return { members, ...wanted, wanted: null }
}

/** Who has to catch up before the wish is fulfilled. */
export function waitingOf({ wanted, voters }: Membership): readonly NodeId[] {
  return (wanted?.voters ?? []).filter((id) => !voters.includes(id))
}

/** Why a change of the voters would end in a cluster that nobody can decide in, or null. */
export function quorumProblem(
  current: Membership,
  target: MembershipTarget,
  sight: MemberSight,
): string | null {
  const { voters } = target
  if (sameIds(voters, current.voters)) return null
  const reachable = voters.filter((id) => sight.isReachable(id))
  const left = `of the voters that would be left (${voters.join(', ')})`
  if (!isMajority(voters, (id) => reachable.includes(id))) {
    return `${left} only ${reachable.length} can be reached: the cluster would lose its quorum`
  }
  if (hasDataVoter(target, reachable)) return null
  return `${left} only witnesses can be reached: nobody could lead the cluster`
}

function keepsQuorum(
  planned: Planned,
  current: Membership,
  { sight, force }: { readonly sight: MemberSight; readonly force: boolean },
): Planned {
  if (planned.type !== 'propose' || force) return planned
  const problem = quorumProblem(current, planned.target, sight)
  return problem === null
    ? planned
    : refuse('conflict', `${problem}; force=true does it all the same`)
}

/** What an operator should think about, though it is done. */
export function warningsOf(membership: Membership): readonly string[] {
  const { voters } = goalOf(membership)
  const count = voters.length
  const warnings: string[] = []
  if (count % 2 === 0) {
    const survives = `${count} voters survive the loss of ${count / 2 - 1}`
    warnings.push(`${survives}, no more than ${count - 1} would; an odd number is better`)
  }
  const copies = voters.filter((id) => memberOf(membership, id)?.witness === false).length
  if (copies < count && copies * 2 <= count) {
    const kept = `only ${copies} of ${count} voters keep data`
    warnings.push(`${kept}: the witnesses outlive the loss of data, and cannot make up for it`)
  }
  return warnings
}

function place(goal: Configuration, id: NodeId, role: MemberRole): Configuration {
  const without = (ids: readonly NodeId[]): NodeId[] => ids.filter((other) => other !== id)
  const [voters, learners] = [without(goal.voters), without(goal.learners)]
  return role !== 'learner'
    ? { voters: sorted([...voters, id]), learners }
    : { voters, learners: sorted([...learners, id]) }
}

function sorted(ids: readonly NodeId[]): NodeId[] {
  return [...ids].sort()
}
