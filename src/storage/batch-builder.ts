import { assert } from '../lib/assert.ts'
import { encodeEntriesInto } from '../raft/mod.ts'
import type { Entry } from '../raft/mod.ts'
import { batchBytes, HEADER_BYTES, seal } from './layout.ts'
import type { BatchHeader } from './layout.ts'
import { encodeRecord, ENTRIES_HEADER_BYTES, KIND, RECORD_HEADER_BYTES } from './records.ts'
import { writeRecordHeader } from './records.ts'
import type { SmallRecord } from './records.ts'
import { writeSafeInt } from '../lib/safe-int.ts'

/** Buffers larger than this are given back after use. */
const KEPT_BYTES = 4 * 1024 * 1024

/** Lays one batch after the other out in one buffer, which lives as long as the log. */
export class BatchBuilder {
  #bytes = new Uint8Array(64 * 1024)
  #at = HEADER_BYTES

  /** Of the payload so far. */
  get payloadBytes(): number {
    return this.#at - HEADER_BYTES
  }

  begin(): void {
    this.#at = HEADER_BYTES
    if (this.#bytes.length > KEPT_BYTES) this.#bytes = new Uint8Array(64 * 1024)
  }

  add(record: SmallRecord): void {
    const bytes = encodeRecord(record)
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }

  /** Adds `entries[from]` to `entries[to - 1]`, which take `length` bytes. */
  addEntries(
    entries: readonly Entry[],
    range: { readonly from: number; readonly to: number; readonly length: number },
  ): void {
    const { from, to, length } = range
    assert(to > from, 'an entries record holds entries')
    this.#reserve(ENTRIES_HEADER_BYTES + length)
    const bodyBytes = ENTRIES_HEADER_BYTES - RECORD_HEADER_BYTES + length
    const header = { at: this.#at, kind: KIND.entries, length: bodyBytes }
    const at = writeRecordHeader(this.#bytes, header)
    writeSafeInt(new DataView(this.#bytes.buffer), at, (entries[from] as Entry).index)
    const end = encodeEntriesInto(entries, { bytes: this.#bytes, at: at + 8, from, to })
    assert(end === at + 8 + length, 'entries are as long as reckoned')
    this.#at = end
  }

  /** The whole batch, padded with zeros. Valid until the next `begin`. */
  finish(header: Omit<BatchHeader, 'payloadBytes'>): {
    readonly bytes: Uint8Array
    readonly checksum: number
  } {
    const payloadBytes = this.payloadBytes
    const length = batchBytes(payloadBytes)
    this.#reserve(length - this.#at)
    this.#bytes.fill(0, this.#at, length)
    const checksum = seal(this.#bytes, { ...header, payloadBytes })
    return { bytes: this.#bytes.subarray(0, length), checksum }
  }

  #reserve(more: number): void {
    const needed = this.#at + more
    if (needed <= this.#bytes.length) return
    const larger = new Uint8Array(batchBytes(Math.max(needed, this.#bytes.length * 2)))
    larger.set(this.#bytes.subarray(0, this.#at))
    this.#bytes = larger
  }
}
