import type { AppendResponse, Message, NodeId, Term } from '../../../src/raft/mod.ts'
import type { SimNode } from '../node.ts'
import type { Invariant, Scene } from '../observer.ts'
import { insist } from '../violation.ts'

const RULE = 'a message leaves after the state it implies is durable'

/**
 * Persist before you speak: a message is sent only after the state that it implies is durable
 * (RELIABILITY §2.0 (9), DESIGN §1.4, Raft figure 2 "Updated on stable storage before responding").
 * And an acknowledgement covers no more than what its append verified (CCF, scenario 20).
 */
export class DurableSpeech implements Invariant {
  readonly #scene: Scene

  constructor(scene: Scene) {
    this.#scene = scene
  }

  sending(node: SimNode, message: Message): void {
    const { term, votedFor } = node.view.hardState
    if ('preVote' in message && message.preVote) return // It promises nothing.
    insist(
      term >= message.term,
      RULE,
      () => `${node.id} says ${message.type} in term ${message.term}, durable is ${term}`,
    )
    const votes =
      message.type === 'vote_request' ||
      (message.type === 'vote_response' && message.granted) ||
      message.type === 'append'
    if (votes && term === message.term) {
      const whom = message.type === 'vote_response' ? message.to : node.id
      insist(
        votedFor === whom,
        RULE,
        () => `${node.id} says ${message.type} to ${message.to}, its durable vote is ${votedFor}`,
      )
    }
    if (message.type === 'append_response') this.#checkAcknowledgement(node, message)
  }

  #checkAcknowledgement(node: SimNode, response: AppendResponse): void {
    const { result, term, to, round } = response
    insist(
      // That of a snapshot is of no round: no lease rests on it.
      node.view.hardState.promiseMs >= this.#scene.electionMinMs || !result.ok || round === 0,
      RULE,
      () => `${node.id} acknowledges, its durable promise is ${node.view.hardState.promiseMs} ms`,
    )
    if (!result.ok) return
    const { match } = result
    insist(
      match <= node.view.durable,
      RULE,
      () => `${node.id} acknowledges up to ${match}, durable is ${node.view.durable}`,
    )
    const leader = this.#scene.nodes.find(({ id }) => id === to)
    if (leader === undefined || !leader.isUp || leader.raft.term !== term) return
    if (leader.raft.role !== 'leader' || match < leader.raft.compacted) return
    insist(
      leader.raft.termAt(match) === node.view.termAt(match),
      'an acknowledgement covers what was verified',
      () => `${node.id} acknowledges ${match} to ${to}, which holds another entry there`,
    )
  }
}

/** One vote a term, whatever crashes lie between (Raft §5.2); who lost its disk is somebody else. */
export class OneVoteATerm implements Invariant {
  readonly #votes = new Map<string, NodeId>()

  sending(_: SimNode, message: Message): void {
    if (message.type === 'vote_request' && !message.preVote) {
      this.#note(message, message.from)
    }
    if (message.type === 'vote_response' && !message.preVote && message.granted) {
      this.#note(message, message.to)
    }
  }

  #note({ from, incarnation, term }: Message, candidate: NodeId): void {
    const ballot = `${incarnation} ${term}`
    const known = this.#votes.get(ballot)
    this.#votes.set(ballot, candidate)
    insist(
      known === undefined || known === candidate,
      'one vote a term',
      () => `${from} votes in term ${term} for ${known} and for ${candidate}`,
    )
  }
}

/** A node's term never regresses, restarts included (RELIABILITY §2.0 (6), scenario 6). */
export class MonotonicTerm implements Invariant {
  /** The newest term in which a node said something. */
  readonly #said = new Map<NodeId, Term>()

  sending(node: SimNode, message: Message): void {
    if ('preVote' in message && message.preVote) return
    if (message.term > (this.#said.get(node.id) ?? 0)) this.#said.set(node.id, message.term)
  }

  wiped(node: SimNode): void {
    this.#said.delete(node.id)
  }

  started(node: SimNode): void {
    const said = this.#said.get(node.id) ?? 0
    insist(
      node.raft.term >= said,
      'terms never regress',
      () => `${node.id} comes back in term ${node.raft.term}, it spoke in ${said}`,
    )
  }
}
