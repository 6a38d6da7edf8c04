/**
 * Questions that every data member answers for itself, from what it alone knows: who is connected to
 * it, say. They are bytes here; the edge asks and the edge answers.
 *
 * Nobody is left out in silence: a member that was not asked or did not answer in time stands in the
 * result with the reason. One hop, nothing is asked twice, and a question changes nothing.
 */
import { assert } from '../../lib/assert.ts'
import type { PeerRequest } from '../../mesh/peer.ts'
import type { NodeId } from '../../raft/types.ts'
import type { Reply } from '../desk.ts'
import type { PeerLink } from '../ports.ts'

export interface MemberAnswer {
  readonly id: NodeId
  readonly answer: Uint8Array
}

export interface Survey {
  readonly answers: readonly MemberAnswer[]
  /** Who did not answer, and why, as a sentence. */
  readonly missing: readonly { readonly id: NodeId; readonly why: string }[]
}

/** Who knows such questions (DESIGN §1.7). */
const SINCE_CLUSTER_VERSION = 3
/** Apart from those of `LeaderCalls`, which count up from 1, and of `Joining`, from 2^48. */
const FIRST_ID = 2 ** 44
const LAST_ID = 2 ** 48
/** Open questions to members, over all surveys. */
const OPEN_MAX = 4_096

export interface SurveysHost {
  readonly self: NodeId
  /** Of the members that keep data, this node included. */
  members(): readonly NodeId[]
  links(): readonly PeerLink[]
  send(to: NodeId, id: number, request: PeerRequest): boolean
  setTimer(ms: number, run: () => void): () => void
}

interface Open {
  readonly of: NodeId
  readonly settle: (answer: Uint8Array | string) => void
}

export class Surveys {
  readonly #host: SurveysHost
  readonly #open = new Map<number, Open>()
  #nextId = FIRST_ID
  /** Answers for this node; null until its edge is there. */
  #edge: ((question: Uint8Array) => Uint8Array) | null = null

  constructor(host: SurveysHost) {
    this.#host = host
  }

  answerBy(edge: (question: Uint8Array) => Uint8Array): void {
    this.#edge = edge
  }

  /** Null: this node cannot tell. */
  answer(question: Uint8Array): Uint8Array | null {
    return this.#edge?.(question) ?? null
  }

  /** `done` is called once, at the latest after `timeoutMs`; null: too many are open. */
  ask(question: Uint8Array, timeoutMs: number, done: (survey: Survey | null) => void): void {
    const members = this.#host.members()
    if (this.#open.size + members.length > OPEN_MAX) return done(null)
    const answers: MemberAnswer[] = []
    const missing: { id: NodeId; why: string }[] = []
    let left = members.length
    const settle = (id: NodeId, answer: Uint8Array | string): void => {
      if (typeof answer === 'string') missing.push({ id, why: answer })
      else answers.push({ id, answer })
      left -= 1
      assert(left >= 0, 'a member answers once')
      if (left === 0) done({ answers: answers.sort(byId), missing: missing.sort(byId) })
    }
    if (left === 0) return done({ answers, missing })
    for (const id of members) {
      if (id === this.#host.self) settle(id, this.answer(question) ?? 'this node is starting')
      else this.#askPeer(id, { question, timeoutMs }, (answer) => settle(id, answer))
    }
  }

  #askPeer(
    to: NodeId,
    { question, timeoutMs }: { readonly question: Uint8Array; readonly timeoutMs: number },
    done: (answer: Uint8Array | string) => void,
  ): void {
    const link = this.#host.links().find(({ id }) => id === to)
    if (link === undefined || !link.connected) return done('it is not connected')
    if ((link.identity?.clusterVersionMax ?? 0) < SINCE_CLUSTER_VERSION) {
      return done('it runs an older program, which cannot tell')
    }
    const id = this.#nextId++
    if (!this.#host.send(to, id, { type: 'ask_edge', question })) {
      return done('its link is full')
    }
    const cancel = this.#host.setTimer(timeoutMs, () =>
      this.#settle(id, 'it did not answer in time'),
    )
    const settle = (answer: Uint8Array | string): void => {
      cancel()
      done(answer)
    }
    this.#open.set(id, { of: to, settle })
  }

  #settle(id: number, answer: Uint8Array | string): void {
    const open = this.#open.get(id)
    if (open === undefined) return
    this.#open.delete(id)
    open.settle(answer)
  }

  /** Whether it was an answer to us. */
  answered(from: NodeId, id: number, reply: Reply): boolean {
    if (id < FIRST_ID || id >= LAST_ID) return false
    if (this.#open.get(id)?.of !== from) return true // Too late: it was given up.
    this.#settle(id, reply.type === 'edge_answer' ? reply.answer : 'it cannot tell just now')
    return true
  }

  linkLost(peer: NodeId): void {
    for (const [id, { of }] of Array.from(this.#open)) {
      if (of === peer) this.#settle(id, 'its link was lost')
    }
  }

  stop(): void {
    for (const id of Array.from(this.#open.keys())) this.#settle(id, 'this node is stopping')
  }
}

function byId(x: { readonly id: string }, y: { readonly id: string }): number {
  return x.id < y.id ? -1 : 1
}
