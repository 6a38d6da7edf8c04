/**
 * What waits for the next turn. Proposals wait for company while a batch is on its way to a majority:
 * what a batch costs, in syncs, frames and wake-ups on every node, is more than what a few entries
 * cost, so large ones carry more writes, sooner. Where none is on its way, nothing waits.
 */
import type { Input, Raft } from '../raft/mod.ts'

/** So long at most, be the round trip long or the majority away. */
const GATHER_MS = 5
/** So much goes at once, whoever is busy. */
const GATHER_MAX = 512
const GATHER_BYTES_MAX = 256 * 1024

type Proposal = Extract<Input, { type: 'propose' }>

export interface InboxHost {
  readonly raft: Raft
  setTimer(ms: number, run: () => void): () => void
  turnSoon(): void
}

const NOTHING: readonly Input[] = []

export class Inbox {
  readonly #host: InboxHost
  #inputs: Input[] = []
  #proposals: Proposal[] = []
  #proposalBytes = 0
  #isLate = false
  #cancelTimer: (() => void) | null = null

  constructor(host: InboxHost) {
    this.#host = host
  }

  push(input: Input): void {
    if (input.type === 'propose') return this.#propose(input)
    this.#inputs.push(input)
    this.#host.turnSoon()
  }

  #propose(proposal: Proposal): void {
    this.#proposals.push(proposal)
    this.#proposalBytes += proposal.data.length
    if (this.#mayGo) return this.#host.turnSoon()
    this.#cancelTimer ??= this.#host.setTimer(GATHER_MS, () => {
      this.#isLate = true
      this.#host.turnSoon()
    })
  }

  get #mayGo(): boolean {
    const isMuch = this.#proposals.length >= GATHER_MAX || this.#proposalBytes >= GATHER_BYTES_MAX
    const { role, committed, last } = this.#host.raft
    return isMuch || this.#isLate || role !== 'leader' || committed === last
  }

  /** All but the proposals: what they say decides whether those wait on. */
  takeInputs(): readonly Input[] {
    if (this.#inputs.length === 0) return NOTHING
    const inputs = this.#inputs
    this.#inputs = []
    return inputs
  }

  takeProposals(): readonly Input[] {
    if (this.#proposals.length === 0 || !this.#mayGo) return NOTHING
    const proposals = this.#proposals
    this.#proposals = []
    this.#proposalBytes = 0
    this.#isLate = false
    this.#disarm()
    return proposals
  }

  /** Nothing is taken any more. */
  stop(): void {
    this.#disarm()
  }

  #disarm(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = null
  }
}
