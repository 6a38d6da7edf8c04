import { present } from '../lib/assert.ts'
import type { Entry, EntryId, HardState, LogIndex, StoredLog, TermRun } from '../raft/mod.ts'
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

/** What the opening of a segment says: where the log stood. */
export interface Opening {
  readonly number: number
  /** The last entry before this segment. */
  readonly after: EntryId
  /** That entry was replaced later: the log cannot start here, its term would be wrong. */
  isVoid: boolean
}

/** Entries from `first` on were replaced: what begins behind one of them is no place to start. */
export function markVoid(openings: readonly Opening[], first: LogIndex): void {
  for (let i = openings.length - 1; i >= 0; i--) {
    const opening = openings[i] as Opening
    if (opening.after.index < first) return
    opening.isVoid = true
  }
}

/** Rebuilds the log's state, record by record. Refuses, by `RecordError`, what no log can hold. */
export class Replay {
  #identity: Identity | null = null
  #hardState: HardState | null = null
  /** Where the log was begun: (0, 0), or the snapshot that it was restarted at. */
  #marker: EntryId | null = null
  /** The entry that it starts after now: older ones may have been removed. */
  #start: EntryId | null = null
  /** The opening that is being read restarts the log. */
  #restarts = false
  #index: BatchIndex | null = null
  #openings: Opening[] = []
  readonly #terms: TermRun[] = []
  readonly #memberships: Entry[] = []

  /** Applies the records of the batch at `at`. */
  apply(records: readonly LogRecord[], at: BatchPosition): void {
    if (at.offset === 0) checkOpening(records)
    if (at.offset === 0 && this.#isRestartedBy(records)) this.#restarts = true
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
        return this.#open({ number: at.segment, after: record.last, isVoid: false })
      case 'entries':
        return this.#append(record.entries, at)
    }
  }

  /** Another marker: a snapshot was installed, and all before it is void. */
  #isRestartedBy(records: readonly LogRecord[]): boolean {
    const marker = records.find((record) => record.type === 'snapshot')?.snapshot
    return this.#marker !== null && marker !== undefined && !same(this.#marker, marker)
  }

  #setIdentity(identity: Identity): void {
    const known = this.#identity
    if (known !== null && !sameOwner(known, identity)) {
      throw new RecordError(`the log of ${identity.nodeId} goes on behind that of ${known.nodeId}`)
    }
    // Only where it restarts: the state of a cluster that lost its quorum founds another one.
    const isBound = known !== null && known.clusterId !== null && !this.#restarts
    if (isBound && identity.clusterId !== known.clusterId) {
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

  #setSnapshot(marker: EntryId): void {
    if (this.#restarts) {
      if (marker.index <= (this.#start?.index ?? 0))
        throw new RecordError('the log restarts in its past')
      this.#forget()
    }
    this.#marker = marker
  }

  /** All that was read is none of the log: the next opening says where it starts. */
  #forget(): void {
    this.#start = null
    this.#index = null
    this.#terms.length = 0
    this.#memberships.length = 0
    this.#openings = []
  }

  /** Every segment says where the log stood: a second look at the chain. */
  #open(opening: Opening): void {
    const { after } = opening
    const marker = present(this.#marker, 'a snapshot marker comes first')
    if (this.#start === null) {
      if (after.index < marker.index || (this.#restarts && !same(after, marker))) {
        throw new RecordError(`a segment begins behind entry ${after.index}, not ${marker.index}`)
      }
      this.#restarts = false
      this.#start = after
      this.#index = new BatchIndex(after.index)
    } else if (!same(after, this.#last())) {
      const { index } = this.#last()
      throw new RecordError(`a segment begins behind entry ${after.index}, not ${index}`)
    }
    this.#openings.push(opening)
  }

  #append(entries: readonly Entry[], at: BatchPosition): void {
    if (this.#start === null) return // Between the front that was let go and the new start.
    const index = present(this.#index, 'a segment opens with a snapshot marker')
    const hardState = present(this.#hardState, 'a segment opens with a hard state')
    const first = (entries[0] as Entry).index
    if (first > index.last + 1) throw new RecordError(`entry ${first} follows ${index.last}`)
    if (first <= this.snapshot.index) {
      if (same(this.snapshot, this.marker)) {
        throw new RecordError('an entry before the start of the log')
      }
      // The front was being let go: what is left of it began with an entry that was replaced here.
      return this.#forget()
    }
    markVoid(this.#openings, first)
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

  /** The entry that the log starts after. */
  get snapshot(): EntryId {
    return present(this.#start, 'the first batch says where the log starts')
  }

  /** Where the log was begun, as every segment repeats it. */
  get marker(): EntryId {
    return present(this.#marker, 'the first batch holds a snapshot marker')
  }

  /** Of the segments that the log consists of: those before a restart are none of it. */
  get openings(): readonly Opening[] {
    return this.#openings
  }

  /** Null where nothing says any more where the log starts. */
  get start(): EntryId | null {
    return this.#start
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

function same(a: EntryId, b: EntryId): boolean {
  return a.index === b.index && a.term === b.term
}

export function sameOwner(a: Identity, b: Identity): boolean {
  return a.nodeId === b.nodeId && a.incarnation === b.incarnation
}
