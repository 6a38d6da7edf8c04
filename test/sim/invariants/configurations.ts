import { decodeMembership } from '../../../src/raft/mod.ts'
import type { LogIndex, LogWrite, Membership, NodeId } from '../../../src/raft/mod.ts'
import type { SimNode } from '../node.ts'
import type { Invariant } from '../observer.ts'
import type { History } from '../oracle/history.ts'
import type { LogMatching } from './log-matching.ts'

export interface Placed {
  readonly index: LogIndex
  readonly membership: Membership
}

/**
 * The memberships in each node's log, read from what it writes and not from what its core believes:
 * the last one is in force, from its append on (Raft §6).
 */
export class Configurations implements Invariant {
  readonly #log: LogMatching
  readonly #history: History
  readonly #stacks = new Map<NodeId, Placed[]>()

  constructor(log: LogMatching, history: History) {
    this.#log = log
    this.#history = history
  }

  /** In force on that node; null where it holds none. */
  current(node: SimNode): Placed | null {
    return this.#of(node).at(-1) ?? null
  }

  /** The last one that it knows to be committed, and all that follow: any of them may come to hold. */
  possible(node: SimNode, committed: LogIndex): readonly Placed[] {
    const stack = this.#of(node)
    const from = stack.findLastIndex(({ index }) => index <= committed)
    return stack.slice(Math.max(0, from))
  }

  started(node: SimNode): void {
    const { view } = node
    const stack: Placed[] = []
    for (let index = 1; index <= view.last; index++) {
      const { type, data } = this.#log.entry(index, view.termAt(index) ?? 0)
      if (type === 'membership') stack.push({ index, membership: decodeMembership(data) })
    }
    this.#stacks.set(node.id, stack)
  }

  writing(node: SimNode, { entries }: LogWrite): void {
    const first = entries[0]
    if (first === undefined) return
    const stack = this.#of(node)
    while ((stack.at(-1)?.index ?? 0) >= first.index) stack.pop()
    for (const { type, index, data } of entries) {
      if (type === 'membership') stack.push({ index, membership: decodeMembership(data) })
    }
  }

  /** The log is that of the committed history, up to there. */
  installing(node: SimNode, last: LogIndex): void {
    const stack: Placed[] = []
    for (const { entry } of this.#history.entries.slice(0, last)) {
      const { type, index, data } = entry
      if (type === 'membership') stack.push({ index, membership: decodeMembership(data) })
    }
    this.#stacks.set(node.id, stack)
  }

  #of(node: SimNode): Placed[] {
    let stack = this.#stacks.get(node.id)
    if (stack === undefined) this.#stacks.set(node.id, (stack = []))
    return stack
  }
}
