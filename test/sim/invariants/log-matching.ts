import { present } from '../../../src/lib/assert.ts'
import type { Entry, LogIndex, LogWrite, Term } from '../../../src/raft/mod.ts'
import { sameEntry } from '../oracle/history.ts'
import type { SimNode } from '../node.ts'
import type { Invariant, Scene } from '../observer.ts'
import { insist } from '../violation.ts'

interface Known {
  readonly entry: Entry
  readonly prevTerm: Term
}

/**
 * If two logs contain an entry with the same index and term, the logs are identical in all entries
 * up through it (Raft §5.3, figure 3). It is enough that each (term, index) is one entry with one
 * predecessor, wherever it is written.
 *
 * Leader Append-Only: a leader never overwrites entries of its own term (same figure).
 */
export class LogMatching implements Invariant {
  readonly #known = new Map<number, Known>()

  readonly #scene: Scene

  constructor(scene: Scene) {
    this.#scene = scene
  }

  /** What a lone voter wrote in a term that it then lost: see `election-safety.ts`. */
  started(node: SimNode): void {
    const { nodes } = this.#scene
    // Entry 1 leaves its founder only once it is durable: one that was lost is founded anew.
    if (nodes.every(({ view }) => view.last === 0)) this.#known.clear()
    if (nodes.length > 1) return
    for (const [at, { entry }] of this.#known) {
      if (entry.term > node.raft.term) this.#known.delete(at)
    }
  }

  writing(node: SimNode, { entries }: LogWrite): void {
    const first = entries[0]
    if (first === undefined) return
    this.#checkAppendOnly(node, first.index)
    let prevTerm = node.view.termAt(first.index - 1) ?? -1
    for (const entry of entries) {
      const at = keyOf(entry.index, entry.term)
      const known = this.#known.get(at)
      if (known === undefined) this.#known.set(at, { entry, prevTerm })
      else {
        insist(
          known.prevTerm === prevTerm && sameEntry(known.entry, entry),
          'Log Matching',
          () =>
            `${node.id} writes another entry (${entry.term}, ${entry.index}) than was written ` +
            `before; its predecessor is of term ${prevTerm}, was of ${known.prevTerm}`,
        )
      }
      prevTerm = entry.term
    }
  }

  #checkAppendOnly(node: SimNode, first: LogIndex): void {
    const { role, term } = node.raft
    if (role !== 'leader' || first > node.view.last) return
    insist(
      node.view.termAt(node.view.last) !== term,
      'Leader Append-Only',
      () => `${node.id} leads term ${term} and overwrites from ${first} on`,
    )
  }

  /** The content of an entry that some node wrote. */
  entry(index: LogIndex, term: Term): Entry {
    return present(this.#known.get(keyOf(index, term)), 'what a log holds was written').entry
  }
}

function keyOf(index: LogIndex, term: Term): number {
  return index * 0x100_0000 + term
}
