import { assert } from '../lib/assert.ts'
import { decode, encode } from '../lib/msgpack.ts'
import type { Configuration, LogIndex, Member, Membership, NodeId } from './types.ts'

const FORMAT = 1

/**
 * The bytes of a `membership` entry: `[format, [[id, incarnation, url, witness]…], voters, outgoing,
 * learners, wanted]`, where `wanted` is `[voters, learners]` or null.
 */
export function encodeMembership(membership: Membership): Uint8Array {
  checkMembership(membership)
  const { members, voters, outgoing, learners, wanted } = membership
  return encode([
    FORMAT,
    members.map((m) => [m.id, m.incarnation, m.url, m.witness]),
    voters,
    outgoing,
    learners,
    wanted === null ? null : [wanted.voters, wanted.learners],
  ])
}

/** Reads what `encodeMembership` wrote; throws on anything else: it was committed, so it is ours. */
export function decodeMembership(bytes: Uint8Array): Membership {
  const value = decode(bytes)
  assert(Array.isArray(value) && value.length === 6, 'a membership has six parts')
  const [format, members, voters, outgoing, learners, wanted] = value as unknown[]
  assert(format === FORMAT, 'a membership is of a format that this release knows')
  assert(Array.isArray(members), 'a membership lists its members')
  const membership = {
    members: members.map(readMember),
    voters: readIds(voters),
    outgoing: outgoing === null ? null : readIds(outgoing),
    learners: readIds(learners),
    wanted: wanted === null ? null : readConfiguration(wanted),
  }
  checkMembership(membership)
  return membership
}

/** Whether one of `voters` keeps data: witnesses alone could elect nobody. */
export function hasDataVoter(
  of: { readonly members: readonly Member[] },
  voters: readonly NodeId[],
): boolean {
  return voters.some((id) => memberOf(of, id)?.witness === false)
}

function readMember(value: unknown): Member {
  assert(Array.isArray(value) && value.length === 4, 'a member has four fields')
  const [id, incarnation, url, witness] = value as unknown[]
  assert(typeof id === 'string', 'a member has a name')
  assert(incarnation === null || typeof incarnation === 'string', 'a member is known or not yet')
  assert(url === null || typeof url === 'string', 'a member has a URL or none')
  assert(typeof witness === 'boolean', 'a member is a witness or not')
  return { id, incarnation, url, witness }
}

function readConfiguration(value: unknown): Configuration {
  assert(Array.isArray(value) && value.length === 2, 'a configuration has two parts')
  const [voters, learners] = value as unknown[]
  return { voters: readIds(voters), learners: readIds(learners) }
}

function readIds(value: unknown): NodeId[] {
  assert(Array.isArray(value), 'a configuration is a list')
  return value.map((id) => {
    assert(typeof id === 'string', 'a configuration lists names')
    return id
  })
}

function checkMembership(membership: Membership): void {
  const { members, voters, outgoing, learners, wanted } = membership
  assert(voters.length > 0, 'a membership has a voter')
  assert(wanted === null || wanted.voters.length > 0, 'a membership wants a voter')
  const known = new Set(members.map((member) => member.id))
  assert(known.size === members.length, 'a member is listed once')
  assert(
    learners.every((id) => !voters.includes(id)),
    'a learner does not vote',
  )
  for (const id of voters) {
    assert(memberOf(membership, id)?.incarnation !== null, 'a voter was in contact')
  }
  assert(
    voters.every((id) => known.has(id)),
    'whoever counts is a member',
  )
  assert(hasDataVoter(membership, voters), 'somebody who votes can lead')
  const wish = wanted === null ? [] : [wanted.voters, wanted.learners]
  for (const list of [voters, outgoing ?? [], learners, ...wish]) {
    assert(
      list.every((id) => known.has(id)),
      'whoever counts is a member',
    )
    assert(
      list.every((id, at) => at === 0 || (list[at - 1] ?? '') < id),
      'a configuration is sorted and has no double',
    )
  }
}

/** Whether this name votes in any active configuration; one that lost its disk does not. */
export function isVoter(membership: Membership, id: NodeId): boolean {
  if (membership.voters.includes(id)) return true
  if (membership.outgoing === null || membership.learners.includes(id)) return false
  return membership.outgoing.includes(id)
}

export function memberOf(of: { readonly members: readonly Member[] }, id: NodeId): Member | null {
  return of.members.find((member) => member.id === id) ?? null
}

/** A membership and the entry that brought it. */
export interface MembershipAt {
  readonly index: LogIndex
  readonly membership: Membership
}

/**
 * The configurations of the log's tail. The newest is in force from its append on, committed or
 * not (Raft §6), and falls back to the one before when its entry is truncated.
 */
export class MembershipStack {
  readonly #stack: MembershipAt[]

  constructor(initial: readonly MembershipAt[]) {
    this.#stack = [...initial]
    assert(
      this.#stack.every(
        (at, i) => i === 0 || (this.#stack[i - 1] as MembershipAt).index < at.index,
      ),
      'memberships come in log order',
    )
  }

  /** Null on a node that belongs to no cluster yet. */
  get current(): Membership | null {
    return this.#stack.at(-1)?.membership ?? null
  }

  get index(): LogIndex {
    return this.#stack.at(-1)?.index ?? 0
  }

  /** The last one that is known to be committed, and all that follow in the log. */
  get possible(): readonly MembershipAt[] {
    return this.#stack
  }

  push(at: MembershipAt): void {
    assert(at.index > this.index, 'a newer membership stands later in the log')
    this.#stack.push(at)
  }

  /** Forgets what entries from `index` on brought. */
  truncate(index: LogIndex): void {
    while (this.index >= index && this.#stack.length > 0) this.#stack.pop()
  }

  /** The log starts anew behind a snapshot that holds this one. */
  restart(at: MembershipAt): void {
    this.#stack.splice(0, this.#stack.length, at)
  }

  /** Forgets what lies before the newest one at or below `committed`: it cannot come back. */
  settle(committed: LogIndex): void {
    while (this.#stack.length > 1 && (this.#stack[1] as MembershipAt).index <= committed) {
      this.#stack.shift()
    }
  }
}
