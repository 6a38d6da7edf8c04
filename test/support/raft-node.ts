/** Builders for tests of the core: nodes in a given state, and messages as their peers send them. */
import { assert } from '../../src/lib/assert.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import {
  LAN,
  Raft,
  raftConfig,
  type Answer,
  type Append,
  type AppendResponse,
  type Entry,
  type Input,
  type LogIndex,
  type Membership,
  type Message,
  type NodeId,
  type RaftConfig,
  type RequestId,
  type Term,
  type VoteRequest,
  type VoteResponse,
} from '../../src/raft/mod.ts'
import { RaftDisk } from './raft-disk.ts'

export const HEARTBEAT_MS = LAN.heartbeatMs
/** Also P, what a voter promises. */
export const ELECTION_MIN_MS = LAN.electionMinMs
export const ELECTION_MAX_MS = LAN.electionMaxMs

export const incarnationOf = (id: NodeId): string => `${id}-1`

export function membershipOf(
  voters: readonly NodeId[],
  more: {
    readonly outgoing?: readonly NodeId[]
    readonly learners?: readonly NodeId[]
    readonly wanted?: Membership['wanted']
    /** Of those that vote or learn. */
    readonly witnesses?: readonly NodeId[]
  } = {},
): Membership {
  const { outgoing = null, learners = [], wanted = null, witnesses = [] } = more
  const ids = [...new Set([...voters, ...(outgoing ?? []), ...learners])].sort()
  return {
    members: ids.map((id) => ({
      id,
      incarnation: incarnationOf(id),
      url: `http://${id}:7100`,
      witness: witnesses.includes(id),
    })),
    voters: [...voters].sort(),
    outgoing: outgoing === null ? null : [...outgoing].sort(),
    learners: [...learners].sort(),
    wanted,
  }
}

/** One command each; equal (term, index) gives equal entries, as in one history. */
export function entriesOf(terms: readonly Term[], from: LogIndex = 1): Entry[] {
  return terms.map((term, i) => entryOf(term, from + i))
}

export function entryOf(term: Term, index: LogIndex): Entry {
  return {
    type: 'command',
    term,
    index,
    clusterMs: index * 10,
    wallMs: 0,
    data: utf8(`${term}.${index}`),
  }
}

interface NodeOptions {
  readonly voters?: readonly NodeId[]
  readonly membership?: Membership | null
  readonly term?: Term
  readonly votedFor?: NodeId | null
  readonly promiseMs?: number
  /** The terms of the log's entries, all durable. */
  readonly log?: readonly Term[]
  readonly applied?: LogIndex
  readonly config?: Partial<RaftConfig>
}

/**
 * A core with a disk and clocks of its own. Writes are durable at once unless `holdsWrites` is
 * set; what leaves the node is gathered in `sent`, `answers` and `applied`.
 */
export class TestNode {
  readonly id: NodeId
  readonly disk: RaftDisk
  readonly #options: NodeOptions
  raft: Raft
  nowMs = 1_000
  wallMs = 1_700_000_000_000
  /** Writes stay under way until `persist` is called. */
  holdsWrites = false
  #sent: Message[] = []
  #answers: Answer[] = []
  readonly applied: Entry[] = []

  constructor(id: NodeId, options: NodeOptions) {
    this.id = id
    this.#options = options
    const { term = 0, votedFor = null, promiseMs = 0, log = [] } = options
    const lastTerm = log.at(-1) ?? 0
    this.disk = new RaftDisk(
      { term: Math.max(term, lastTerm), votedFor, promiseMs },
      entriesOf(log),
    )
    this.raft = this.#boot()
  }

  #boot(): Raft {
    const { voters = ['a', 'b', 'c'], applied = 0, config = {} } = this.#options
    const { membership = membershipOf(voters) } = this.#options
    return new Raft(
      // Every draw is the lowest: the election timeout is the minimum, unless a test says so.
      raftConfig({
        commitNoticeMs: 0, // At once, so that no test has to wait for it.
        id: this.id,
        incarnation: incarnationOf(this.id),
        random: () => 0,
        ...config,
      }),
      {
        hardState: this.disk.hardState,
        log: this.disk.stored(),
        applied,
        clusterMs: applied * 10,
        memberships: membership === null ? [] : [{ index: 0, membership }],
        clock: { nowMs: this.nowMs, wallMs: this.wallMs },
      },
    )
  }

  get clock(): { readonly nowMs: number; readonly wallMs: number } {
    return { nowMs: this.nowMs, wallMs: this.wallMs }
  }

  /** What remains of the lease now. */
  get leaseMs(): number {
    return this.raft.leaseRemainingMs(this.clock)
  }

  /** How old the applied state is now; null where nobody ever vouched for it. */
  get stalenessMs(): number | null {
    return this.raft.stalenessMs(this.clock)
  }

  /** The process ends, without what was not durable, and starts again. */
  restart(kept = 0): void {
    this.disk.crash(kept)
    this.#sent = []
    this.#answers = []
    this.raft = this.#boot()
  }

  step(...inputs: readonly Input[]): this {
    for (const input of inputs) this.raft.step(input, this.clock)
    this.drain()
    return this
  }

  receive(...messages: readonly Message[]): this {
    return this.step(...messages.map((message) => ({ type: 'message', message }) as const))
  }

  propose(id: RequestId, given: { readonly text?: string; readonly own?: boolean } = {}): this {
    const { text = `command ${id}`, own = false } = given
    return this.step({ type: 'propose', id, data: utf8(text), own })
  }

  read(id: RequestId): this {
    return this.step({ type: 'read_index', id })
  }

  /** Both clocks go on, then a tick. */
  elapse(ms: number): this {
    this.nowMs += ms
    this.wallMs += ms
    return this.step({ type: 'tick' })
  }

  /** The oldest `count` writes become durable, all by default. */
  persist(count = this.disk.pending.length): this {
    return this.step({ type: 'persisted', write: this.disk.complete(count) })
  }

  drain(): void {
    for (let ready = this.raft.takeReady(); ready !== null; ready = this.raft.takeReady()) {
      this.#sent.push(...ready.messages)
      this.#answers.push(...ready.answers)
      if (ready.write !== null) {
        this.disk.write(ready.write)
        if (!this.holdsWrites) {
          const write = this.disk.complete(this.disk.pending.length)
          this.raft.step({ type: 'persisted', write }, this.clock)
        }
      }
      const index = ready.committed.at(-1)?.index
      if (index === undefined) continue
      this.applied.push(...ready.committed)
      this.raft.step({ type: 'applied', index }, this.clock)
    }
  }

  /** What was sent since the last call. */
  takeSent(): Message[] {
    const sent = this.#sent
    this.#sent = []
    return sent
  }

  /** The same, of one type. */
  takeSentOf<T extends Message['type']>(type: T): Extract<Message, { type: T }>[] {
    return this.takeSent().filter((m): m is Extract<Message, { type: T }> => m.type === type)
  }

  takeAnswers(): Answer[] {
    const answers = this.#answers
    this.#answers = []
    return answers
  }

  /** The terms of the whole log, as the core sees it. */
  get logTerms(): (Term | null)[] {
    return Array.from({ length: this.raft.last }, (_, i) => this.raft.termAt(i + 1))
  }
}

/** A follower without a leader, in the given state. */
export function nodeAt(id: NodeId, options: NodeOptions = {}): TestNode {
  return new TestNode(id, options)
}

/** A node whose election timeout has passed: it asks for pre-votes. */
export function preCandidateAt(id: NodeId, options: NodeOptions = {}): TestNode {
  const node = nodeAt(id, options)
  node.elapse(Math.max(0, node.raft.nextTickMs - node.nowMs))
  return node
}

/** A node that won the pre-vote and campaigns in the next term. */
export function candidateAt(id: NodeId, options: NodeOptions = {}): TestNode {
  const node = preCandidateAt(id, options)
  grantAll(node, 'pre_candidate')
  return node
}

/** A node that was elected in the term after `options.term`; its no-op is on the way. */
export function leaderAt(id: NodeId, options: NodeOptions = {}): TestNode {
  const node = candidateAt(id, options)
  grantAll(node, 'candidate')
  assert(node.raft.role === 'leader', 'all votes make a leader')
  return node
}

/** The same, and every peer has acknowledged its no-op. */
export function settledLeaderAt(id: NodeId, options: NodeOptions = {}): TestNode {
  const node = leaderAt(id, options)
  acknowledgeAll(node)
  assert(node.raft.hasCommittedInTerm, 'a no-op that all have is committed')
  return node
}

function grantAll(node: TestNode, during: 'pre_candidate' | 'candidate'): void {
  for (const request of node.takeSentOf('vote_request')) {
    if (node.raft.role !== during) continue
    node.receive(voteResponse({ ...replyTo(request), preVote: request.preVote }))
  }
}

/** Answers every append that is out the way a peer with the same log and a fast disk does. */
export function acknowledgeAll(node: TestNode, from?: readonly NodeId[]): void {
  for (let sent = node.takeSent(); sent.length > 0; sent = node.takeSent()) {
    for (const message of sent) {
      if (message.type !== 'append' || !(from?.includes(message.to) ?? true)) continue
      if (node.raft.role === 'leader') node.receive(ackOf(message))
    }
  }
}

/** Delivers what `nodes` send each other until nobody says anything more. */
export function exchange(nodes: readonly TestNode[]): void {
  for (let quiet = false; !quiet;) {
    const messages = nodes.flatMap((node) => node.takeSent())
    quiet = messages.length === 0
    for (const message of messages) nodes.find(({ id }) => id === message.to)?.receive(message)
  }
}

type Given<M extends Message> = Partial<Omit<M, 'type'>> & Pick<M, 'from' | 'to' | 'term'>

/** Who answers `message`, to whom, in its term. */
export function replyTo(message: Message): Pick<Message, 'from' | 'to' | 'term'> {
  return { from: message.to, to: message.from, term: message.term }
}

export function voteRequest(given: Given<VoteRequest>): VoteRequest {
  return {
    type: 'vote_request',
    incarnation: incarnationOf(given.from),
    preVote: false,
    lastTerm: 0,
    lastIndex: 0,
    transfer: false,
    ...given,
  }
}

export function voteResponse(given: Given<VoteResponse>): VoteResponse {
  return {
    type: 'vote_response',
    incarnation: incarnationOf(given.from),
    preVote: false,
    granted: true,
    ...given,
  }
}

export function append(given: Given<Append>): Append {
  return {
    type: 'append',
    incarnation: incarnationOf(given.from),
    prevIndex: 0,
    prevTerm: 0,
    entries: [],
    commit: 0,
    round: 1,
    promiseMs: ELECTION_MIN_MS,
    heardRound: 0,
    confirmedAgeMs: null,
    ...given,
  }
}

export function appendResponse(given: Given<AppendResponse>): AppendResponse {
  return {
    type: 'append_response',
    incarnation: incarnationOf(given.from),
    round: 1,
    result: { ok: true, match: 0 },
    ...given,
  }
}

/** The acknowledgement of all that `message` covers. */
export function ackOf(message: Append): AppendResponse {
  const match = message.prevIndex + message.entries.length
  return appendResponse({
    ...replyTo(message),
    round: message.round,
    result: { ok: true, match },
  })
}
