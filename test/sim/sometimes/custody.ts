import type { NodeId } from '../../../src/raft/mod.ts'
import type { SimNode } from '../node.ts'
import type { Invariant, Scene } from '../observer.ts'

/** Situations of nodes whose state is wrong; asserts nothing. */
export class CustodySituations implements Invariant {
  readonly #scene: Scene
  /** Why each was last seen fenced, by the process. */
  readonly #fenced = new Map<NodeId, { readonly boot: number; readonly reason: string | null }>()

  constructor(scene: Scene) {
    this.#scene = scene
  }

  stepped(node: SimNode): void {
    const { reason } = node.replica.custody.fence
    const before = this.#fenced.get(node.id)
    if (before?.reason === reason && before.boot === node.boot) return
    this.#fenced.set(node.id, { boot: node.boot, reason })
    const { sometimes } = this.#scene
    if (reason === null) {
      const wasReplaced = before?.boot === node.boot && before.reason !== null
      if (wasReplaced) sometimes.met('a wrong state was replaced')
      return
    }
    const byLog = reason.includes('majority')
    sometimes.met(`a state was found wrong by ${byLog ? 'the log' : 'looking through it'}`)
    if (node.raft.role === 'leader') sometimes.met('a leader was fenced')
  }
}
