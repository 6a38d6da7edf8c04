/**
 * The batch: what one `write` and one fdatasync bring to disk.
 *
 * | at | bytes | field |
 * | --- | --- | --- |
 * | 0 | 4 | magic `RCWB` |
 * | 4 | 4 | CRC-32 of everything from byte 8 to the end of the payload |
 * | 8 | 2 | format version |
 * | 10 | 2 | 0 |
 * | 12 | 4 | length of the payload |
 * | 16 | 8 | sequence: 1 for the first batch of the log, then one more each, over all segments |
 * | 24 | 4 | segment number |
 * | 28 | 4 | salt of this log |
 * | 32 | 8 | `durableUpTo`: sequence of the last batch whose fdatasync had completed; 0 for none |
 * | 40 | 4 | checksum of the predecessor; 0 for the first |
 * | 44 | 4 | 0 |
 * | 48 | … | payload: records, see `records.ts` |
 *
 * Little-endian. A batch starts on a block of 4 KiB and is padded to the next one with zeros.
 *
 * @module
 */
import { assert } from '../lib/assert.ts'
import { crc32 } from '../lib/crc32.ts'
import { readSafeInt, writeSafeInt } from '../lib/safe-int.ts'

/**
 * What batches are aligned to: a page, and the physical sector of today's drives. A smaller unit
 * would put the end of an acknowledged batch and the start of the next into one page, and writing
 * the second could then tear the first. The kernel writes whole pages anyway: with 300-byte
 * batches, 512 and 4,096 made no difference to fdatasyncs per second (DESIGN.md).
 */
export const BLOCK_BYTES = 4_096
export const HEADER_BYTES = 48
export const FORMAT_VERSION = 1

const MAGIC = 0x42574352 // "RCWB"
const CHECKED_FROM = 8

export interface BatchHeader {
  readonly formatVersion: number
  readonly payloadBytes: number
  readonly sequence: number
  readonly segment: number
  /**
   * Drawn when the log was made, told to nobody. A search beyond damage looks at every block, also
   * at those that hold clients' bytes: without it a client could store what looks like a batch.
   */
  readonly salt: number
  readonly durableUpTo: number
  readonly predecessor: number
}

/** Bytes on disk of a batch with this much payload. */
export function batchBytes(payloadBytes: number): number {
  return roundUp(HEADER_BYTES + payloadBytes)
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES
}

export function roundDown(bytes: number): number {
  return Math.floor(bytes / BLOCK_BYTES) * BLOCK_BYTES
}

/** Writes the header in front of the payload that is there already. Returns the checksum. */
export function seal(bytes: Uint8Array, header: BatchHeader): number {
  const end = HEADER_BYTES + header.payloadBytes
  assert(end <= bytes.length, 'the payload is in the buffer')
  assert(header.durableUpTo < header.sequence, 'no batch knows itself durable')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  view.setUint32(0, MAGIC, true)
  view.setUint16(8, header.formatVersion, true)
  view.setUint16(10, 0, true)
  view.setUint32(12, header.payloadBytes, true)
  writeSafeInt(view, 16, header.sequence)
  view.setUint32(24, header.segment, true)
  view.setUint32(28, header.salt, true)
  writeSafeInt(view, 32, header.durableUpTo)
  view.setUint32(40, header.predecessor, true)
  view.setUint32(44, 0, true)
  const checksum = crc32(bytes.subarray(CHECKED_FROM, end))
  view.setUint32(4, checksum, true)
  return checksum
}

export interface ReadHeader extends BatchHeader {
  /** As stored; whether it fits is for `checksumOf` to say. */
  readonly checksum: number
}

/** The header at the start of `bytes`, not yet verified; null where there cannot be one. */
export function readHeader(bytes: Uint8Array): ReadHeader | null {
  if (bytes.length < HEADER_BYTES) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint32(0, true) !== MAGIC) return null
  const sequence = readSafeInt(view, 16)
  const durableUpTo = readSafeInt(view, 32)
  if (sequence === null || durableUpTo === null) return null
  return {
    checksum: view.getUint32(4, true),
    formatVersion: view.getUint16(8, true),
    payloadBytes: view.getUint32(12, true),
    sequence,
    segment: view.getUint32(24, true),
    salt: view.getUint32(28, true),
    durableUpTo,
    predecessor: view.getUint32(40, true),
  }
}

/** The checksum that a batch with this much payload should carry. */
export function checksumOf(bytes: Uint8Array, payloadBytes: number): number {
  return crc32(bytes.subarray(CHECKED_FROM, HEADER_BYTES + payloadBytes))
}
