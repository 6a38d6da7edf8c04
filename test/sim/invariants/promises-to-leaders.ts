import type {
  Append,
  AppendResponse,
  Message,
  NodeId,
  Term,
  VoteRequest,
  VoteResponse,
} from '../../../src/raft/mod.ts'
import type { SimNode } from '../node.ts'
import type { Invariant, Scene } from '../observer.ts'
import { insist } from '../violation.ts'
import type { Configurations } from './configurations.ts'
import { isMajority, type Yes } from './election-safety.ts'

interface Voter {
  /** No vote is given before this, on the node's monotonic clock. */
  untilMs: number
  /**
   * By request, as `candidate term kind`: when what was promised at its arrival ends. What is
   * promised later does not take a vote back that waits for the disk.
   */
  readonly freeMs: Map<string, number>
  /** By leader, and its rounds: until when an append binds, once it is acknowledged. */
  readonly asked: Map<NodeId, Map<number, number>>
}

/** An acknowledgement comes within a second or not at all, but for a disk that hangs. */
const ASKED_MAX = 2_000

const keyOf = (candidate: NodeId, { term, preVote }: VoteRequest | VoteResponse): string =>
  `${candidate} ${term} ${preVote}`

/** One of a leader's rounds: there are fewer than 2²⁴ of them in a term. */
const roundOf = ({ term, round }: Append | AppendResponse): number => term * 0x100_0000 + round

/**
 * A voter keeps its promise: for as long as a leader asked, from the hearing of what it has
 * acknowledged, it grants neither vote nor pre-vote, restarts included; the leader lease rests on
 * that (DESIGN §6, Thesis §4.2.3, §6.4.1; scenarios 8, 9, 44). Only a transfer passes.
 */
export class PromiseKept implements Invariant {
  readonly #scene: Scene
  readonly #voters = new Map<NodeId, Voter>()

  constructor(scene: Scene) {
    this.#scene = scene
  }

  started(node: SimNode): void {
    const untilMs = this.#nowMs(node) + node.view.hardState.promiseMs
    this.#voters.set(node.id, { untilMs, freeMs: new Map(), asked: new Map() })
  }

  receiving(node: SimNode, message: Message): void {
    const voter = this.#voters.get(node.id)
    if (voter === undefined) return
    if (message.type === 'append') this.#asked(node, voter, message)
    if (message.type !== 'vote_request') return
    const key = keyOf(message.from, message)
    const freeMs = message.transfer ? 0 : voter.untilMs
    voter.freeMs.set(key, Math.min(freeMs, voter.freeMs.get(key) ?? Infinity))
  }

  #asked(node: SimNode, { asked }: Voter, append: Append): void {
    const round = roundOf(append)
    let rounds = asked.get(append.from)
    if (rounds === undefined) asked.set(append.from, (rounds = new Map()))
    if (rounds.has(round)) return // Doubled on its way, or one of several: the first binds least.
    if (rounds.size >= ASKED_MAX) rounds.clear()
    rounds.set(round, this.#nowMs(node) + append.promiseMs)
  }

  sending(node: SimNode, message: Message): void {
    const voter = this.#voters.get(node.id)
    if (voter === undefined) return
    if (message.type === 'append_response') {
      // In a newer term it is a refusal, and promises nothing.
      const untilMs = voter.asked.get(message.to)?.get(roundOf(message)) ?? 0
      voter.untilMs = Math.max(voter.untilMs, untilMs)
    }
    if (message.type !== 'vote_response' || !message.granted) return
    const nowMs = this.#nowMs(node)
    const freeMs = voter.freeMs.get(keyOf(message.to, message)) ?? Infinity
    insist(
      nowMs >= freeMs,
      'a voter keeps its promise',
      () =>
        `${node.id} grants ${message.preVote ? 'a pre-vote' : 'a vote'} of term ${message.term} to ` +
        `${message.to}, ${(freeMs - nowMs).toFixed(3)} ms early`,
    )
  }

  #nowMs(node: SimNode): number {
    return node.clock.mono(this.#scene.world.nowMs)
  }
}

/**
 * Nobody raises the term before a majority said that it could win (Thesis §9.6), but for whom the
 * leader told to take over.
 */
export class PreVoteFirst implements Invariant {
  readonly #configurations: Configurations
  /** By node: the term that was asked for, and who granted it. */
  readonly #granted = new Map<NodeId, { term: Term; from: Map<NodeId, string> }>()

  constructor(configurations: Configurations) {
    this.#configurations = configurations
  }

  started(node: SimNode): void {
    this.#granted.delete(node.id)
  }

  receiving(node: SimNode, message: Message): void {
    if (message.type !== 'vote_response' || !message.preVote || !message.granted) return
    let granted = this.#granted.get(node.id)
    if (granted === undefined || granted.term < message.term) {
      granted = { term: message.term, from: new Map() }
      this.#granted.set(node.id, granted)
    }
    if (granted.term === message.term) granted.from.set(message.from, message.incarnation)
  }

  sending(node: SimNode, message: Message): void {
    if (message.type !== 'vote_request' || message.preVote || message.transfer) return
    const granted = this.#granted.get(node.id)
    const from: Yes = granted?.term === message.term ? granted.from : new Map()
    insist(
      isMajority(this.#configurations, node, from),
      'a term is raised after a pre-vote alone',
      () =>
        `${node.id} raises the term to ${message.term}: only ${[...from.keys()].join(' ')} agreed`,
    )
  }
}
