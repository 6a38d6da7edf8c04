import { assert } from '../lib/assert.ts'
import type { EntryId, HardState } from '../raft/mod.ts'
import { BatchBuilder } from './batch-builder.ts'
import type { BatchIndex } from './batch-index.ts'
import { FORMAT_VERSION, HEADER_BYTES } from './layout.ts'
import type { Identity, SmallRecord } from './records.ts'
import type { Chain } from './recovery.ts'
import type { Segment } from './segment.ts'
import { inTerm } from './write-queue.ts'
import type { Taken, WriteQueue } from './write-queue.ts'

export interface AppenderState {
  readonly segment: Segment
  /** Where the next batch goes. */
  readonly end: number
  readonly chain: Chain
  readonly identity: Identity
  readonly hardState: HardState
  /** Where the log was begun: (0, 0), or the snapshot that it was restarted at. */
  readonly marker: EntryId
  readonly last: EntryId
  readonly index: BatchIndex
}

/** The end of the log: puts one batch behind the other into the page cache. Syncs nothing. */
export class Appender {
  readonly #builder = new BatchBuilder()
  readonly #index: BatchIndex
  readonly #salt: number
  #marker: EntryId
  #segment: Segment
  #end: number
  #sequence: number
  #checksum: number
  #contentSequence: number
  #recordedUpTo: number
  #durableUpTo: number
  /** Of the first batch of the segment in use; Infinity before it is written. */
  #openingSequence: number
  #identity: Identity
  #hardState: HardState
  #last: EntryId
  /** Of the batch under construction. */
  #openingBytes = 0
  #batches = 0
  #bytesWritten = 0

  constructor(state: AppenderState) {
    this.#segment = state.segment
    this.#end = state.end
    this.#index = state.index
    this.#salt = state.chain.salt
    this.#marker = state.marker
    this.#sequence = state.chain.sequence
    this.#checksum = state.chain.checksum
    this.#contentSequence = state.chain.contentSequence
    this.#recordedUpTo = state.chain.recordedUpTo
    this.#durableUpTo = state.chain.sequence // Recovery made all that it read durable.
    this.#openingSequence = state.end === 0 ? Infinity : state.chain.sequence
    this.#identity = state.identity
    this.#hardState = state.hardState
    this.#last = state.last
  }

  get segment(): Segment {
    return this.#segment
  }

  get identity(): Identity {
    return this.#identity
  }

  get hardState(): HardState {
    return this.#hardState
  }

  /** The last entry that was written. */
  get last(): EntryId {
    return this.#last
  }

  /** Whether the segment in use can stand for itself: those before it may go. */
  get isOpeningDurable(): boolean {
    return this.#durableUpTo >= this.#openingSequence
  }

  get sequence(): number {
    return this.#sequence
  }

  get freeBytes(): number {
    return Math.max(0, this.#segment.capacity - this.#end)
  }

  /** Whether some batch that says anything new is not yet covered by a `durableUpTo` in the log. */
  get owesRecord(): boolean {
    return this.#contentSequence > this.#recordedUpTo
  }

  get batches(): number {
    return this.#batches
  }

  get bytesWritten(): number {
    return this.#bytesWritten
  }

  /** Goes on in the next segment. Invariant: all of this one is durable, and stays unfilled. */
  roll(next: Segment): void {
    assert(next.number === this.#segment.number + 1, 'segments follow one another')
    assert(this.#durableUpTo === this.#sequence, 'a segment is durable before the next is begun')
    this.#segment = next
    this.#end = 0
    this.#openingSequence = Infinity
  }

  /**
   * Begins the log anew after `at`, in the next segment; entries before it are void. Its cluster
   * may be another one from here on.
   */
  restart(next: Segment, at: EntryId, clusterId: string | null): void {
    this.roll(next)
    this.#identity = { ...this.#identity, clusterId }
    this.#marker = at
    this.#last = at
    this.#hardState = inTerm(this.#hardState, at.term)
    this.#index.restart(at.index)
    const written = this.appendEmpty()
    assert(written, 'a new segment has room for its opening')
    this.#contentSequence = this.#sequence
  }

  /** An fdatasync that was begun after batch `sequence` was written has completed. */
  confirm(sequence: number): void {
    assert(sequence <= this.#sequence, 'only what was written becomes durable')
    this.#durableUpTo = Math.max(this.#durableUpTo, sequence)
  }

  /** One batch with as much of the queue as fits; null where nothing does. */
  appendFrom(queue: WriteQueue): Taken | null {
    if (this.#begin() > this.#payloadMax) return null
    const taken = queue.take(this.#builder, this.#payloadMax)
    if (taken === null) return null
    const offset = this.#writeBatch()
    for (const { first, last } of taken.runs) {
      this.#index.append({ first, last: last.index }, { segment: this.#segment.number, offset })
      this.#last = last
    }
    this.#hardState = taken.hardState ?? this.#hardState
    return taken
  }

  /** One batch that records `durableUpTo` and nothing else. False where there is no room. */
  appendEmpty(): boolean {
    if (this.#begin() > this.#payloadMax) return false
    this.#writeBatch()
    return true
  }

  /** One batch with the new identity. False where there is no room. */
  appendIdentity(identity: Identity): boolean {
    this.#begin()
    this.#builder.add({ type: 'identity', identity })
    if (this.#builder.payloadBytes > this.#payloadMax) return false
    this.#writeBatch()
    this.#identity = identity
    return true
  }

  get #payloadMax(): number {
    return this.#segment.capacity - this.#end - HEADER_BYTES
  }

  /** Begins a batch; the first one of a segment says what one needs to know to read on from it. */
  #begin(): number {
    this.#builder.begin()
    if (this.#end === 0) {
      const records = openingRecords({
        identity: this.#identity,
        hardState: this.#hardState,
        snapshot: this.#marker,
        last: this.#last,
      })
      for (const record of records) this.#builder.add(record)
    }
    this.#openingBytes = this.#builder.payloadBytes
    return this.#openingBytes
  }

  /** Returns where in the segment. */
  #writeBatch(): number {
    const sequence = this.#sequence + 1
    const hasContent = this.#builder.payloadBytes > this.#openingBytes
    const { bytes, checksum } = this.#builder.finish({
      formatVersion: FORMAT_VERSION,
      sequence,
      segment: this.#segment.number,
      salt: this.#salt,
      durableUpTo: this.#durableUpTo,
      predecessor: this.#checksum,
    })
    const offset = this.#end
    if (offset === 0) this.#openingSequence = sequence
    assert(offset + bytes.length <= this.#segment.capacity, 'a batch ends within its segment')
    this.#segment.file.write(offset, bytes)
    this.#sequence = sequence
    this.#checksum = checksum
    this.#recordedUpTo = this.#durableUpTo
    if (hasContent) this.#contentSequence = sequence
    this.#end += bytes.length
    this.#batches += 1
    this.#bytesWritten += bytes.length
    return offset
  }
}

/** What every segment opens with (DESIGN §3). */
export function openingRecords(log: {
  readonly identity: Identity
  readonly hardState: HardState
  readonly snapshot: EntryId
  readonly last: EntryId
}): readonly SmallRecord[] {
  return [
    { type: 'identity', identity: log.identity },
    { type: 'hard_state', hardState: log.hardState },
    { type: 'snapshot', snapshot: log.snapshot },
    { type: 'segment', last: log.last },
  ]
}
