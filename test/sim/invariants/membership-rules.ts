import type {
  LogIndex,
  LogWrite,
  Membership,
  Message,
  NodeId,
  Term,
  VoteRequest,
} from '../../../src/raft/mod.ts'
import type { SimNode } from '../node.ts'
import type { Invariant, Scene } from '../observer.ts'
import { insist } from '../violation.ts'
import { membershipOf, type Configurations, type Placed } from './configurations.ts'
import { incarnationIn, votesIn } from './quorums.ts'

const sameIds = (a: readonly NodeId[] | null, b: readonly NodeId[] | null): boolean =>
  a?.join() === b?.join()

/**
 * How a leader may change the members, looked at when the entry is on its way to its log:
 *
 * - not before it has committed an entry of its own term: until then its log may end in a membership
 *   that another leader has committed past (Ongaro, raft-dev 2015; scenario 53);
 * - not while another change is not committed (Raft §6; RELIABILITY §2.0 (11), scenario 54);
 * - other voters by way of a joint configuration of the old and the new ones (scenario 55).
 */
export class OneChangeAtATime implements Invariant {
  readonly #configurations: Configurations

  constructor(configurations: Configurations) {
    this.#configurations = configurations
  }

  writing(node: SimNode, { entries }: LogWrite): void {
    const { role, term } = node.raft
    let before = this.#configurations.current(node)
    for (const entry of entries) {
      if (entry.type !== 'membership') continue
      const next = { index: entry.index, membership: membershipOf(entry) }
      const isOwn = role === 'leader' && entry.term === term
      if (isOwn && before !== null) this.#check(node, before, next)
      before = next
    }
  }

  #check(node: SimNode, before: Placed, next: Placed): void {
    const { committed, term } = node.raft
    insist(
      node.raft.termAt(committed) === term,
      'no membership before a commit of its term',
      () =>
        `${node.id} leads term ${term}, has committed up to ${committed}, and writes ${next.index}`,
    )
    insist(
      before.index <= committed,
      'one uncommitted membership at a time',
      () => `${node.id} writes ${next.index}, that at ${before.index} is not committed`,
    )
    insist(
      follows(before.membership, next.membership),
      'voters change by both majorities',
      () => `${node.id}: ${describe(before.membership)} becomes ${describe(next.membership)}`,
    )
  }
}

function follows(before: Membership, next: Membership): boolean {
  if (before.outgoing !== null) {
    return next.outgoing === null && sameIds(next.voters, before.voters)
  }
  if (next.outgoing === null) return sameIds(next.voters, before.voters)
  return sameIds(next.outgoing, before.voters)
}

function describe({ voters, outgoing }: Membership): string {
  return `[${voters.join(' ')}]${outgoing === null ? '' : ` out of [${outgoing.join(' ')}]`}`
}

/** The last membership of a node's log is in force, from its append to its truncation (Raft §6). */
export class InForceFromAppend implements Invariant {
  readonly #configurations: Configurations

  constructor(configurations: Configurations) {
    this.#configurations = configurations
  }

  stepped(node: SimNode): void {
    const inForce = node.raft.membershipIndex
    const last = this.#configurations.current(node)?.index ?? 0
    insist(
      inForce === last,
      'the last membership of the log is in force',
      () => `${node.id} acts by the membership at ${inForce}, its log holds one at ${last}`,
    )
  }
}

/** Nobody campaigns but who votes in a membership that may hold (scenario 14, Thesis §4.2.2). */
export class OnlyVotersCampaign implements Invariant {
  readonly #configurations: Configurations

  constructor(configurations: Configurations) {
    this.#configurations = configurations
  }

  sending(node: SimNode, message: Message): void {
    if (message.type !== 'vote_request' || message.preVote) return
    const possible = this.#configurations.possible(node, node.raft.committed)
    insist(
      possible.some(({ membership }) => votesIn(membership, node.id, message.incarnation)),
      'only a voter campaigns',
      () => `${node.id} campaigns in term ${message.term}, as ${describeAll(possible)}`,
    )
  }
}

function describeAll(placed: readonly Placed[]): string {
  return placed.map(({ index, membership }) => `${index}: ${describe(membership)}`).join(', ')
}

/** What a leader was told, in one process and term. */
interface Heard {
  readonly boot: number
  readonly term: Term
  /** By incarnation: up to where its log was acknowledged. */
  readonly match: Map<string, LogIndex>
}

/**
 * Who is made a voter has answered the leader, in its term and as who it is, and is not far behind
 * (scenario 57): else the next loss could cost the quorum.
 */
export class PromotedWhenCaughtUp implements Invariant {
  readonly #configurations: Configurations
  readonly #heard = new Map<NodeId, Heard>()

  constructor(configurations: Configurations) {
    this.#configurations = configurations
  }

  receiving(node: SimNode, message: Message): void {
    if (message.type !== 'append_response' || !message.result.ok) return
    if (node.raft.role !== 'leader') return
    let heard = this.#heard.get(node.id)
    if (heard?.boot !== node.boot || heard.term !== message.term) {
      heard = { boot: node.boot, term: message.term, match: new Map() }
      this.#heard.set(node.id, heard)
    }
    const { incarnation } = message
    heard.match.set(incarnation, Math.max(message.result.match, heard.match.get(incarnation) ?? 0))
  }

  writing(node: SimNode, { entries }: LogWrite): void {
    const { role, term } = node.raft
    if (role !== 'leader') return
    for (const entry of entries) {
      if (entry.type !== 'membership' || entry.term !== term) continue
      const before = this.#configurations.current(node)?.membership
      const next = membershipOf(entry)
      if (before === undefined || next.outgoing === null) continue
      const promoted = next.voters.filter((id) => !before.voters.includes(id))
      for (const id of promoted) if (id !== node.id) this.#check(node, next, id, entry.index)
    }
  }

  #check(node: SimNode, next: Membership, id: NodeId, index: LogIndex): void {
    const heard = this.#heard.get(node.id)
    const isOfTerm = heard?.boot === node.boot && heard.term === node.raft.term
    const match = isOfTerm ? (heard.match.get(incarnationIn(next, id) ?? '') ?? 0) : 0
    insist(
      match > 0 && index - match <= LAG_MAX,
      'who is promoted has caught up',
      () => `${node.id} makes ${id} a voter at ${index}, which acknowledged up to ${match}`,
    )
  }
}

/** As the leader judges it, and what came in between. */
const LAG_MAX = 1_024 + 256

/**
 * A vote is refused for a reason: another one was cast, a leader is known, or the candidate's log is
 * older (Raft §5.2, §5.4.1). That a node believes itself a learner is none: the candidate may know a
 * newer membership in which its vote is needed (etcd #10998, scenario 14).
 */
export class VotesNotWithheld implements Invariant {
  /** By node: what it was asked and has not answered, as `candidate term`. */
  readonly #asked = new Map<NodeId, Map<string, Asked>>()

  started(node: SimNode): void {
    this.#asked.set(node.id, new Map())
  }

  receiving(node: SimNode, message: Message): void {
    if (message.type !== 'vote_request' || message.preVote) return
    const asked = this.#asked.get(node.id)
    if (asked === undefined) return
    if (asked.size >= ASKED_MAX) asked.clear()
    const known = asked.get(`${message.from} ${message.term}`)
    if (known === undefined) asked.set(`${message.from} ${message.term}`, { request: message })
  }

  /** The answer may wait for the disk: what was a reason once is one. */
  stepped(node: SimNode): void {
    const asked = this.#asked.get(node.id)
    if (asked === undefined || asked.size === 0) return
    for (const each of asked.values()) each.reason ||= hasReason(node.raft, each.request)
  }

  sending(node: SimNode, message: Message): void {
    if (message.type !== 'vote_response' || message.preVote) return
    const asked = this.#asked.get(node.id)
    if (asked === undefined) return
    if (!message.granted && takeOlder(asked, message)) return
    const key = `${message.to} ${message.term}`
    const found = asked.get(key)
    asked.delete(key)
    if (found === undefined || message.granted) return
    insist(
      found.reason === true || hasReason(node.raft, found.request),
      'a vote is refused for a reason',
      () => `${node.id} refuses ${message.to} its vote in term ${message.term}`,
    )
  }
}

/** A request of an older term is told of ours: its refusal looks like one of a request of today. */
function takeOlder(asked: Map<string, Asked>, { to, term }: Message): boolean {
  for (const [key, { request }] of asked) {
    if (request.from === to && request.term < term) return asked.delete(key)
  }
  return false
}

interface Asked {
  readonly request: VoteRequest
  reason?: boolean
}

const ASKED_MAX = 1_000

function hasReason(raft: SimNode['raft'], request: VoteRequest): boolean {
  if (raft.term !== request.term) return raft.term > request.term
  const { votedFor } = raft.hardState
  if (raft.leader !== null || (votedFor !== null && votedFor !== request.from)) return true
  const lastTerm = raft.termAt(raft.last) ?? 0
  if (lastTerm !== request.lastTerm) return lastTerm > request.lastTerm
  return raft.last > request.lastIndex
}

interface Outstaying {
  readonly key: string
  /** Since when, on its monotonic clock; anew after it stood still, since it cannot go before it acts. */
  sinceMs: number
  actedMs: number
}

/**
 * A leader that the committed membership does not name goes: it may hand over first, which ends one
 * way or the other within an election timeout (Raft §6, Thesis §4.2.2; scenario 56).
 */
export class RemovedLeaderGoes implements Invariant {
  readonly #scene: Scene
  readonly #configurations: Configurations
  readonly #outstaying = new Map<NodeId, Outstaying>()

  constructor(scene: Scene, configurations: Configurations) {
    this.#scene = scene
    this.#configurations = configurations
  }

  leading(node: SimNode): void {
    const { term, committed } = node.raft
    const current = this.#configurations.current(node)
    if (current === null || current.membership.voters.includes(node.id)) return
    if (current.membership.outgoing !== null || current.index > committed) return
    const nowMs = node.clock.mono(this.#scene.world.nowMs)
    const { electionMaxMs, heartbeatMs } = this.#scene.plan
    const key = `${node.boot} ${term} ${current.index}`
    const known = this.#outstaying.get(node.id)
    if (known?.key !== key || nowMs - known.actedMs > 2 * heartbeatMs) {
      this.#outstaying.set(node.id, { key, sinceMs: nowMs, actedMs: nowMs })
      return
    }
    known.actedMs = nowMs
    insist(
      nowMs - known.sinceMs <= electionMaxMs + 2 * heartbeatMs,
      'a leader that was removed goes',
      () => `${node.id} leads term ${term}, and was removed by ${current.index}`,
    )
  }
}
