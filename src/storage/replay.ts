import { present } from '../lib/assert.ts'
import type { Entry, EntryId, HardState, StoredLog, TermRun } from '../raft/mod.ts'
import { BatchIndex } from './batch-index.ts'
import type { BatchPosition } from './batch-index.ts'
import { RecordError } from './records.ts'
import type { Identity, LogRecord } from './records.ts'

/** What the log held when it was opened. All of it is durable. */
export interface Recovered {
  readonly hardState: HardState
  /** Null where the log holds no entry. */
  readonly first: EntryId | null
  /** Equal to `snapshot` where the log holds no entry. */
  readonly last: EntryId
  /** Where each term begins: what the core needs to know every index's term without reading. */
  readonly terms: readonly TermRun[]
  /** Every membership entry in the log, in order. */
  readonly memberships: readonly Entry[]
  /** The entry that the log starts after. */
  readonly snapshot: StoredLog['compacted']
}

/** Rebuilds the log's state, record by record. Refuses, by `RecordError`, what no log can hold. */
export class Replay {
  #identity: Identity | null = null
  #hardState: HardState | null = null
  #snapshot: EntryId | null = null
  #index: BatchIndex | null = null
  readonly #terms: TermRun[] = []
  readonly #memberships: Entry[] = []

  /** Applies the records of the batch at `at`. */
  apply(records: readonly LogRecord[], at: BatchPosition): void {
    if (at.offset === 0) checkOpening(records)
    for (const record of records) this.#applyRecord(record, at)
  }

  #applyRecord(record: LogRecord, at: BatchPosition): void {
    switch (record.type) {
      case 'identity':
        return this.#setIdentity(record.identity)
      case 'hard_state':
        return this.#setHardState(record.hardState)
      case 'snapshot':
        return this.#setSnapshot(record.snapshot)
      case 'segment':
        return this.#checkLast(record.last)
      case 'entries':
        return this.#append(record.entries, at)
    }
  }

  #setIdentity(identity: Identity): void {
    const known = this.#identity
    if (known !== null && !sameOwner(known, identity)) {
      throw new RecordError(`the log of ${identity.nodeId} goes on behind that of ${known.nodeId}`)
    }
    if (known !== null && known.clusterId !== null && identity.clusterId !== known.clusterId) {
      throw new RecordError('the cluster of a log changes')
    }
    this.#identity = identity
  }

  #setHardState(hardState: HardState): void {
    const known = this.#hardState
    if (known !== null && hardState.term < known.term) throw new RecordError('the term goes back')
    if (known !== null && known.votedFor !== null && hardState.term === known.term) {
      if (hardState.votedFor !== known.votedFor) throw new RecordError('a vote changes in its term')
    }
    this.#hardState = hardState
  }

  #setSnapshot(snapshot: EntryId): void {
    const known = this.#snapshot
    if (known === null) {
      this.#snapshot = snapshot
      this.#index = new BatchIndex(snapshot.index)
    } else if (known.index !== snapshot.index || known.term !== snapshot.term) {
      throw new RecordError('the start of the log changes')
    }
  }

  /** Every segment says where the log stood: a second look at the chain. */
  #checkLast(last: EntryId): void {
    const known = this.#last()
    if (last.index !== known.index || last.term !== known.term) {
      throw new RecordError(`a segment begins behind entry ${last.index}, not ${known.index}`)
    }
  }

  #append(entries: readonly Entry[], at: BatchPosition): void {
    const index = present(this.#index, 'a segment opens with a snapshot marker')
    const hardState = present(this.#hardState, 'a segment opens with a hard state')
    const first = (entries[0] as Entry).index
    if (first > index.last + 1) throw new RecordError(`entry ${first} follows ${index.last}`)
    if (first <= this.snapshot.index) throw new RecordError('an entry before the start of the log')
    this.#truncate(first)
    for (const entry of entries) {
      const lastTerm = this.#terms.at(-1)?.term ?? this.snapshot.term
      if (entry.term < lastTerm) throw new RecordError('a term goes back in the log')
      if (entry.term > hardState.term) throw new RecordError('an entry is newer than the term')
      if (this.#terms.at(-1)?.term !== entry.term) {
        this.#terms.push({ term: entry.term, from: entry.index })
      }
      // Copied: a view would keep all the bytes around it.
      if (entry.type === 'membership') {
        this.#memberships.push({ ...entry, data: entry.data.slice() })
      }
    }
    index.append({ first, last: first + entries.length - 1 }, at)
  }

  /** Drops all from `first` on. */
  #truncate(first: number): void {
    while (this.#terms.length > 0 && (this.#terms.at(-1) as TermRun).from >= first) {
      this.#terms.pop()
    }
    while (this.#memberships.length > 0 && (this.#memberships.at(-1) as Entry).index >= first) {
      this.#memberships.pop()
    }
  }

  get identity(): Identity {
    return present(this.#identity, 'the first batch holds an identity')
  }

  get snapshot(): EntryId {
    return present(this.#snapshot, 'the first batch holds a snapshot marker')
  }

  get index(): BatchIndex {
    return present(this.#index, 'the first batch holds a snapshot marker')
  }

  /** The term of entry `index`, null where the log does not hold it. */
  termAt(index: number): number | null {
    if (index === this.snapshot.index) return this.snapshot.term
    if (index < this.snapshot.index || index > this.index.last) return null
    return this.#terms.findLast((run) => run.from <= index)?.term ?? null
  }

  recovered(): Recovered {
    const first = this.#terms[0]
    return {
      hardState: present(this.#hardState, 'the first batch holds a hard state'),
      first: first === undefined ? null : { index: first.from, term: first.term },
      last: this.#last(),
      terms: this.#terms,
      memberships: this.#memberships,
      snapshot: this.snapshot,
    }
  }

  #last(): EntryId {
    const term = this.#terms.at(-1)?.term ?? this.snapshot.term
    return { index: this.index.last, term }
  }
}

/** Identity, hard state, snapshot marker, and where the log stood. */
export const OPENING_RECORDS = 4

/** Every segment stands on its own: its first batch says whose it is and where the log stood. */
function checkOpening(records: readonly LogRecord[]): void {
  const kinds = records.slice(0, OPENING_RECORDS).map((record) => record.type)
  if (kinds.join(' ') !== 'identity hard_state snapshot segment') {
    throw new RecordError('a segment does not open with identity, hard state and snapshot marker')
  }
}

export function sameOwner(a: Identity, b: Identity): boolean {
  return a.nodeId === b.nodeId && a.incarnation === b.incarnation
}
