import { assert } from '../lib/assert.ts'
import type { LogIndex } from '../raft/types.ts'

/** Where a batch starts. */
export interface BatchPosition {
  readonly segment: number
  readonly offset: number
}

/**
 * Which batch holds which entries: three numbers a batch, not an object an entry.
 *
 * Invariant: `firsts` ascends strictly, and batch i holds the entries from `firsts[i]` up to the
 * one before `firsts[i + 1]` (or the last). A batch may hold more: those were replaced later.
 */
export class BatchIndex {
  readonly #firsts: LogIndex[] = []
  readonly #segments: number[] = []
  readonly #offsets: number[] = []
  #last: LogIndex

  /** `last`: the index that the log starts after. */
  constructor(last: LogIndex) {
    this.#last = last
  }

  get last(): LogIndex {
    return this.#last
  }

  get size(): number {
    return this.#firsts.length
  }

  /** Entries `first`…`last` are in the batch at `position`; what was at or after `first` is gone. */
  append(entries: { readonly first: LogIndex; readonly last: LogIndex }, at: BatchPosition): void {
    assert(entries.first <= this.#last + 1, 'the log has no gap')
    assert(entries.last >= entries.first, 'a batch of entries is not empty')
    while (this.#firsts.length > 0 && (this.#firsts.at(-1) as LogIndex) >= entries.first) {
      this.#firsts.pop()
      this.#segments.pop()
      this.#offsets.pop()
    }
    // The same batch may bring entries twice: in several writes, or two that overlap.
    if (this.#segments.at(-1) !== at.segment || this.#offsets.at(-1) !== at.offset) {
      this.#firsts.push(entries.first)
      this.#segments.push(at.segment)
      this.#offsets.push(at.offset)
    }
    this.#last = entries.last
  }

  /** Batches in segments before `segment` are gone. */
  dropBefore(segment: number): void {
    let gone = 0
    while (gone < this.#segments.length && (this.#segments[gone] as number) < segment) gone += 1
    this.#firsts.splice(0, gone)
    this.#segments.splice(0, gone)
    this.#offsets.splice(0, gone)
  }

  /** Nothing is there any more: the log starts anew after `last`. */
  restart(last: LogIndex): void {
    this.#firsts.length = this.#segments.length = this.#offsets.length = 0
    this.#last = last
  }

  /** The batch that holds entry `index`, and the last entry that it still holds. */
  find(index: LogIndex): BatchPosition & { readonly last: LogIndex } {
    assert(index <= this.#last, 'an entry that is in the log')
    assert(this.#firsts.length > 0 && index >= (this.#firsts[0] as LogIndex), 'and not before it')
    let low = 0
    let high = this.#firsts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((this.#firsts[middle] as LogIndex) <= index) low = middle
      else high = middle - 1
    }
    const next = this.#firsts[low + 1]
    return {
      segment: this.#segments[low] as number,
      offset: this.#offsets[low] as number,
      last: next === undefined ? this.#last : next - 1,
    }
  }
}
