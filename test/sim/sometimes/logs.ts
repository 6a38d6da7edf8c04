import type { LogIndex, LogWrite, Message, NodeId } from '../../../src/raft/mod.ts'
import type { SimNode } from '../node.ts'
import type { Invariant, Scene } from '../observer.ts'

/** Situations of logs and disks; asserts nothing. */
export class LogSituations implements Invariant {
  readonly #scene: Scene
  /** The last entry that a node gave to its disk. */
  readonly #written = new Map<NodeId, LogIndex>()

  constructor(scene: Scene) {
    this.#scene = scene
  }

  started(node: SimNode): void {
    const { sometimes } = this.#scene
    const { last } = node.raft
    if (last < (this.#written.get(node.id) ?? 0)) sometimes.met('entries were lost with the power')
    this.#written.set(node.id, last)
    const { appliedIndex } = node.state
    if (appliedIndex === 0 && last > 1) sometimes.met('a node came back without a state')
    else if (appliedIndex < last) {
      sometimes.met('a node came back with an older state than its log')
    }
  }

  wiped(node: SimNode): void {
    this.#written.delete(node.id)
  }

  writing(node: SimNode, { entries }: LogWrite): void {
    const [first, last] = [entries[0], entries.at(-1)]
    if (first === undefined || last === undefined) return
    this.#written.set(node.id, last.index)
    if (first.index > node.view.last) return
    const { sometimes } = this.#scene
    sometimes.met('a conflicting suffix was overwritten')
    if (node.view.last > node.view.durable) {
      sometimes.met('a suffix was overwritten while its write was under way')
    }
  }

  sending(_: SimNode, message: Message): void {
    if (message.type !== 'append_response' || message.result.ok) return
    if (message.result.conflictTerm === null) return
    this.#scene.sometimes.met('a follower backed up over a conflicting term')
  }

  receiving(node: SimNode, message: Message): void {
    if (message.type !== 'append_response') return
    if (message.term < node.raft.term && message.result.ok) {
      this.#scene.sometimes.met('an acknowledgement of an older term came late')
    }
  }

  /** Figure 8: durable on a majority, and still not committed, since nothing newer is. */
  leading(node: SimNode): void {
    const { raft } = node
    if (raft.hasCommittedInTerm) return
    const { sometimes, nodes } = this.#scene
    const index = raft.noopIndex - 1
    const name = 'an entry of an older term on a majority was held back'
    if (index <= raft.committed || sometimes.has(name)) return
    const term = raft.termAt(index)
    if (term === null) return
    const holders = nodes.filter(({ view }) => view.holdsDurably(index, term))
    if (holders.length * 2 > nodes.length) sometimes.met(name)
  }
}
