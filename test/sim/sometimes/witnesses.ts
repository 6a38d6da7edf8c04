import type { Message } from '../../../src/raft/mod.ts'
import type { SimNode } from '../node.ts'
import type { Invariant, Scene } from '../observer.ts'

/** Situations of witnesses; asserts nothing. */
export class WitnessSituations implements Invariant {
  readonly #scene: Scene
  readonly #degraded = new Set<string>()

  constructor(scene: Scene) {
    this.#scene = scene
  }

  sending(node: SimNode, message: Message): void {
    if (!node.isWitness || message.type !== 'vote_response') return
    const { sometimes, nodes } = this.#scene
    if (message.granted && !message.preVote) sometimes.met('a witness voted')
    const candidate = nodes.find(({ id }) => id === message.to)
    if (message.granted || candidate === undefined) return
    const [own, other] = [node.view, candidate.view]
    if ((own.termAt(own.last) ?? 0) > (other.termAt(other.last) ?? 0) || own.last > other.last) {
      sometimes.met('a witness kept a stale node from leading')
    }
  }

  stepped(node: SimNode): void {
    if (this.#scene.plan.witnesses === 0 || node.isWitness || node.raft.role !== 'leader') return
    const data = node.raft.dataCopies
    if (data === null) return
    const isDegraded = data.copies < data.quorum
    if (isDegraded) this.#degraded.add(node.id)
    else if (this.#degraded.delete(node.id)) {
      this.#scene.sometimes.met('a cluster was degraded, and is whole again')
    }
  }
}
