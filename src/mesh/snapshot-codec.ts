/** What is said on a stream: parts of a snapshot are asked for, and given. */
import { decode, encode, MsgpackError } from '../lib/msgpack.ts'
import type { EntryId } from '../raft/types.ts'
import { CodecError, Fields } from './fields.ts'

/** Bytes of one part. Large enough to be quick, small enough that nothing waits for it long. */
export const PIECE_BYTES = 512 * 1024

const SHA256_BYTES = 32

/** `fetch`: some bytes of the snapshot of that entry. */
export interface FetchRequest {
  readonly snapshot: EntryId
  readonly offset: number
}

/** `piece`: some bytes, and what all of them together must be. */
export interface Piece {
  readonly offset: number
  readonly bytes: Uint8Array
  readonly totalBytes: number
  readonly sha256: Uint8Array
}

export function encodeFetch({ snapshot, offset }: FetchRequest): Uint8Array {
  return encode([snapshot.index, snapshot.term, offset])
}

export function decodeFetch(payload: Uint8Array): FetchRequest {
  const fields = fieldsOf(payload)
  const request = { snapshot: { index: fields.int(), term: fields.int() }, offset: fields.int() }
  fields.end()
  return request
}

export function encodePiece(piece: Piece): Uint8Array {
  return encode([piece.offset, piece.totalBytes, piece.sha256, piece.bytes])
}

export function decodePiece(payload: Uint8Array): Piece {
  const fields = fieldsOf(payload)
  const [offset, totalBytes] = [fields.int(), fields.int()]
  const [sha256, bytes] = [fields.bytes(), fields.bytes()]
  fields.end()
  if (sha256.length !== SHA256_BYTES) throw new CodecError('not a SHA-256')
  if (bytes.length === 0 || bytes.length > PIECE_BYTES || offset + bytes.length > totalBytes) {
    throw new CodecError('a piece outside of its snapshot')
  }
  return { offset, bytes, totalBytes, sha256 }
}

/** `gone`: the snapshot of that entry is not here, or not any more. */
export function encodeGone(snapshot: EntryId): Uint8Array {
  return encode([snapshot.index, snapshot.term])
}

function fieldsOf(payload: Uint8Array): Fields {
  try {
    return new Fields(decode(payload))
  } catch (cause) {
    if (cause instanceof MsgpackError) throw new CodecError(cause.message, { cause })
    throw cause
  }
}
