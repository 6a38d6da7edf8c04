import type { Entry, NodeId } from '../../../src/raft/mod.ts'
import type { Committed, History } from '../oracle/history.ts'
import type { SimNode } from '../node.ts'
import type { Invariant, Scene } from '../observer.ts'
import { insist } from '../violation.ts'
import type { Configurations } from './configurations.ts'
import type { LogMatching } from './log-matching.ts'
import { configurationsOf, haveMajority, incarnationIn } from './quorums.ts'

/**
 * State Machine Safety: no two nodes commit or apply different entries at one index (Raft §5.4.3,
 * figure 3). The comparison itself is the history's; this feeds it, at every step, with all that a
 * node holds to be committed.
 *
 * And commitIndex and appliedIndex never regress while a process runs (RELIABILITY §2.0 (6)).
 */
export class StateMachineSafety implements Invariant {
  readonly #scene: Scene
  readonly #history: History
  readonly #log: LogMatching
  readonly #seen = new Map<string, { boot: number; committed: number; applied: number }>()

  constructor(scene: Scene, log: LogMatching) {
    this.#scene = scene
    this.#history = scene.history
    this.#log = log
  }

  started(node: SimNode): void {
    const { committed, applied } = node.raft
    this.#seen.set(node.id, { boot: node.boot, committed, applied })
  }

  applying(node: SimNode, entries: readonly Entry[]): void {
    for (const entry of entries) {
      insist(
        entry.index <= node.view.durable,
        'what is applied is durable here',
        () => `${node.id} applies ${entry.index}, durable is ${node.view.durable}`,
      )
      this.#history.commit(entry, node.id, node.raft.term, this.#scene.world.nowMs)
      const known = this.#history.at(entry.index)
      if (known !== null) known.appliedMs ??= this.#scene.world.nowMs
    }
  }

  stepped(node: SimNode): void {
    const seen = this.#seen.get(node.id)
    const { committed, applied } = node.raft
    if (seen === undefined || (committed === seen.committed && applied === seen.applied)) return
    insist(
      committed >= seen.committed && applied >= seen.applied && applied <= committed,
      'commit and applied index are monotonic',
      () =>
        `${node.id}: committed ${seen.committed} → ${committed}, applied ${seen.applied} → ${applied}`,
    )
    // Entries below the node's own database were compared when they were applied.
    for (let index = seen.committed + 1; index <= Math.min(committed, node.view.last); index++) {
      const term = node.view.termAt(index) ?? 0
      const entry = this.#log.entry(index, term)
      this.#history.commit(entry, node.id, node.raft.term, this.#scene.world.nowMs)
      seen.committed = index
    }
    seen.applied = applied
  }
}

/**
 * commitIndex ≤ the last index that is durable on a majority of the voters (RELIABILITY §2.0 (8),
 * Raft §5.3, Thesis §10.2.1). Looked at in the moment in which an entry is first known committed.
 */
export class DurableOnQuorum implements Invariant {
  readonly #scene: Scene
  readonly #configurations: Configurations

  constructor(scene: Scene, configurations: Configurations) {
    this.#scene = scene
    this.#configurations = configurations
  }

  committed({ entry, by }: Committed): void {
    const { nodes } = this.#scene
    const leader = nodes.find((node) => node.isUp && node.id === by && node.raft.role === 'leader')
    if (leader === undefined) return // Told of it by a leader that committed it, and was looked at.
    // The configurations of whoever committed it: both majorities while joint (Raft §6).
    const placed = this.#configurations.current(leader)
    if (placed === null) return
    const { membership, index } = placed
    const holds = (id: NodeId): boolean => {
      const view = nodes.find((node) => node.id === id)?.viewOf(incarnationIn(membership, id) ?? '')
      return view?.holdsDurably(entry.index, entry.term) ?? false
    }
    // A joint configuration of the very same step was not in force yet: the old one was.
    const isNewer = index > entry.index && membership.outgoing !== null
    const inForce = isNewer
      ? { ...membership, voters: membership.outgoing ?? [], outgoing: null }
      : membership
    insist(
      haveMajority(inForce, holds),
      'committed means durable on a majority',
      () =>
        `entry (${entry.term}, ${entry.index}) is committed, and durable on ` +
        `[${membership.members
          .map(({ id }) => id)
          .filter(holds)
          .join(' ')}] of ` +
        configurationsOf(inForce)
          .map((voters) => `[${voters.join(' ')}]`)
          .join(' and '),
    )
  }
}

/**
 * Leader Completeness: an entry committed in some term is in the logs of the leaders of all later
 * terms (Raft §5.4, figure 3): the term of the leader that committed it, which may be a later one
 * than the entry's own. Looked at when a node is first seen to lead a term.
 */
export class LeaderCompleteness implements Invariant {
  readonly #scene: Scene
  readonly #led = new Map<string, number>()

  constructor(scene: Scene) {
    this.#scene = scene
  }

  leading(node: SimNode): void {
    const { term } = node.raft
    if (this.#led.get(node.id) === term) return
    this.#led.set(node.id, term)
    const { history } = this.#scene
    let index = history.last
    while (index > 0 && (history.at(index)?.inTerm ?? 0) >= term) index -= 1
    if (index < node.raft.compacted) return // Only what is applied leaves the log.
    const expected = history.at(index)?.entry.term ?? 0
    insist(
      node.raft.termAt(index) === expected,
      'Leader Completeness',
      () =>
        `${node.id} leads term ${term} without the committed entry (${expected}, ${index}); ` +
        `it holds term ${node.raft.termAt(index)} there`,
    )
  }
}

/**
 * The commit rule of figure 8: a leader moves its commit index only to an entry of its own term;
 * older ones are committed by what follows them (Raft §5.4.2). Without it Leader Completeness
 * breaks, but only under schedules that are rare.
 */
export class CommitRule implements Invariant {
  /** Of each node: the process and the term in which it was last seen to lead, and its commit. */
  readonly #seen = new Map<string, { boot: number; term: number; committed: number }>()

  stepped(node: SimNode): void {
    const { role, term, committed } = node.raft
    const seen = this.#seen.get(node.id)
    if (role !== 'leader') {
      if (seen !== undefined) seen.boot = -1
      return
    }
    if (seen === undefined || seen.boot !== node.boot || seen.term !== term) {
      this.#seen.set(node.id, { boot: node.boot, term, committed })
      return
    }
    if (seen.committed === committed) return
    seen.committed = committed
    insist(
      node.raft.termAt(committed) === term,
      'a leader commits by an entry of its own term',
      () =>
        `${node.id} leads term ${term} and commits up to ${committed}, ` +
        `which is of term ${node.raft.termAt(committed)}`,
    )
  }
}
