import type { EntryId } from '../../../src/raft/mod.ts'
import type { SimNode } from '../node.ts'
import type { Invariant, Scene } from '../observer.ts'
import { insist } from '../violation.ts'

/**
 * After an fdatasync that failed nothing is called durable any more by that process: the kernel may
 * have dropped what it could not write, and reports success the next time (fsyncgate, scenario 31).
 */
export class SilentAfterFailedSync implements Invariant {
  persisted(node: SimNode): void {
    insist(
      node.disk.failedSyncs === 0,
      'nothing is called durable after a failed sync',
      () => `${node.id} reports a write durable after ${node.disk.failedSyncs} syncs that failed`,
    )
  }
}

/**
 * Only what the database holds durably leaves the log (DESIGN §4, scenario 52), and what is left
 * starts after an entry that is committed: another one there would vouch for a history that never was.
 */
export class OnlyAppliedLeaves implements Invariant {
  readonly #scene: Scene

  constructor(scene: Scene) {
    this.#scene = scene
  }

  compacted(node: SimNode, { index, term }: EntryId): void {
    const durable = this.#scene.durableState(node.id)
    insist(
      index <= durable,
      'only what the database holds durably leaves the log',
      () => `${node.id} lets go up to ${index}, its database holds ${durable} for certain`,
    )
    const committed = this.#scene.history.at(index)?.entry.term ?? 0
    insist(
      committed === term,
      'a log starts after a committed entry',
      () => `${node.id} starts after (${term}, ${index}), committed there is term ${committed}`,
    )
  }
}
