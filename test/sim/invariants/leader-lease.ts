import type { SimNode } from '../node.ts'
import type { Invariant, Scene } from '../observer.ts'
import { insist } from '../violation.ts'

/**
 * A leader lease never overlaps a later leader's first commit (RELIABILITY §2.0 (12), DESIGN §6,
 * Thesis §6.4.1): whoever holds the lease may answer reads and heartbeats alone.
 */
export class LeaseExclusive implements Invariant {
  readonly #scene: Scene
  readonly #committing = new Map<string, number>()

  constructor(scene: Scene) {
    this.#scene = scene
  }

  leading(node: SimNode): void {
    const { raft } = node
    if (this.#committing.get(node.id) === raft.term || !raft.hasCommittedInTerm) return
    this.#committing.set(node.id, raft.term)
    for (const other of this.#scene.nodes) {
      // A node that stands still serves nobody; when it goes on, its clocks tell it.
      if (other === node || !other.isUp || other.isPaused) continue
      const remainingMs = other.raft.leaseRemainingMs(other.readClock())
      insist(
        remainingMs <= 0 || other.raft.term > raft.term,
        'a lease never overlaps a later commit',
        () =>
          `${node.id} commits in term ${raft.term}, ${other.id} holds the lease of term ` +
          `${other.raft.term} for another ${remainingMs.toFixed(3)} ms`,
      )
    }
  }
}
