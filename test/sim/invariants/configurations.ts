import { decodeMembership } from '../../../src/raft/mod.ts'
import type { Entry, LogIndex, LogWrite, Membership, NodeId } from '../../../src/raft/mod.ts'
import type { SimNode } from '../node.ts'
import type { Invariant } from '../observer.ts'
import type { History } from '../oracle/history.ts'
import type { LogMatching } from './log-matching.ts'

/** Passed on as bytes, so that each is decoded once for all nodes that hold it. */
const decoded = new WeakMap<Uint8Array, Membership>()

export function membershipOf({ data }: Entry): Membership {
  let membership = decoded.get(data)
  if (membership === undefined) decoded.set(data, (membership = decodeMembership(data)))
  return membership
}

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
      const entry = this.#log.entry(index, view.termAt(index) ?? 0)
      push(stack, entry)
    }
    this.#stacks.set(node.id, stack)
  }

  writing(node: SimNode, { entries }: LogWrite): void {
    const first = entries[0]
    if (first === undefined) return
    const stack = this.#of(node)
    while ((stack.at(-1)?.index ?? 0) >= first.index) stack.pop()
    for (const entry of entries) push(stack, entry)
  }

  /** The log is that of the committed history, up to there. */
  installing(node: SimNode, last: LogIndex): void {
    const stack: Placed[] = []
    for (const { entry } of this.#history.entries.slice(0, last)) push(stack, entry)
    this.#stacks.set(node.id, stack)
  }

  #of(node: SimNode): Placed[] {
    let stack = this.#stacks.get(node.id)
    if (stack === undefined) this.#stacks.set(node.id, (stack = []))
    return stack
  }
}

function push(stack: Placed[], entry: Entry): void {
  if (entry.type === 'membership') {
    stack.push({ index: entry.index, membership: membershipOf(entry) })
  }
}
