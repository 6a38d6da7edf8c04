/**
 * The one committed log, as the world saw it come about, with what each entry does. A node that
 * commits or applies another entry than any node before breaks State Machine Safety.
 */
import { sameBytes } from '../../../src/lib/bytes.ts'
import type { Entry, LogIndex, Term } from '../../../src/raft/mod.ts'
import { decodeCommand, type Command } from '../../../src/state/mod.ts'
import { insist } from '../violation.ts'
import { Model, type Effect } from './model.ts'

export interface Committed {
  readonly entry: Entry
  readonly command: Command | null
  readonly effect: Effect | null
  /** The first node that knew it. */
  readonly by: string
  /** In which term: that of the leader that committed it, who is the first to know. */
  readonly inTerm: Term
  /** True time at which the first node knew it. */
  readonly atMs: number
  /** True time at which the first node had applied it: from then on it may be seen. */
  appliedMs: number | null
  /** The state hash there, of the first node that stopped at it; null in seeds without SQLite. */
  hash: string | null
}

export class History {
  readonly model = new Model()
  readonly entries: Committed[] = []
  readonly #onCommit: (committed: Committed) => void

  constructor(onCommit: (committed: Committed) => void) {
    this.#onCommit = onCommit
  }

  get last(): LogIndex {
    return this.entries.length
  }

  at(index: LogIndex): Committed | null {
    return this.entries[index - 1] ?? null
  }

  /** `who`, in `inTerm`, knows this entry to be committed, for the first time or as others do. */
  commit(entry: Entry, who: string, inTerm: Term, nowMs: number): void {
    const known = this.at(entry.index)
    if (known !== null) {
      insist(
        sameEntry(known.entry, entry),
        'State Machine Safety (Raft §5.4.3)',
        () =>
          `${who} commits (${entry.term}, ${entry.index}) of type ${entry.type}, ` +
          `committed was (${known.entry.term}, ${entry.index}) of type ${known.entry.type}`,
      )
      return
    }
    insist(
      entry.index === this.last + 1,
      'simulator',
      () => `${who} commits ${entry.index} after ${this.last}`,
    )
    const command = entry.type === 'command' ? decodeCommand(entry.data) : null
    const wallMs = Math.max(0, Math.floor(entry.wallMs))
    const effect = command === null ? null : this.model.apply(command, entry.index, wallMs)
    const seen = { by: who, inTerm, atMs: nowMs, appliedMs: null, hash: null }
    const committed = { entry, command, effect, ...seen }
    this.entries.push(committed)
    this.#onCommit(committed)
  }
}

/** Whether both are one entry; a witness keeps no payload, and what stands there is all there is. */
export function sameEntry(a: Entry, b: Entry): boolean {
  if (a === b) return true
  const isHeld = a.type === b.type && sameBytes(a.data, b.data)
  const isWithheld = b.type === 'withheld' && a.type === 'command' && b.data.length === 0
  return (
    a.term === b.term &&
    a.index === b.index &&
    a.clusterMs === b.clusterMs &&
    a.wallMs === b.wallMs &&
    (isHeld || isWithheld)
  )
}
