import type { LogIndex, Membership, Message, NodeId, Term } from '../../../src/raft/mod.ts'
import type { Committed } from '../oracle/history.ts'
import type { SimNode } from '../node.ts'
import type { Invariant, Scene } from '../observer.ts'
import { insist } from '../violation.ts'

/** What a leader can know of one data voter; all times are of the leader's monotonic clock. */
interface Seen {
  heardMs: number
  match: LogIndex
  /** When it was last seen to be late. */
  lateMs: number
}

interface Leading {
  readonly boot: number
  readonly term: Term
  readonly voters: Map<NodeId, Seen>
  /** The end of the log at moments past, ascending: what is old enough to be held by everybody. */
  readonly ends: { readonly atMs: number; readonly last: LogIndex }[]
}

/** A voter that was late is excused for so many times the patience that made it late. */
const EXCUSED = 3

/**
 * The rule for witnesses (DESIGN §7, scenario 59). An entry is sent to a witness only when its
 * leader and every data voter hold it durably, but for those that were late of late: silent, or
 * lacking for an election timeout what the leader had. So what is committed is on a majority of
 * data nodes, or on all of those that kept up. And a witness never stands for election.
 *
 * Judged from outside, by messages and disks; who is back in step is for the leader to say.
 */
export class WitnessesComeLast implements Invariant {
  readonly #scene: Scene
  readonly #leading = new Map<NodeId, Leading>()
  /** A membership never changes: it is asked after every step. */
  readonly #voters = new WeakMap<Membership, readonly SimNode[]>()

  constructor(scene: Scene) {
    this.#scene = scene
  }

  receiving(node: SimNode, message: Message): void {
    if (message.type !== 'append_response') return
    const leading = this.#leading.get(node.id)
    if (leading?.term !== message.term) return
    const seen = leading.voters.get(message.from)
    if (seen === undefined) return
    seen.heardMs = this.#nowMs(node)
    if (message.result.ok) seen.match = Math.max(seen.match, message.result.match)
  }

  stepped(node: SimNode): void {
    if (this.#scene.plan.witnesses === 0) return
    if (node.isWitness) {
      insist(node.raft.role === 'follower', 'a witness never leads', () => `${node.id} campaigns`)
    } else if (node.raft.role === 'leader') this.#look(node)
  }

  sending(node: SimNode, message: Message): void {
    if (this.#scene.plan.witnesses === 0 || message.type !== 'append') return
    const last = message.entries.at(-1)
    const to = this.#scene.nodes.find(({ id }) => id === message.to)
    if (last === undefined || to?.isWitness !== true) return
    insist(
      node.view.holdsDurably(last.index, last.term),
      'a witness is sent what its leader holds',
      () => `${node.id} sends ${to.id} up to ${last.index}, durable is ${node.view.durable}`,
    )
    const { voters } = this.#look(node)
    for (const other of this.#dataVoters(node)) {
      if (other === node || other.view.holdsDurably(last.index, last.term)) continue
      // It held that once, and has followed another since: who was deposed cannot know.
      if (other.view.hardState.term > node.raft.term) continue
      insist(
        this.#isExcused(node, voters.get(other.id)),
        'a witness is sent what every data voter holds',
        () => `${node.id} sends ${to.id} up to ${last.index}, which ${other.id} has not got yet`,
      )
    }
  }

  committed({ entry, by }: Committed): void {
    const { nodes, plan } = this.#scene
    if (plan.witnesses === 0) return
    const leader = nodes.find((node) => node.isUp && node.id === by && node.raft.role === 'leader')
    if (leader === undefined) return
    const holds = (node: SimNode): boolean => node.view.holdsDurably(entry.index, entry.term)
    const data = this.#dataVoters(leader)
    const { voters, outgoing } = leader.raft.membership ?? { voters: [], outgoing: null }
    const needed = Math.min((voters.length >> 1) + 1, ((outgoing ?? voters).length >> 1) + 1)
    const copies = data.filter(holds).length
    const missing = data.filter((node) => !holds(node))
    const seen = this.#look(leader).voters
    insist(
      copies >= needed || missing.every(({ id }) => this.#isExcused(leader, seen.get(id))),
      'committed means held by all data voters that keep up',
      () => `(${entry.term}, ${entry.index}) is on ${copies} of ${data.length} data voters`,
    )
    if (copies < needed) this.#scene.sometimes.met('an entry was committed by a witness')
  }

  #dataVoters(leader: SimNode): readonly SimNode[] {
    const { membership } = leader.raft
    if (membership === null) return []
    let known = this.#voters.get(membership)
    if (known === undefined) this.#voters.set(membership, (known = this.#dataVotersOf(membership)))
    return known
  }

  #dataVotersOf({ voters, outgoing, learners }: Membership): readonly SimNode[] {
    const old = (outgoing ?? []).filter((id) => !learners.includes(id))
    const ids = new Set([...voters, ...old])
    return this.#scene.nodes.filter((node) => !node.isWitness && ids.has(node.id))
  }

  /** Notes who is late just now. */
  #look(node: SimNode): Leading {
    const { term, last } = node.raft
    const nowMs = this.#nowMs(node)
    let leading = this.#leading.get(node.id)
    if (leading === undefined || leading.boot !== node.boot || leading.term !== term) {
      leading = { boot: node.boot, term, voters: new Map(), ends: [] }
      this.#leading.set(node.id, leading)
    }
    const { ends, voters } = leading
    if (ends.at(-1)?.last !== last) ends.push({ atMs: nowMs, last })
    const oldMs = nowMs - this.#scene.electionMinMs
    while ((ends[1]?.atMs ?? Infinity) <= oldMs) ends.shift()
    const first = ends[0]
    const due = first !== undefined && first.atMs <= oldMs ? first.last : 0
    const data = this.#dataVoters(node)
    // Who was a learner meanwhile may have been late as one.
    for (const id of voters.keys()) if (!data.some((voter) => voter.id === id)) voters.delete(id)
    for (const { id } of data) {
      const seen = voters.get(id)
      // Of whom nothing was heard yet the leader may have known that it is gone.
      if (seen === undefined) voters.set(id, { heardMs: nowMs, match: 0, lateMs: nowMs })
      else if (seen.heardMs <= oldMs || seen.match < due) seen.lateMs = nowMs
    }
    return leading
  }

  #isExcused(leader: SimNode, seen: Seen | undefined): boolean {
    if (seen === undefined) return true
    return this.#nowMs(leader) - seen.lateMs <= EXCUSED * this.#scene.electionMinMs
  }

  #nowMs(node: SimNode): number {
    return node.clock.mono(this.#scene.world.nowMs)
  }
}
