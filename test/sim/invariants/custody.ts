import { decodeMembership, type Entry } from '../../../src/raft/mod.ts'
import { CLUSTER_VERSION_MAX, sinceClusterVersion } from '../../../src/state/mod.ts'
import type { SimNode } from '../node.ts'
import type { Committed } from '../oracle/history.ts'
import type { Invariant, Scene } from '../observer.ts'
import { insist } from '../violation.ts'

/**
 * A node whose state the log has shown to be wrong does not lead (RELIABILITY D1, scenario 36). It
 * may go on for as long as handing leadership over takes.
 */
export class WrongStateLeadsNobody implements Invariant {
  /** The term in which each was found wrong. */
  readonly #found = new Map<string, number>()

  stepped(node: SimNode): void {
    if (node.exposedAt === null) {
      this.#found.delete(node.id)
      return
    }
    const { term, role } = node.raft
    const found = this.#found.get(node.id)
    if (found === undefined) {
      this.#found.set(node.id, term)
      return
    }
    insist(
      role !== 'leader' || term === found,
      'a node with a wrong state does not lead',
      () => `${node.id} leads term ${term}, its state was found wrong in term ${found}`,
    )
  }
}

/**
 * Whoever is found wrong is wrong (decision 0004). Where a wrong state was handed on as a snapshot
 * before it was found, nobody can tell any more.
 */
export class RightStateIsTrusted implements Invariant {
  readonly #scene: Scene
  readonly #trusted = new Set<string>()

  constructor(scene: Scene) {
    this.#scene = scene
  }

  started(node: SimNode): void {
    this.#trusted.delete(node.id) // It may remember what was found of it.
  }

  stepped(node: SimNode): void {
    const { reason } = node.replica.custody.fence
    if (reason === null) this.#trusted.add(node.id)
    if (reason === null || !this.#trusted.delete(node.id)) return
    const rotten = this.#scene.nodes.filter(({ rot }) => rot !== null)
    insist(
      node.rot !== null || rotten.length > 1,
      'a right state is never fenced',
      () => `${node.id} is fenced: ${reason}; wrong are ${rotten.map(({ id }) => id).join()}`,
    )
  }
}

/**
 * The clusterVersion rises only once every member has run a program that knows it, and nobody
 * applies what its program does not know (DESIGN §1.7).
 */
export class VersionsRiseTogether implements Invariant {
  readonly #scene: Scene

  constructor(scene: Scene) {
    this.#scene = scene
  }

  committed({ command, entry }: Committed): void {
    if (command?.type !== 'cluster_version') return
    const { nodes, sometimes, history } = this.#scene
    // Who was added behind it is refused until it knows it.
    const older = history.entries.slice(0, entry.index - 1).map((known) => known.entry)
    const data = older.findLast(({ type }) => type === 'membership')?.data
    const members = data === undefined ? [] : decodeMembership(data).members
    const behind = nodes.filter(
      ({ id, everNewest }) => !everNewest && members.some((member) => member.id === id),
    )
    insist(
      // Every program that runs here knows all but the newest.
      behind.length === 0 || command.version < CLUSTER_VERSION_MAX,
      'the clusterVersion rises when all members know it',
      () => `it rises to ${command.version}; never upgraded: ${behind.map(({ id }) => id).join()}`,
    )
    if (command.version === CLUSTER_VERSION_MAX) sometimes.met('the clusterVersion rose')
  }

  applying(node: SimNode, entries: readonly Entry[]): void {
    if (node.isWitness) return // It is sent no payloads.
    for (const { index } of entries) {
      const command = this.#scene.history.at(index)?.command
      if (command == null) continue
      insist(
        node.clusterVersionMax >= sinceClusterVersion(command),
        'nobody applies what its program does not know',
        () => `${node.id} applies ${command.type} at ${index}`,
      )
    }
  }
}
