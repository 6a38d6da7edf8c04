import type { Message, NodeId, Term } from '../../../src/raft/mod.ts'
import type { SimNode } from '../node.ts'
import type { Invariant, Scene } from '../observer.ts'
import { insist } from '../violation.ts'
import type { Configurations } from './configurations.ts'
import { haveMajority, incarnationIn } from './quorums.ts'

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

  leading(node: SimNode): void {
    const { term } = node.raft
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

/** Who said yes to a node, and as which incarnation: a stranger under an old name does not count. */
export type Yes = ReadonlyMap<NodeId, string>

/** Whether a node and those who said yes to it are a majority of each of its configurations. */
export function isMajority(configurations: Configurations, node: SimNode, yes: Yes): boolean {
  const membership = configurations.current(node)?.membership
  if (membership === undefined) return false
  return haveMajority(membership, (id) => {
    return id === node.id || (yes.has(id) && yes.get(id) === incarnationIn(membership, id))
  })
}

/**
 * Whoever leads a term was given the votes of a majority in that very term (Raft §5.2): those of
 * an older one count for nothing, however late they come (Xraft#33, scenario 5).
 */
export class ElectedByMajority implements Invariant {
  readonly #configurations: Configurations
  /** By node: the newest term in which it was given votes, and by whom. */
  readonly #votes = new Map<NodeId, { term: Term; from: Map<NodeId, string> }>()
  readonly #checked = new Map<NodeId, Term>()

  constructor(configurations: Configurations) {
    this.#configurations = configurations
  }

  started(node: SimNode): void {
    this.#votes.delete(node.id)
  }

  receiving(node: SimNode, message: Message): void {
    if (message.type !== 'vote_response' || message.preVote || !message.granted) return
    let votes = this.#votes.get(node.id)
    if (votes === undefined || votes.term < message.term) {
      votes = { term: message.term, from: new Map() }
      this.#votes.set(node.id, votes)
    }
    if (votes.term === message.term) votes.from.set(message.from, message.incarnation)
  }

  leading(node: SimNode): void {
    const { term } = node.raft
    if (this.#checked.get(node.id) === term) return
    this.#checked.set(node.id, term)
    const votes = this.#votes.get(node.id)
    const from: Yes = votes?.term === term ? votes.from : new Map()
    insist(
      isMajority(this.#configurations, node, from),
      'a leader has the votes of a majority',
      () => `${node.id} leads term ${term} by itself and ${[...from.keys()].join(' ')}`,
    )
  }
}
