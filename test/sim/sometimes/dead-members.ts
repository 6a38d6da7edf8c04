import type { LogIndex, NodeId } from '../../../src/raft/mod.ts'
import type { SimNode } from '../node.ts'
import type { Invariant, Scene } from '../observer.ts'

const REMOVED = 'a member that was silent for too long was removed'

/** Situations of a cluster that takes out its dead by itself; asserts nothing. */
export class DeadMemberSituations implements Invariant {
  readonly #scene: Scene
  /** The last membership of each node that was looked at. */
  readonly #seen = new Map<NodeId, LogIndex>()

  constructor(scene: Scene) {
    this.#scene = scene
  }

  stepped(node: SimNode): void {
    const { plan, sometimes } = this.#scene
    if (plan.removeDeadAfterMs === null || sometimes.has(REMOVED)) return
    const { role, membershipIndex, committed } = node.raft
    if (role !== 'leader' || membershipIndex > committed) return
    if (this.#seen.get(node.id) === membershipIndex) return
    this.#seen.set(node.id, membershipIndex)
    const { removed = [] } = node.replica.members.deadMembers ?? {}
    if (removed.length > 0) sometimes.met(REMOVED)
  }
}
