/**
 * The one committed log, as the world saw it come about, with what each entry does. A node that
 * commits or applies another entry than any node before breaks State Machine Safety.
 */
import { sameBytes } from '../../../src/lib/bytes.ts'
import type { Entry, LogIndex, Term } from '../../../src/raft/mod.ts'
import { decodeCommand, type Command, type KeyRules } from '../../../src/state/mod.ts'
import { insist } from '../violation.ts'
import { memberEvents, type ModelEvent } from './feed.ts'
import { Model, type Effect } from './model.ts'

export interface Committed {
  readonly entry: Entry
  readonly command: Command | null
  readonly effect: Effect | null
  /** What watchers are told of it. */
  readonly events: readonly ModelEvent[]
  /** The first node that knew it. */
  readonly by: string
  /** The newest entry up to this one that changed a row. */
  readonly changedAt: LogIndex
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
  readonly model: Model
  readonly entries: Committed[] = []
  /** The entries among them that hold memberships. */
  readonly #memberships: Entry[] = []
  readonly #onCommit: (committed: Committed) => void

  constructor(onCommit: (committed: Committed) => void, rules: KeyRules) {
    this.#onCommit = onCommit
    this.model = new Model(rules)
  }

  get last(): LogIndex {
    return this.entries.length
  }

  at(index: LogIndex): Committed | null {
    return this.entries[index - 1] ?? null
  }

  /** The last membership at or before that index; null: there is none. */
  membershipAt(index: LogIndex): Entry | null {
    return this.#memberships.findLast((entry) => entry.index <= index) ?? null
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
    const at = { wallMs, clusterMs: entry.clusterMs }
    const effect = command === null ? null : this.model.apply(command, entry.index, at)
    const seen = { by: who, inTerm, atMs: nowMs, appliedMs: null, hash: null }
    const changedAt = changesRows(entry, command)
      ? entry.index
      : (this.at(entry.index - 1)?.changedAt ?? 0)
    const events = effect?.events ?? memberEvents(entry, this.model.clusterVersion(entry.index))
    const committed = { entry, command, effect, events, changedAt, ...seen }
    this.entries.push(committed)
    if (entry.type === 'membership') this.#memberships.push(entry)
    this.#onCommit(committed)
  }
}

function changesRows({ type }: Entry, command: Command | null): boolean {
  if (type !== 'command') return type === 'membership'
  return command?.type !== 'state_check' && command?.type !== 'state_verdict'
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
