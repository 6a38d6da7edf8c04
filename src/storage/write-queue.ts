import { assert } from '../lib/assert.ts'
import { entryBytes } from '../raft/mod.ts'
import type { Entry, EntryId, HardState, LogWrite, Term } from '../raft/mod.ts'
import type { BatchBuilder } from './batch-builder.ts'
import { BLOCK_BYTES } from './layout.ts'
import { encodeRecord, ENTRIES_HEADER_BYTES } from './records.ts'

/**
 * Payload at which a batch is closed while more is waiting. A batch is read back as a whole, so it
 * should not be much larger than what a follower is sent at once. A single larger entry passes.
 */
const BATCH_PAYLOAD_MAX = 256 * BLOCK_BYTES

/** Room that the first records of a segment may take. */
export const OPENING_BYTES_MAX = 2 * BLOCK_BYTES

interface Waiting {
  readonly write: LogWrite
  readonly done: () => void
  readonly bytes: number
  hardStateTaken: boolean
  entriesTaken: number
}

/** What went into one batch. */
export interface Taken {
  readonly hardState: HardState | null
  /** Each run replaces what was stored at and behind its first index. */
  readonly runs: readonly { readonly first: number; readonly last: EntryId }[]
  /** To be called, in order, once the batch is durable: of the writes that it completes. */
  readonly dones: readonly (() => void)[]
}

/**
 * Writes that wait for the disk, in order. They are not bounded here but where they come from: by
 * the core's `uncommittedBytesMax`, and by the window of a leader that sends appends.
 */
export class WriteQueue {
  #waiting: Waiting[] = []
  #bytes = 0

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** About how much is waiting. */
  get bytes(): number {
    return this.#bytes
  }

  push(write: LogWrite, done: () => void): void {
    let bytes = 0
    for (const entry of write.entries) bytes += entryBytes(entry)
    const hardStateTaken = write.hardState === null
    this.#waiting.push({ write, done, bytes, hardStateTaken, entriesTaken: 0 })
    this.#bytes += bytes
  }

  /** The log restarts in `term`: entries that wait are void, hard states are of that term. */
  restart(term: Term): void {
    this.#waiting = this.#waiting.map(({ write, done, hardStateTaken }) => {
      const hardState = write.hardState === null ? null : inTerm(write.hardState, term)
      const left = { ...write, hardState, entries: [] }
      return { write: left, done, bytes: 0, hardStateTaken, entriesTaken: 0 }
    })
    this.#bytes = 0
  }

  clear(): void {
    this.#waiting = []
    this.#bytes = 0
  }

  /**
   * Moves as much as fits into the batch under construction. `payloadMax` is the end of the
   * segment. A write may be spread over batches; it is done with its last one. That is safe: a
   * hard state without its entries, and entries without those behind them, are both valid logs.
   * Null where nothing fits at all.
   */
  take(builder: BatchBuilder, payloadMax: number): Taken | null {
    const empty = builder.payloadBytes
    const runs: { first: number; last: EntryId }[] = []
    const dones: (() => void)[] = []
    let hardState: HardState | null = null
    for (const waiting of this.#waiting) {
      const fits = (bytes: number): boolean => {
        const size = builder.payloadBytes + bytes
        const isFirst = builder.payloadBytes === empty
        return size <= payloadMax && (isFirst || size <= BATCH_PAYLOAD_MAX)
      }
      if (!takeHardState(waiting, builder, fits)) break
      hardState = waiting.write.hardState ?? hardState
      const from = waiting.entriesTaken
      takeEntries(waiting, builder, fits)
      const { entries } = waiting.write
      if (waiting.entriesTaken > from) {
        const first = (entries[from] as Entry).index
        const { index, term } = entries[waiting.entriesTaken - 1] as Entry
        runs.push({ first, last: { index, term } })
      }
      if (waiting.entriesTaken < entries.length) break
      dones.push(waiting.done)
      this.#bytes -= waiting.bytes
    }
    this.#waiting.splice(0, dones.length)
    assert(this.#bytes >= 0, 'what was taken was waiting')
    if (builder.payloadBytes === empty && dones.length === 0) return null
    return { hardState, runs, dones }
  }
}

/**
 * Whoever knows of an entry of `term` is in it. A vote of an older one is over, and in this one
 * none was durable here.
 */
export function inTerm(hardState: HardState, term: Term): HardState {
  if (hardState.term >= term) return hardState
  return { term, votedFor: null, promiseMs: hardState.promiseMs }
}

type Fits = (bytes: number) => boolean

/** Whether the write's hard state, if it has one, is in this batch or an earlier one. */
function takeHardState(waiting: Waiting, builder: BatchBuilder, fits: Fits): boolean {
  const { hardState } = waiting.write
  if (waiting.hardStateTaken || hardState === null) return true
  const record = { type: 'hard_state', hardState } as const
  if (!fits(encodeRecord(record).length)) return false
  builder.add(record)
  waiting.hardStateTaken = true
  return true
}

function takeEntries(waiting: Waiting, builder: BatchBuilder, fits: Fits): void {
  const { entries } = waiting.write
  const from = waiting.entriesTaken
  let length = 0
  let to = from
  while (to < entries.length) {
    const more = entryBytes(entries[to] as Entry)
    if (!fits(ENTRIES_HEADER_BYTES + length + more)) break
    length += more
    to += 1
  }
  if (to === from) return
  builder.addEntries(entries, { from, to, length })
  waiting.entriesTaken = to
}
