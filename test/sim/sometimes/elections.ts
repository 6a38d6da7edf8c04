import type { Message, NodeId, Role, Term } from '../../../src/raft/mod.ts'
import type { SimNode } from '../node.ts'
import type { Invariant, Scene } from '../observer.ts'

interface Seen {
  boot: number
  role: Role
  term: Term
}

/** Situations of leaders and votes; asserts nothing. */
export class ElectionSituations implements Invariant {
  readonly #scene: Scene
  readonly #seen = new Map<NodeId, Seen>()
  readonly #ledTerms = new Set<Term>()
  /** Whom the leader of a term told to take over. */
  readonly #targets = new Map<Term, NodeId>()
  /** The newest term in which a node cast its vote. */
  readonly #cast = new Map<NodeId, Term>()
  /** The newest term that a node gave to its disk. */
  readonly #written = new Map<NodeId, Term>()
  readonly #served = new Map<NodeId, Term>()

  constructor(scene: Scene) {
    this.#scene = scene
  }

  started(node: SimNode): void {
    const { role, term } = node.raft
    this.#seen.set(node.id, { boot: node.boot, role, term })
    if (term < (this.#written.get(node.id) ?? 0)) {
      this.#scene.sometimes.met('a term or vote was lost with the power')
    }
    this.#written.set(node.id, term)
  }

  wiped(node: SimNode): void {
    this.#written.delete(node.id)
  }

  writing(node: SimNode, { hardState }: { readonly hardState: { term: Term } | null }): void {
    if (hardState !== null) this.#written.set(node.id, hardState.term)
  }

  died(node: SimNode): void {
    const { sometimes, nodes } = this.#scene
    const { term, votedFor } = node.view.hardState
    if (votedFor !== null && (this.#cast.get(node.id) ?? 0) < term && nodes.length > 1) {
      sometimes.met('a vote was durable, and its node dead before it was cast')
    }
    const hasId = node.replica.identity.clusterId !== null
    if (node === nodes[0] && hasId && node.view.durable === 0) {
      sometimes.met('the founder died between the id and the durable first entry')
    }
  }

  sending(node: SimNode, message: Message): void {
    const { sometimes } = this.#scene
    if (message.type === 'timeout_now') this.#targets.set(message.term, message.to)
    if (message.type === 'vote_request' && !message.preVote) this.#cast.set(node.id, message.term)
    if (message.type !== 'vote_response') return
    if (!message.preVote && message.granted) this.#cast.set(node.id, message.term)
    if (!message.granted && message.preVote && message.term === node.raft.term) {
      sometimes.met('a candidate with an older log was refused')
    }
  }

  receiving(node: SimNode, message: Message): void {
    const { sometimes } = this.#scene
    const { role, term, leader } = node.raft
    if (message.type === 'vote_request' && message.preVote && !message.transfer) {
      if (message.term > term && role === 'follower' && leader !== null) {
        sometimes.met('a pre-vote came inside a promise')
      }
    }
    if (message.type === 'vote_response' && message.granted && message.term < term) {
      sometimes.met('a vote of an older term came late')
    }
  }

  stepped(node: SimNode): void {
    const { role, term } = node.raft
    const seen = this.#seen.get(node.id)
    if (seen === undefined) return
    if (role === 'leader' && seen.role === 'leader' && this.#served.get(node.id) !== term) {
      this.#beganToServe(node)
    }
    if (seen.role === role && seen.term === term) return
    if (seen.role === 'leader') this.#stoodDown(node, seen)
    seen.role = role
    seen.term = term
    if (role === 'leader') this.#elected(node)
  }

  #beganToServe(node: SimNode): void {
    const { raft } = node
    if (!raft.hasCommittedInTerm) return
    this.#served.set(node.id, raft.term)
    const leases = this.#scene.history.model.leases(raft.committed)
    const carried = leases.some(({ suspectMs, lapsed }) => suspectMs !== null && !lapsed)
    if (carried) this.#scene.sometimes.met('a suspect lease went over to another leader')
  }

  #stoodDown(node: SimNode, before: Seen): void {
    const { sometimes, world } = this.#scene
    const { term } = node.raft
    if (term > before.term) {
      if (this.#targets.has(before.term)) return // It asked for that.
      sometimes.met('a leader was deposed by a newer term')
    } else if (this.#targets.has(term)) sometimes.met('a transfer failed')
    else if (node.diskStalledUntilMs > world.nowMs) {
      sometimes.met('a leader with a hung disk stood down')
    } else sometimes.met('a leader that no majority answered stood down')
  }

  #elected(node: SimNode): void {
    const { sometimes } = this.#scene
    const { term } = node.raft
    if (this.#targets.get(term - 1) === node.id) sometimes.met('a transfer succeeded')
    if (term > 2 && !this.#ledTerms.has(term - 1)) sometimes.met('a term had no leader')
    this.#ledTerms.add(term)
  }
}
