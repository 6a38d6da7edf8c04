/**
 * Records: what the payload of a batch is made of. Each has a kind (one byte), a length (four) and
 * a body. An empty payload is a batch too: it only records `durableUpTo`.
 *
 * | kind | body |
 * | --- | --- |
 * | 1 identity | node id, incarnation, cluster id or null, format version, `data` or `witness` |
 * | 2 hard state | term, promiseMs, voted for or null |
 * | 3 entries | first index, then entries as in `raft/entry-codec.ts` |
 * | 4 snapshot | index and term of the entry that the log starts after |
 * | 5 segment | index and term of the last entry before this segment |
 *
 * Texts are a length (u16, 0xffff for null) and UTF-8. An unknown kind is refused: whatever it
 * means, skipping it would mean something else.
 *
 * @module
 */
import { assert, unreachable } from '../lib/assert.ts'
import { utf8, utf8Text } from '../lib/bytes.ts'
import { readSafeInt, writeSafeInt } from '../lib/safe-int.ts'
import { decodeEntries, EntryCodecError } from '../raft/mod.ts'
import type { Entry, EntryId, HardState, Incarnation, LogIndex, NodeId } from '../raft/mod.ts'

/** Whose log this is (DESIGN §7). */
export interface Identity {
  readonly nodeId: NodeId
  readonly incarnation: Incarnation
  /** Null until the cluster is founded or joined. */
  readonly clusterId: string | null
  readonly formatVersion: number
  /** Of a witness, whose entries have no payloads: it never becomes the log of a data node. */
  readonly witness: boolean
}

export type LogRecord =
  | { readonly type: 'identity'; readonly identity: Identity }
  | { readonly type: 'hard_state'; readonly hardState: HardState }
  | { readonly type: 'entries'; readonly first: LogIndex; readonly entries: readonly Entry[] }
  | { readonly type: 'snapshot'; readonly snapshot: EntryId }
  | { readonly type: 'segment'; readonly last: EntryId }

/** All but entries: those are laid out straight into the batch. */
export type SmallRecord = Exclude<LogRecord, { type: 'entries' }>

/** A batch whose checksum fits and whose payload is not ours. */
export class RecordError extends Error {
  override readonly name = 'RecordError'
}

export const RECORD_HEADER_BYTES = 5
/** In front of the entries of an entries record. */
export const ENTRIES_HEADER_BYTES = RECORD_HEADER_BYTES + 8
export const KIND = { identity: 1, hard_state: 2, entries: 3, snapshot: 4, segment: 5 } as const

/** Longest text in a record. */
const TEXT_BYTES_MAX = 1_024
const NULL_TEXT = 0xffff
/** Whose log it is. */
const DATA = 'data'
const WITNESS = 'witness'

/** The bytes of one record, header included. */
export function encodeRecord(record: SmallRecord): Uint8Array {
  switch (record.type) {
    case 'identity': {
      const { nodeId, incarnation, clusterId, formatVersion, witness } = record.identity
      assert(formatVersion >= 0 && formatVersion < 0x10000, 'a format version is small')
      return encodeBody(KIND.identity, {
        texts: [nodeId, incarnation, clusterId, String(formatVersion), witness ? WITNESS : DATA],
      })
    }
    case 'hard_state': {
      const { term, promiseMs, votedFor } = record.hardState
      return encodeBody(KIND.hard_state, { numbers: [term, promiseMs], texts: [votedFor] })
    }
    case 'snapshot':
      return encodeBody(KIND.snapshot, { numbers: [record.snapshot.index, record.snapshot.term] })
    case 'segment':
      return encodeBody(KIND.segment, { numbers: [record.last.index, record.last.term] })
    default:
      return unreachable(record)
  }
}

function encodeBody(
  kind: number,
  body: { readonly numbers?: readonly number[]; readonly texts?: readonly (string | null)[] },
): Uint8Array {
  const numbers = body.numbers ?? []
  const texts = (body.texts ?? []).map((text) => (text === null ? null : utf8(text)))
  let length = numbers.length * 8
  for (const text of texts) {
    assert(text === null || text.length <= TEXT_BYTES_MAX, 'a text in a record is short')
    length += 2 + (text?.length ?? 0)
  }
  const bytes = new Uint8Array(RECORD_HEADER_BYTES + length)
  const view = new DataView(bytes.buffer)
  let at = writeRecordHeader(bytes, { at: 0, kind, length })
  for (const value of numbers) {
    writeSafeInt(view, at, value)
    at += 8
  }
  for (const text of texts) {
    view.setUint16(at, text?.length ?? NULL_TEXT, true)
    if (text !== null) bytes.set(text, at + 2)
    at += 2 + (text?.length ?? 0)
  }
  assert(at === bytes.length, 'a record is as long as it says')
  return bytes
}

/** Returns where the body starts. */
export function writeRecordHeader(
  bytes: Uint8Array,
  record: { readonly at: number; readonly kind: number; readonly length: number },
): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  view.setUint8(record.at, record.kind)
  view.setUint32(record.at + 1, record.length, true)
  return record.at + RECORD_HEADER_BYTES
}

/** Reads a whole payload; throws `RecordError` on anything that we cannot have written. */
export function decodeRecords(payload: Uint8Array): LogRecord[] {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength)
  const records: LogRecord[] = []
  let at = 0
  while (at < payload.length) {
    const bodyAt = at + RECORD_HEADER_BYTES
    if (bodyAt > payload.length) throw new RecordError('a record ends within its header')
    const length = view.getUint32(at + 1, true)
    if (length > payload.length - bodyAt) throw new RecordError('a record ends within its body')
    records.push(decodeBody(view.getUint8(at), payload.subarray(bodyAt, bodyAt + length)))
    at = bodyAt + length
  }
  return records
}

function decodeBody(kind: number, bytes: Uint8Array): LogRecord {
  const body = new Body(bytes)
  switch (kind) {
    case KIND.identity: {
      const identity = {
        nodeId: body.someText(),
        incarnation: body.someText(),
        clusterId: body.text(),
        formatVersion: Number(body.someText()),
        witness: readKind(body.someText()),
      }
      if (!Number.isInteger(identity.formatVersion)) throw new RecordError('no format version')
      return body.end({ type: 'identity', identity })
    }
    case KIND.hard_state: {
      const hardState = { term: body.number(), promiseMs: body.number(), votedFor: body.text() }
      return body.end({ type: 'hard_state', hardState })
    }
    case KIND.entries:
      return decodeEntriesRecord(body.number(), body.rest())
    case KIND.snapshot:
      return body.end({ type: 'snapshot', snapshot: { index: body.number(), term: body.number() } })
    case KIND.segment:
      return body.end({ type: 'segment', last: { index: body.number(), term: body.number() } })
    default:
      throw new RecordError(`an unknown kind of record: ${kind}`)
  }
}

function readKind(text: string): boolean {
  if (text !== DATA && text !== WITNESS) throw new RecordError('a log of no known kind')
  return text === WITNESS
}

function decodeEntriesRecord(first: LogIndex, bytes: Uint8Array): LogRecord {
  if (first < 1) throw new RecordError('entries start at index 0')
  try {
    const entries = decodeEntries(bytes, first)
    if (entries.length === 0) throw new RecordError('an entries record without entries')
    return { type: 'entries', first, entries }
  } catch (error) {
    if (!(error instanceof EntryCodecError)) throw error
    throw new RecordError(error.message, { cause: error })
  }
}

/** Reads the fields of one body in order. */
class Body {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  number(): number {
    const at = this.#take(8)
    const value = readSafeInt(this.#view, at)
    if (value === null) throw new RecordError('a number of a record is too large')
    return value
  }

  text(): string | null {
    const length = this.#view.getUint16(this.#take(2), true)
    if (length === NULL_TEXT) return null
    if (length > TEXT_BYTES_MAX) throw new RecordError('a text of a record is too long')
    const at = this.#take(length)
    const text = utf8Text(this.#bytes.subarray(at, at + length))
    if (text === null) throw new RecordError('a text of a record is not UTF-8')
    return text
  }

  someText(): string {
    const text = this.text()
    if (text === null || text === '') throw new RecordError('a text of a record is missing')
    return text
  }

  rest(): Uint8Array {
    return this.#bytes.subarray(this.#at)
  }

  end(record: LogRecord): LogRecord {
    if (this.#at !== this.#bytes.length) throw new RecordError('a record is longer than it should')
    return record
  }

  #take(length: number): number {
    const at = this.#at
    if (length > this.#bytes.length - at) throw new RecordError('a record is too short')
    this.#at += length
    return at
  }
}
