import type { Term } from '../../../src/raft/mod.ts'
import type { SimNode } from '../node.ts'
import type { Invariant, Scene } from '../observer.ts'
import { insist } from '../violation.ts'

/**
 * At most one leader can be elected in a given term (Raft §5.2, figure 3).
 *
 * A lone voter leads before its own vote is durable: nobody hears of it, and its no-op is durable
 * only together with that vote. So what it led before a crash that lost the vote never was.
 */
export class ElectionSafety implements Invariant {
  readonly #leaders = new Map<Term, { readonly node: SimNode; readonly boot: number }>()
  readonly #scene: Scene
  #elected = 0

  constructor(scene: Scene) {
    this.#scene = scene
  }

  /** How many leaders there were. */
  get elected(): number {
    return this.#elected
  }

  started(node: SimNode): void {
    if (this.#scene.nodes.length > 1) return
    for (const term of this.#leaders.keys()) if (term > node.raft.term) this.#leaders.delete(term)
  }

  stepped(node: SimNode): void {
    const { role, term } = node.raft
    if (role !== 'leader') return
    // A process that lost leadership by a crash does not win the same term again.
    const known = this.#leaders.get(term)
    if (known?.node === node && known.boot === node.boot) return
    insist(
      known === undefined,
      'Election Safety',
      () =>
        `term ${term} is led by ${known?.node.id} (boot ${known?.boot}), ` +
        `${node.id} (boot ${node.boot})`,
    )
    this.#leaders.set(term, { node, boot: node.boot })
    this.#elected += 1
    this.#scene.world.note(`${node.id} leads`, term)
  }
}
