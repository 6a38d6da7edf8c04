/**
 * Reading batches from segment files, without trusting a byte of them.
 *
 * @module
 */
import { WalMismatch } from './errors.ts'
import { batchBytes, BLOCK_BYTES, checksumOf, FORMAT_VERSION, HEADER_BYTES } from './layout.ts'
import { readHeader } from './layout.ts'
import type { ReadHeader } from './layout.ts'
import type { Segment } from './segment.ts'

export interface Batch {
  readonly type: 'batch'
  readonly header: ReadHeader
  /** A view that stays valid. */
  readonly payload: Uint8Array
  /** Where the next batch would start. */
  readonly end: number
}

/** There is no batch: why, in words for a person. `blank`: because nothing was written. */
export interface NoBatch {
  readonly type: 'none'
  readonly blank: boolean
  readonly expected: string
  readonly actual: string
}

const WINDOW_BYTES = 256 * BLOCK_BYTES

/** Looks at blocks of one segment through a window that moves forward. */
export class SegmentScanner {
  readonly segment: Segment
  readonly size: number
  readonly #windowBytes: number
  #window: Uint8Array = new Uint8Array(0)
  #windowAt = 0

  constructor(segment: Segment, windowBytes = WINDOW_BYTES) {
    this.segment = segment
    this.#windowBytes = windowBytes
    this.size = segment.file.size()
  }

  /** The batch that starts at `at`, its checksum verified, or why there is none. */
  batchAt(at: number): Batch | NoBatch {
    const block = this.#bytes(at, BLOCK_BYTES)
    const header = readHeader(block)
    if (header === null) return noHeader(block)
    if (header.payloadBytes > this.size - at - HEADER_BYTES) {
      const actual = `${header.payloadBytes} bytes, past the end of the file`
      return { type: 'none', blank: false, expected: 'a payload within the segment', actual }
    }
    const bytes = this.#bytes(at, HEADER_BYTES + header.payloadBytes)
    const checksum = checksumOf(bytes, header.payloadBytes)
    if (checksum !== header.checksum) {
      const expected = `checksum ${hex(header.checksum)}`
      return { type: 'none', blank: false, expected, actual: hex(checksum) }
    }
    if (header.formatVersion !== FORMAT_VERSION) {
      throw new WalMismatch('format_version', {
        what: `${this.segment.name} was written by another version of this program`,
        expected: `format ${FORMAT_VERSION}`,
        actual: `format ${header.formatVersion}`,
      })
    }
    const end = at + batchBytes(header.payloadBytes)
    return { type: 'batch', header, payload: bytes.subarray(HEADER_BYTES), end }
  }

  /**
   * The largest `durableUpTo` in any batch of this log from `from` on. Looks at every block, since
   * behind damage nobody knows where a batch starts; only blocks with our magic cost more than a
   * glance.
   */
  durableUpToBeyond(from: number, salt: number): number {
    let durableUpTo = 0
    for (let at = from; at < this.size; at += BLOCK_BYTES) {
      const header = readHeader(this.#bytes(at, BLOCK_BYTES))
      if (header === null || header.salt !== salt) continue
      if (header.segment !== this.segment.number || header.durableUpTo <= durableUpTo) continue
      const found = this.batchAt(at)
      if (found.type === 'batch') durableUpTo = found.header.durableUpTo
    }
    return durableUpTo
  }

  /** Calls `visit` for every stretch of blocks from `from` on that is not all zero. */
  eachWrittenStretch(from: number, visit: (at: number, length: number) => void): void {
    let at = from
    while (at < this.size) {
      const bytes = this.#bytes(at, BLOCK_BYTES)
      if (!isBlank(bytes)) visit(at, bytes.length)
      at += bytes.length
    }
  }

  isBlankFrom(from: number): boolean {
    let blank = true
    this.eachWrittenStretch(from, () => {
      blank = false
    })
    return blank
  }

  /** `length` bytes from `at` on, fewer at the end of the file. */
  #bytes(at: number, length: number): Uint8Array {
    const wanted = Math.min(length, this.size - at)
    const within = at - this.#windowAt
    if (within < 0 || within + wanted > this.#window.length) {
      this.#window = this.segment.file.read(at, Math.max(wanted, this.#windowBytes))
      this.#windowAt = at
      return this.#window.subarray(0, wanted)
    }
    return this.#window.subarray(within, within + wanted)
  }
}

function noHeader(block: Uint8Array): NoBatch {
  const blank = isBlank(block)
  const actual = blank ? 'zeros' : 'other bytes'
  return { type: 'none', blank, expected: 'the start of a batch', actual }
}

export function isBlank(bytes: Uint8Array): boolean {
  const words = bytes.byteOffset % 4 === 0 ? bytes.length >> 2 : 0
  if (words > 0) {
    const view = new Uint32Array(bytes.buffer, bytes.byteOffset, words)
    for (let i = 0; i < words; i++) if (view[i] !== 0) return false
  }
  for (let i = words * 4; i < bytes.length; i++) if (bytes[i] !== 0) return false
  return true
}

export function hex(checksum: number): string {
  return `0x${checksum.toString(16).padStart(8, '0')}`
}
