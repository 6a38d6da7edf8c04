/**
 * Members that a leader removes by itself, where it was told to (`--remove-dead-after`): one that
 * is gone for good costs the cluster a vote in every decision until somebody takes it out.
 *
 * Silence counts only as this leader saw it, look by look: not before it led, and not over a time
 * in which it stood still itself or could not reach a majority, for then it may be the one that is
 * cut off. So nobody goes within that time of an election.
 */
import { assert } from '../../lib/assert.ts'
import { rfc3339 } from '../../lib/rfc3339.ts'
import { isMajority, memberOf, type Membership, type NodeId } from '../../raft/mod.ts'
import type { DeadMembersView } from '../../http/registry.ts'
import type { MemberSight } from './member-change.ts'

/** Two voters survive the loss of none: what is left after a removal survives one. */
const VOTERS_MIN = 3
/** For the same reason: witnesses outlive the last data node, and cannot stand in for it. */
const DATA_VOTERS_MIN = 2
/** Removals that are remembered, of this process. */
const REMOVED_MAX = 16

export interface DeadMembersConfig {
  /** Null: nobody is ever removed. */
  readonly afterMs: number | null
  /** Between two looks; more is a time in which this node stood still. */
  readonly standstillMs: number
}

export class DeadMembers {
  readonly #config: DeadMembersConfig
  readonly #self: NodeId
  readonly #silentSinceMs = new Map<NodeId, number>()
  #removed: DeadMembersView['removed'] = []
  #lookedMs: number | null = null

  constructor(self: NodeId, config: DeadMembersConfig) {
    assert(config.afterMs === null || config.afterMs > config.standstillMs, 'silence takes a while')
    this.#self = self
    this.#config = config
  }

  /** This node does not lead: what it saw says nothing about who is gone. */
  forget(): void {
    this.#silentSinceMs.clear()
    this.#lookedMs = null
  }

  /** A look of the leader, many times in every election timeout. */
  look(membership: Membership, sight: MemberSight, nowMs: number): void {
    if (this.#config.afterMs === null) return
    const stoodStill = nowMs - (this.#lookedMs ?? nowMs) > this.#config.standstillMs
    const isAmongMost = isMajority(membership.voters, (id) => sight.isReachable(id))
    if (stoodStill || !isAmongMost) this.#silentSinceMs.clear()
    this.#lookedMs = nowMs
    for (const id of this.#silentSinceMs.keys()) {
      if (memberOf(membership, id) === null) this.#silentSinceMs.delete(id)
    }
    for (const { id, incarnation } of membership.members) {
      // One that never started is no dead one: its operator may only just be about to.
      if (id === this.#self || incarnation === null || sight.isReachable(id)) {
        this.#silentSinceMs.delete(id)
      } else if (!this.#silentSinceMs.has(id)) {
        this.#silentSinceMs.set(id, nowMs)
      }
    }
  }

  /** Who is to go now, the one that is silent longest first; null: nobody. */
  next(membership: Membership, sight: MemberSight): NodeId | null {
    const { afterMs } = this.#config
    if (afterMs === null) return null
    const due = this.#silent().find(({ id, silentMs }) => {
      return silentMs >= afterMs && keptBy(membership, id, sight) === null
    })
    return due?.id ?? null
  }

  /** How long it was silent, as of the last look. */
  silentMs(id: NodeId): number {
    return (this.#lookedMs ?? 0) - (this.#silentSinceMs.get(id) ?? this.#lookedMs ?? 0)
  }

  /** Its removal is committed. */
  removed(id: NodeId, silentMs: number, wallMs: number): void {
    const removedAt = rfc3339(Math.max(0, Math.round(wallMs)))
    const entry = { id, silentMs: Math.round(silentMs), removedAt }
    this.#removed = [...this.#removed, entry].slice(-REMOVED_MAX)
    this.#silentSinceMs.delete(id)
  }

  /** Null where it is switched off. */
  view(membership: Membership | null, sight: MemberSight): DeadMembersView | null {
    const { afterMs: removeAfterMs } = this.#config
    if (removeAfterMs === null || membership === null) return null
    const silent = this.#silent().map(({ id, silentMs }) => ({
      id,
      silentMs: Math.round(silentMs),
      keptBy: keptBy(membership, id, sight),
    }))
    return { removeAfterMs, silent, removed: this.#removed }
  }

  #silent(): readonly { readonly id: NodeId; readonly silentMs: number }[] {
    return [...this.#silentSinceMs.keys()]
      .map((id) => ({ id, silentMs: this.silentMs(id) }))
      .sort((a, b) => b.silentMs - a.silentMs || (a.id < b.id ? -1 : 1))
  }
}

/** Why a member stays, however long it is silent; null: it may go. */
function keptBy(membership: Membership, id: NodeId, sight: MemberSight): string | null {
  const { voters } = membership
  const left = voters.filter((voter) => voter !== id)
  if (left.length === voters.length) return null // A learner decides nothing.
  if (left.length < VOTERS_MIN) {
    return `without it ${left.length} voters would be left, and fewer than ${VOTERS_MIN} survive no loss`
  }
  const keepsData = (voter: NodeId): boolean => memberOf(membership, voter)?.witness === false
  if (keepsData(id) && left.filter(keepsData).length < DATA_VOTERS_MIN) {
    return 'without it one data node would be left: the cluster would give up the second copy'
  }
  if (isMajority(left, (voter) => sight.isReachable(voter))) return null
  return `of the voters that would be left (${left.join(', ')}) too few can be reached`
}
