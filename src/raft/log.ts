import { assert, present } from '../lib/assert.ts'
import type { Entry, EntryId, LogIndex, LogReader, Term } from './types.ts'

/** Where a term begins in the log. */
export interface TermRun {
  readonly term: Term
  readonly from: LogIndex
}

/** What storage found at start. Everything in it is durable. */
export interface StoredLog {
  /** The entry that the log starts after: (0, 0), or that of the snapshot. */
  readonly compacted: EntryId
  readonly last: EntryId
  /** Ascending, one for each term, covering `compacted.index + 1` to `last.index`. */
  readonly terms: readonly TermRun[]
  readonly reader: LogReader
}

/** Bytes that an entry costs beside its data, in memory and on the wire. */
export const ENTRY_OVERHEAD = 48

/**
 * The log: a tail in memory, older entries behind a reader, and the term of every index.
 *
 * Invariants: compacted ≤ applied ≤ committed ≤ last, applied ≤ persisted ≤ written ≤ last.
 * (`committed` may pass `persisted`: others may hold what this disk does not yet.)
 */
export class RaftLog {
  readonly #reader: LogReader
  readonly #tailBytesMax: number
  #compacted: EntryId
  /** Ascending; the last run holds `last`. Small: one element a term. */
  #runs: TermRun[]
  /** Entries from `#tailFrom` to `#last`; `#tail[#tailHead]` is the first. */
  #tail: Entry[] = []
  #tailHead = 0
  #tailFrom: LogIndex
  #tailBytes = 0
  #last: LogIndex
  /** Handed to storage. */
  #written: LogIndex
  #persisted: LogIndex
  #committed: LogIndex
  /** Handed to the state machine. */
  #handed: LogIndex
  /** The cluster's clock there; null before the first of this process. */
  #handedClusterMs: number | null = null
  #applied: LogIndex

  constructor(stored: StoredLog, applied: LogIndex, tailBytesMax: number) {
    assert(applied >= stored.compacted.index, 'the state reaches the start of the log')
    assert(applied <= stored.last.index, 'nothing was applied that the log does not hold')
    this.#reader = stored.reader
    this.#tailBytesMax = tailBytesMax
    this.#compacted = stored.compacted
    this.#runs = [...stored.terms]
    this.#last = stored.last.index
    this.#tailFrom = stored.last.index + 1
    this.#written = this.#persisted = stored.last.index
    this.#committed = this.#handed = this.#applied = applied
    assert(this.termAt(this.#last) === stored.last.term, 'the term runs reach the last entry')
  }

  /** The last index that is no longer in the log. */
  get compacted(): LogIndex {
    return this.#compacted.index
  }

  /** The cluster's clock at the last entry handed to the state machine, where one was. */
  get handedClusterMs(): number | null {
    return this.#handedClusterMs
  }

  get last(): LogIndex {
    return this.#last
  }

  get lastTerm(): Term {
    return present(this.termAt(this.#last), 'the last entry has a term')
  }

  get persisted(): LogIndex {
    return this.#persisted
  }

  get committed(): LogIndex {
    return this.#committed
  }

  get applied(): LogIndex {
    return this.#applied
  }

  get hasUnwritten(): boolean {
    return this.#written < this.#last
  }

  /** The term of an entry; 0 at the very start; null where the log holds none (any more). */
  termAt(index: LogIndex): Term | null {
    if (index === this.#compacted.index) return this.#compacted.term
    if (index < this.#compacted.index || index > this.#last) return null
    for (let i = this.#runs.length - 1; i >= 0; i--) {
      const run = this.#runs[i] as TermRun
      if (run.from <= index) return run.term
    }
    return null
  }

  /** Where the run of `term` begins here, for fast back-up; the log holds that term. */
  firstOfTerm(term: Term): LogIndex {
    const run = this.#runs.find((candidate) => candidate.term === term)
    return run?.from ?? this.#compacted.index
  }

  /** The last index whose term is `term` or an older one; at least the log's start. */
  lastAtOrBelowTerm(term: Term): LogIndex {
    for (let i = this.#runs.length - 1; i >= 0; i--) {
      if ((this.#runs[i] as TermRun).term > term) continue
      return ((this.#runs[i + 1]?.from ?? this.#last + 1) as LogIndex) - 1
    }
    return this.#compacted.index
  }

  /** Whether a log that ends with `candidate` is at least as up to date (Raft §5.4.1). */
  isUpToDate(candidate: EntryId): boolean {
    const lastTerm = this.lastTerm
    if (candidate.term !== lastTerm) return candidate.term > lastTerm
    return candidate.index >= this.#last
  }

  /** Appends the next entry. */
  append(entry: Entry): void {
    assert(entry.index === this.#last + 1, 'the log has no gaps')
    assert(entry.term >= this.lastTerm, 'terms never decrease along the log')
    if (entry.term !== this.#runs.at(-1)?.term) {
      this.#runs.push({ term: entry.term, from: entry.index })
    }
    this.#tail.push(entry)
    this.#tailBytes += entry.data.length + ENTRY_OVERHEAD
    this.#last = entry.index
  }

  /** Drops entries from `index` on: a leader's log says otherwise (Raft §5.3). */
  truncate(index: LogIndex): void {
    assert(index > this.#committed, 'a committed entry is never dropped')
    assert(index <= this.#last, 'there is something to drop')
    while (this.#tail.length > this.#tailHead && this.#last >= index) {
      const dropped = present(this.#tail.pop(), 'the tail holds the last entry')
      this.#tailBytes -= dropped.data.length + ENTRY_OVERHEAD
      this.#last -= 1
    }
    this.#last = index - 1
    if (this.#tailFrom > index) this.#tailFrom = index
    while ((this.#runs.at(-1)?.from ?? 0) >= index) this.#runs.pop()
    this.#written = Math.min(this.#written, this.#last)
    this.#persisted = Math.min(this.#persisted, this.#last)
  }

  /** Entries that no write has taken yet; they count as written from now on. */
  takeUnwritten(): readonly Entry[] {
    if (!this.hasUnwritten) return []
    const entries = this.#fromTail(this.#written + 1, this.#last)
    this.#written = this.#last
    return entries
  }

  /** Entries up to `index`, as they stand here now, are durable (`outbox.ts` sees to ABA). */
  persistedTo(index: LogIndex): void {
    if (index <= this.#persisted) return
    assert(index <= this.#written, 'only what was written becomes durable')
    this.#persisted = index
    this.#shrink()
  }

  commitTo(index: LogIndex): void {
    assert(index <= this.#last, 'only what is in the log is committed')
    if (index > this.#committed) this.#committed = index
  }

  /** Committed and durable here, not handed out yet; one batch at a time. */
  takeCommitted(entriesMax: number, bytesMax: number): readonly Entry[] {
    if (this.#handed > this.#applied) return [] // The batch before is still being applied.
    const to = Math.min(this.#committed, this.#persisted, this.#handed + entriesMax)
    if (to <= this.#handed) return []
    const entries = this.slice(this.#handed + 1, to, bytesMax)
    const last = present(entries.at(-1), 'a slice holds something')
    this.#handed = last.index
    this.#handedClusterMs = last.clusterMs
    return entries
  }

  /** Storage let go of everything up to `at` (Raft §7). */
  compactTo(at: EntryId): void {
    if (at.index <= this.#compacted.index) return
    assert(at.index <= this.#applied, 'only what is applied is compacted')
    assert(this.termAt(at.index) === at.term, 'the log is compacted at an entry of its own')
    const kept = this.#runs.filter((_, i) => (this.#runs[i + 1]?.from ?? Infinity) > at.index + 1)
    this.#runs = kept
      .map(({ term, from }) => ({ term, from: Math.max(from, at.index + 1) }))
      .filter(({ from }) => from <= this.#last)
    this.#compacted = at
    while (this.#tailFrom <= at.index && this.#tailFrom <= this.#last) this.#dropOldest()
    this.#trimTail()
  }

  /** The state is a snapshot of `at` now, and the log starts anew after it (Raft §7, rule 7). */
  restart(at: EntryId, clusterMs: number): void {
    assert(at.index > this.#committed, 'a snapshot only moves forward')
    this.#compacted = at
    this.#runs = []
    this.#tail = []
    this.#tailHead = 0
    this.#tailBytes = 0
    this.#tailFrom = at.index + 1
    this.#last = this.#written = this.#persisted = at.index
    this.#committed = this.#handed = this.#applied = at.index
    this.#handedClusterMs = clusterMs
  }

  /** The state is one of `index` by other means than apply, and `index` is known committed. */
  skipTo(index: LogIndex, clusterMs: number): void {
    assert(index >= this.#applied, 'a state only moves forward')
    assert(index <= this.#persisted, 'nothing is applied that this disk does not hold')
    this.commitTo(index)
    this.#handed = this.#applied = index
    this.#handedClusterMs = clusterMs
    this.#shrink()
  }

  appliedTo(index: LogIndex): void {
    assert(index >= this.#applied && index <= this.#handed, 'apply follows what was handed out')
    this.#applied = index
    this.#shrink()
  }

  /** Bytes of data in `from`…`to`, which memory still holds. */
  dataBytes(from: LogIndex, to: LogIndex): number {
    let bytes = 0
    for (let index = from; index <= to; index++) bytes += this.#at(index).data.length
    return bytes
  }

  /**
   * Entries `from`…`to`, cut to `bytesMax` but never empty. Older ones come from disk, and a
   * slice does not mix both.
   */
  slice(from: LogIndex, to: LogIndex, bytesMax: number): readonly Entry[] {
    assert(from > this.#compacted.index && from <= to && to <= this.#last, 'a slice of the log')
    if (from < this.#tailFrom) {
      const entries = this.#reader.read(from, Math.min(to, this.#tailFrom - 1), bytesMax)
      assert(entries[0]?.index === from, 'the reader starts where it was asked to')
      return entries
    }
    let end = from
    let bytes = this.#at(from).data.length
    while (end < to && bytes < bytesMax) {
      bytes += this.#at(end + 1).data.length + ENTRY_OVERHEAD
      if (bytes > bytesMax) break
      end += 1
    }
    return this.#fromTail(from, end)
  }

  #at(index: LogIndex): Entry {
    const entry = this.#tail[this.#tailHead + index - this.#tailFrom]
    return present(entry, 'the tail holds this entry')
  }

  #fromTail(from: LogIndex, to: LogIndex): readonly Entry[] {
    const start = this.#tailHead + from - this.#tailFrom
    const entries = this.#tail.slice(start, start + to - from + 1)
    assert(entries[0]?.index === from, 'the tail is aligned with its first index')
    assert(entries.at(-1)?.index === to, 'the tail has no gaps')
    return entries
  }

  /**
   * Lets go of the oldest entries past the bound, but only of committed, durable ones: they can be
   * read from disk and never change there. Not only of applied ones: a follower that applies more
   * slowly than it is fed would keep all of the log in memory.
   */
  #shrink(): void {
    const settled = Math.min(this.#committed, this.#persisted)
    while (this.#tailBytes > this.#tailBytesMax && this.#tailFrom <= settled) this.#dropOldest()
    this.#trimTail()
  }

  #dropOldest(): void {
    const dropped = this.#tail[this.#tailHead] as Entry
    this.#tailBytes -= dropped.data.length + ENTRY_OVERHEAD
    this.#tailHead += 1
    this.#tailFrom += 1
  }

  #trimTail(): void {
    // Moved rarely, so that letting go stays O(1) on average.
    if (this.#tailHead * 2 > this.#tail.length) {
      this.#tail = this.#tail.slice(this.#tailHead)
      this.#tailHead = 0
    }
  }
}
