import { tally } from '../../../src/raft/quorum.ts'
import type { Message, NodeId, Term } from '../../../src/raft/mod.ts'
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

/** Whether a node and those who said yes to it are a majority of each of its configurations. */
export function isMajority(node: SimNode, from: ReadonlySet<NodeId>): boolean {
  const { membership } = node.raft
  if (membership === null) return false
  return tally(membership, new Map([node.id, ...from].map((id) => [id, true]))) === 'won'
}

/**
 * Whoever leads a term was given the votes of a majority in that very term (Raft §5.2): those of
 * an older one count for nothing, however late they come (Xraft#33, scenario 5).
 */
export class ElectedByMajority implements Invariant {
  /** By node: the newest term in which it was given votes, and by whom. */
  readonly #votes = new Map<NodeId, { term: Term; from: Set<NodeId> }>()
  readonly #checked = new Map<NodeId, Term>()

  started(node: SimNode): void {
    this.#votes.delete(node.id)
  }

  receiving(node: SimNode, message: Message): void {
    if (message.type !== 'vote_response' || message.preVote || !message.granted) return
    let votes = this.#votes.get(node.id)
    if (votes === undefined || votes.term < message.term) {
      votes = { term: message.term, from: new Set() }
      this.#votes.set(node.id, votes)
    }
    if (votes.term === message.term) votes.from.add(message.from)
  }

  stepped(node: SimNode): void {
    const { role, term } = node.raft
    if (role !== 'leader' || this.#checked.get(node.id) === term) return
    this.#checked.set(node.id, term)
    const votes = this.#votes.get(node.id)
    const from = votes?.term === term ? votes.from : new Set<NodeId>()
    insist(
      isMajority(node, from),
      'a leader has the votes of a majority',
      () => `${node.id} leads term ${term} by itself and ${[...from].join(' ')}`,
    )
  }
}
