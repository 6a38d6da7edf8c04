import type { Scene, Invariant } from '../observer.ts'
import type { SimNode } from '../node.ts'
import { insist } from '../violation.ts'

/** The state hash is equal on all data nodes at equal applied index (RELIABILITY §2.0 (10)). */
export class EqualStateHash implements Invariant {
  readonly #scene: Scene
  readonly #seen = new Map<string, number>()

  constructor(scene: Scene) {
    this.#scene = scene
  }

  stepped(node: SimNode): void {
    const applied = node.state.appliedIndex
    if (node.isWitness || applied === 0 || this.#seen.get(node.id) === applied) return
    this.#seen.set(node.id, applied)
    const known = this.#scene.history.at(applied)
    if (known === null) return
    const hash = node.state.stateHash()
    known.hash ??= hash
    insist(
      known.hash === hash,
      'equal state at equal applied index',
      () => `${node.id} has state ${hash} at ${applied}, another node had ${known.hash}`,
    )
  }
}
