/**
 * Whose disk was lost or damaged, and who may be next. So many copies at once and no more: the
 * voters that are left are always a majority, so that nothing acknowledged is lost with the disks,
 * and the cluster goes on. Whoever is back as a voter, under its new name, is whole again.
 */
import { decodeMembership, type Membership } from '../../src/raft/mod.ts'
import type { SimNode } from './node.ts'
import type { History } from './oracle/history.ts'
import type { Sometimes } from './sometimes/situations.ts'

export class Casualties {
  readonly #nodes: readonly SimNode[]
  readonly #history: History
  readonly #sometimes: Sometimes
  readonly #max: number
  /** And as whom they were known. */
  readonly #lost = new Map<SimNode, string | null>()

  /** `changes`: the voters are not all of the nodes, nor always the same; then no disk is lost. */
  constructor(given: {
    readonly nodes: readonly SimNode[]
    readonly history: History
    readonly sometimes: Sometimes
    readonly changes: boolean
  }) {
    const { nodes, changes } = given
    this.#nodes = nodes
    this.#history = given.history
    this.#sometimes = given.sometimes
    this.#max = changes ? 0 : Math.floor((nodes.length - 1) / 2)
  }

  /** Whether everybody is whole. */
  get areNone(): boolean {
    if (this.#lost.size === 0) return true
    const membership = this.#membership
    for (const [node, incarnation] of this.#lost) {
      if (!isWhole(node, membership)) continue
      this.#lost.delete(node)
      if (node.incarnation === incarnation) continue // The damage was where nothing is read.
      this.#sometimes.met('a stranger under an old name votes again')
    }
    return this.#lost.size === 0
  }

  /** Whether the others bear it: a majority of all is whole, and holds what was founded. */
  mayLose(node: SimNode): boolean {
    if (this.#max === 0) return false
    if (!this.areNone && (this.#lost.size >= this.#max || this.#lost.has(node))) return false
    return this.#nodes.every((each) => each.view.durable > 0 || this.#lost.has(each))
  }

  lose(node: SimNode): void {
    this.#lost.set(node, node.incarnation)
  }

  /** The last one that is committed. */
  get #membership(): Membership | null {
    const last = this.#history.membershipAt(Infinity)
    return last === null ? null : decodeMembership(last.data)
  }
}

function isWhole(node: SimNode, membership: Membership | null): boolean {
  if (!node.isUp || node.isDamaged) return false
  if (membership === null || membership.outgoing !== null) return false
  const member = membership.members.find(({ id }) => id === node.id)
  return membership.voters.includes(node.id) && member?.incarnation === node.incarnation
}
