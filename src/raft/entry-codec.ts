/**
 * Entries as bytes: one layout for the log on disk and for append frames, so that an entry is laid
 * out by hand once and an index is never spelt out (it follows from the first one).
 *
 * | at | bytes | field |
 * | --- | --- | --- |
 * | 0 | 1 | type: 0 `noop`, 1 `command`, 2 `membership`, 3 `withheld` |
 * | 1 | 8 | term |
 * | 9 | 8 | clusterMs |
 * | 17 | 8 | wallMs |
 * | 25 | 4 | length of data |
 * | 29 | … | data |
 *
 * All little-endian, numbers of eight bytes are safe integers ≥ 0, entries follow one another
 * without gaps. There is no checksum here: the batch on disk and the frame have one.
 *
 * @module
 */
import { assert } from '../lib/assert.ts'
import { readSafeInt, writeSafeInt } from '../lib/safe-int.ts'
import type { Entry, EntryType, LogIndex } from './types.ts'

/** Bytes of an encoded entry beside its data. */
export const ENTRY_HEADER_BYTES = 29

/** Bytes that are no entries. Carries where in the given bytes. */
export class EntryCodecError extends Error {
  override readonly name = 'EntryCodecError'
  readonly at: number

  constructor(problem: string, at: number) {
    super(`${problem}, at byte ${at}`)
    this.at = at
  }
}

const TYPES: readonly EntryType[] = ['noop', 'command', 'membership', 'withheld']

/** How many bytes `encodeEntries` needs for one entry. */
export function entryBytes(entry: Entry): number {
  return ENTRY_HEADER_BYTES + entry.data.length
}

/** Encodes contiguous entries into an array of their own. */
export function encodeEntries(entries: readonly Entry[]): Uint8Array {
  let length = 0
  for (const entry of entries) length += entryBytes(entry)
  const bytes = new Uint8Array(length)
  encodeEntriesInto(entries, { bytes, at: 0, from: 0, to: entries.length })
  return bytes
}

/**
 * Encodes `entries[from]` to `entries[to - 1]` into `bytes` from `at` on, without another copy,
 * and returns where they end. The caller made room: `entryBytes` for each.
 */
export function encodeEntriesInto(
  entries: readonly Entry[],
  target: {
    readonly bytes: Uint8Array
    readonly at: number
    readonly from: number
    readonly to: number
  },
): number {
  const { bytes, from, to } = target
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = target.at
  let index = entries[from]?.index ?? 0
  for (let i = from; i < to; i++) {
    const entry = entries[i] as Entry
    assert(entry.index === index, 'entries are contiguous')
    bytes[at] = TYPES.indexOf(entry.type)
    writeSafeInt(view, at + 1, entry.term)
    writeSafeInt(view, at + 9, entry.clusterMs)
    writeSafeInt(view, at + 17, entry.wallMs)
    view.setUint32(at + 25, entry.data.length, true)
    bytes.set(entry.data, at + ENTRY_HEADER_BYTES)
    at += ENTRY_HEADER_BYTES + entry.data.length
    index += 1
  }
  return at
}

/**
 * Reads entries until `bytes` end, the first of them at index `first`. Throws `EntryCodecError`
 * on anything that `encodeEntries` cannot have written; hostile bytes cost no more than their
 * length. Each `data` is a view into `bytes`: safe to keep as long as nobody writes to `bytes`
 * again, and keeping one keeps the whole of `bytes`.
 */
export function decodeEntries(bytes: Uint8Array, first: LogIndex): Entry[] {
  assert(Number.isSafeInteger(first) && first >= 1, 'an entry has an index')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const entries: Entry[] = []
  let at = 0
  while (at < bytes.length) {
    const entry = decodeEntry(bytes, view, { at, index: first + entries.length })
    at += ENTRY_HEADER_BYTES + entry.data.length
    entries.push(entry)
  }
  return entries
}

function decodeEntry(
  bytes: Uint8Array,
  view: DataView,
  { at, index }: { readonly at: number; readonly index: LogIndex },
): Entry {
  const dataAt = at + ENTRY_HEADER_BYTES
  if (dataAt > bytes.length) throw new EntryCodecError('an entry ends within its header', at)
  if (!Number.isSafeInteger(index)) throw new EntryCodecError('an index is too large', at)
  const type = TYPES[view.getUint8(at)]
  if (type === undefined) throw new EntryCodecError('an unknown entry type', at)
  const term = readSafeInt(view, at + 1)
  const clusterMs = readSafeInt(view, at + 9)
  const wallMs = readSafeInt(view, at + 17)
  if (term === null || clusterMs === null || wallMs === null) {
    throw new EntryCodecError('a number of an entry is too large', at)
  }
  const length = view.getUint32(at + 25, true)
  if (length > bytes.length - dataAt) throw new EntryCodecError('an entry ends within its data', at)
  return { type, term, index, clusterMs, wallMs, data: bytes.subarray(dataAt, dataAt + length) }
}
