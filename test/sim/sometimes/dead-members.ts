import type { SimNode } from '../node.ts'
import type { Invariant, Scene } from '../observer.ts'

const REMOVED = 'a member that was silent for too long was removed'

/** Situations of a cluster that takes out its dead by itself; asserts nothing. */
export class DeadMemberSituations implements Invariant {
  readonly #scene: Scene

  constructor(scene: Scene) {
    this.#scene = scene
  }

  stepped(node: SimNode): void {
    const { plan, sometimes } = this.#scene
    if (plan.removeDeadAfterMs === null || sometimes.has(REMOVED)) return
    if (node.raft.role !== 'leader') return
    const { removed = [] } = node.replica.members.deadMembers ?? {}
    if (removed.length > 0) sometimes.met(REMOVED)
  }
}
