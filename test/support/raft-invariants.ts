/**
 * What must hold in every state of a cluster of cores, whatever fails (Raft figure 3; RELIABILITY
 * 2.0). Looks at the nodes from outside and at their durable disks, and remembers across restarts.
 */
import type { Entry, EntryId, LogIndex, Message, NodeId, Raft, Term } from '../../src/raft/mod.ts'
import type { RaftDisk } from './raft-disk.ts'

export class Violation extends Error {
  override readonly name = 'Violation'
}

function check(condition: boolean, property: string, facts: () => string): void {
  if (!condition) throw new Violation(`${property}: ${facts()}`)
}

/** One node as the checker sees it. */
export interface Observed {
  readonly id: NodeId
  readonly disk: RaftDisk
  /** Null while its process is down. */
  readonly raft: Raft | null
  /** What remains of its lease at this moment, on its own clock. */
  leaseMs(): number
}

interface Committed {
  readonly term: Term
  /** The term of the leader that committed it. */
  readonly by: Term
}

/** What a live process may not go back on; forgotten when it ends. */
interface Seen {
  readonly raft: Raft
  term: Term
  committed: LogIndex
  isLeader: boolean
}

export class RaftInvariants {
  readonly #nodes: readonly Observed[]
  readonly #leaders = new Map<Term, NodeId>()
  readonly #votes = new Map<string, NodeId>()
  /** Every entry ever appended anywhere: `term.index` → its predecessor's term, and its bytes. */
  readonly #entries = new Map<string, { readonly prevTerm: Term; readonly data: string }>()
  readonly #seen = new Map<NodeId, Seen>()
  /** Committed somewhere; entry `index` stands at `index - 1`. */
  readonly #committed: Committed[] = []
  readonly #durableTerms = new Map<NodeId, Term>()
  readonly #lost: { readonly id: NodeId; readonly disk: RaftDisk }[] = []

  constructor(nodes: readonly Observed[]) {
    this.#nodes = nodes
  }

  /** The last index that any node knows to be committed. */
  get committed(): LogIndex {
    return this.#committed.length
  }

  /** A disk was lost: who starts with an empty one is somebody else, and promised nothing. */
  wiped({ id, disk }: Observed): void {
    this.#lost.push({ id, disk })
    this.#durableTerms.delete(id)
    this.#seen.delete(id)
    for (const key of this.#votes.keys()) if (key.startsWith(`${id} in `)) this.#votes.delete(key)
  }

  /** After any input to `node`. */
  stepped(node: Observed): void {
    const { raft } = node
    if (raft === null) return
    let seen = this.#seen.get(node.id)
    if (seen?.raft !== raft) {
      const term = this.#durableTerms.get(node.id) ?? 0
      seen = { raft, term, committed: raft.applied, isLeader: false }
      this.#seen.set(node.id, seen)
    }
    check(raft.term >= seen.term, 'terms never decrease', () => `${node.id} at ${raft.term}`)
    seen.term = raft.term
    this.#pointers(node.id, raft, seen)
    if (raft.role === 'leader') this.#led(node.id, raft, seen.isLeader)
    seen.isLeader = raft.role === 'leader'
    this.#durableTerm(node)
    this.#leases()
  }

  #pointers(id: NodeId, raft: Raft, seen: Seen): void {
    const facts = () =>
      `${id}: ${raft.applied} ≤ ${raft.committed} ≤ ${raft.last}, ${raft.persisted} durable`
    check(raft.committed >= seen.committed, 'the commit index never decreases', facts)
    check(raft.committed <= raft.last, 'committed ≤ last', facts)
    check(raft.applied <= raft.committed, 'applied ≤ committed', facts)
    check(raft.applied <= raft.persisted, 'applied ≤ persisted', facts)
    for (let index = seen.committed + 1; index <= raft.committed; index++) {
      this.#commits(id, raft, index)
    }
    seen.committed = raft.committed
  }

  /** State Machine Safety, and: committed is what a majority holds durably, crashes or not. */
  #commits(id: NodeId, raft: Raft, index: LogIndex): void {
    const term = raft.termAt(index)
    check(term !== null, 'a committed entry is in the log', () => `${id} at ${index}`)
    const known = this.#committed[index - 1]
    if (known !== undefined) {
      check(
        known.term === term,
        'State Machine Safety (Raft §5.4.3)',
        () => `${id} commits term ${term} at ${index}, elsewhere it is term ${known.term}`,
      )
      return
    }
    this.#held(id, raft, { index, term: term as Term })
    this.#committed.push({ term: term as Term, by: raft.term })
  }

  /** Of every configuration in force where it was committed: both of them while joint. */
  #held(by: NodeId, raft: Raft, { index, term }: EntryId): void {
    if (raft.role !== 'leader') return // Who is told may be in a newer configuration by now.
    // An acknowledgement may arrive after the disk was lost that it was true of.
    const disks = [...this.#nodes, ...this.#lost]
    const ids = disks.filter(({ disk }) => disk.termAt(index) === term).map(({ id }) => id)
    const { voters = [], outgoing = null } = raft.membership ?? {}
    for (const configuration of [voters, outgoing ?? voters]) {
      const among = configuration.filter((voter) => ids.includes(voter))
      check(
        among.length > configuration.length / 2,
        'committed is durable on a majority (Raft §5.3, §6)',
        () => `${by} commits ${index} of term ${term} of ${configuration.join()}, held by ${ids}`,
      )
    }
  }

  #led(id: NodeId, raft: Raft, wasLeader: boolean): void {
    const { term } = raft
    const other = this.#leaders.get(term) ?? id
    check(other === id, 'Election Safety (Raft §5.2)', () => `${id} and ${other} lead ${term}`)
    this.#leaders.set(term, id)
    if (wasLeader) return
    for (const [at, committed] of this.#committed.entries()) {
      if (committed.by >= term) continue
      check(
        raft.termAt(at + 1) === committed.term,
        'Leader Completeness (Raft §5.4)',
        () => `${id} leads ${term} without entry ${at + 1} of term ${committed.term}`,
      )
    }
  }

  #durableTerm({ id, disk }: Observed): void {
    const { term } = disk.hardState
    check(term >= (this.#durableTerms.get(id) ?? 0), 'a stored term never regresses', () => id)
    this.#durableTerms.set(id, term)
  }

  /** Whoever may answer from its lease has seen all that anybody committed (DESIGN §6). */
  #leases(): void {
    for (const node of this.#nodes) {
      const { raft } = node
      if (raft === null || node.leaseMs() <= 0) continue
      check(
        raft.committed >= this.committed,
        'a lease never overlaps the commit of a later leader',
        () => `${node.id} in ${raft.term} at ${raft.committed}, others at ${this.committed}`,
      )
    }
  }

  /** Entries that `node` appended and hands to its disk. */
  appended(node: Observed, entries: readonly Entry[]): void {
    let prevTerm = node.raft?.termAt((entries[0]?.index ?? 1) - 1) ?? 0
    for (const entry of entries) {
      const key = `${entry.term}.${entry.index}`
      const data = `${entry.type} ${entry.clusterMs} ${entry.data.join()}`
      const known = this.#entries.get(key)
      if (known === undefined) this.#entries.set(key, { prevTerm, data })
      else {
        check(
          known.prevTerm === prevTerm && known.data === data,
          'Log Matching (Raft §5.3)',
          () => `${node.id} holds another ${key}`,
        )
      }
      prevTerm = entry.term
    }
  }

  /** A batch that the state machine of `node` applies. */
  applies(node: Observed, entries: readonly Entry[]): void {
    for (const { index, term } of entries) {
      check(
        this.#committed[index - 1]?.term === term,
        'State Machine Safety (Raft §5.4.3)',
        () => `${node.id} applies ${term}.${index}`,
      )
      check(
        node.disk.termAt(index) === term,
        'the database never runs ahead of the log',
        () => `${node.id} applies ${term}.${index}, which its disk does not hold`,
      )
    }
  }

  /** A message leaves `node`: whatever it says must survive a crash (Thesis §3.8). */
  sends(node: Observed, message: Message): void {
    const { hardState } = node.disk
    const facts = () => `${JSON.stringify(message)} over ${JSON.stringify(hardState)}`
    const isPreVote =
      (message.type === 'vote_request' || message.type === 'vote_response') && message.preVote
    if (isPreVote) return
    check(hardState.term >= message.term, 'a term is durable before it is named', facts)
    if (message.type === 'vote_request') this.#votesFor(node, message.term, node.id)
    if (message.type === 'vote_response' && message.granted) {
      this.#votesFor(node, message.term, message.to)
    }
    if (message.type !== 'append_response' || !message.result.ok) return
    const { match } = message.result
    check(hardState.promiseMs > 0, 'a promise is durable before it is made', facts)
    check(
      node.disk.termAt(match) !== null && node.disk.termAt(match) === node.raft?.termAt(match),
      'what is acknowledged is durable',
      facts,
    )
  }

  #votesFor({ id, disk }: Observed, term: Term, candidate: NodeId): void {
    check(
      disk.hardState.term > term || disk.hardState.votedFor === candidate,
      'a vote is durable before it is cast',
      () => `${id} for ${candidate} in ${term}`,
    )
    const key = `${id} in ${term}`
    const before = this.#votes.get(key) ?? candidate
    check(
      before === candidate,
      'one vote a term, restarts included (Raft §5.2)',
      () => `${key} for ${before} and ${candidate}`,
    )
    this.#votes.set(key, candidate)
  }
}
