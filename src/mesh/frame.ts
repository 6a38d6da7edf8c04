/**
 * The frame: one WebSocket message between two nodes.
 *
 * ```
 * 0      2         3      4        8      12
 * | "Rc" | version | type | length | CRC-32 | payload … |
 * ```
 * Integers are big-endian; `length` counts the payload; the checksum covers the eight bytes before
 * it and the payload, so that no single damaged bit passes. All of it is checked before anything
 * is decoded. The layout of the header, of `refuse` and of the first item of `hello` is the same
 * in all versions: nodes that cannot talk can still say why.
 *
 * | type | from → to | payload |
 * | --- | --- | --- |
 * | hello | both | identity and nonce (`handshake.ts`) |
 * | proof | both | MAC over both hellos |
 * | welcome | dialer → acceptor | none: the acceptor's proof was accepted |
 * | refuse | both | the reason, UTF-8; the link is closed after it |
 * | messages | both | peer messages (`codec.ts`) |
 * | ping, pong | both | a number, echoed |
 * | stream_hello | dialer | as `hello`: opens a stream, a link beside the peers' (`streams.ts`) |
 * | dial_back | peer → one that only dials | none: it is asked to open a stream |
 * | fetch, piece, gone | on a stream | parts of a snapshot (`snapshot-codec.ts`) |
 */
import { assert } from '../lib/assert.ts'
import { crc32 } from '../lib/crc32.ts'

/** Of what follows the handshake. Two nodes talk only at the same version. */
export const PROTOCOL_VERSION = 1

export type FrameType =
  | 'hello'
  | 'proof'
  | 'welcome'
  | 'refuse'
  | 'messages'
  | 'ping'
  | 'pong'
  | 'stream_hello'
  | 'dial_back'
  | StreamFrameType

/** What a stream carries once it is up. */
export type StreamFrameType = 'fetch' | 'piece' | 'gone'

export interface Frame {
  /** Differs from {@link PROTOCOL_VERSION} in a hello or a refusal only. */
  readonly version: number
  readonly type: FrameType
  /** A view into the frame. */
  readonly payload: Uint8Array
}

/** Bytes that are no frame; the link that brought them is closed. */
export class FrameError extends Error {
  override readonly name = 'FrameError'
}

export const HEADER_BYTES = 12

/** Largest payload after the handshake: eight of the core's largest appends. */
export const PAYLOAD_BYTES_MAX = 8 * 1024 * 1024

/** Largest payload of a stranger. A hello carries a few names and an address or two. */
export const HANDSHAKE_BYTES_MAX = 8 * 1024

/** Of a whole frame, for the WebSocket's own bound. */
export const FRAME_BYTES_MAX = HEADER_BYTES + PAYLOAD_BYTES_MAX

const MAGIC_0 = 0x52 // "Rc"
const MAGIC_1 = 0x63

/** The position is the number on the wire, counted from 1: never reorder. */
const TYPES: readonly FrameType[] = [
  'hello',
  'proof',
  'welcome',
  'refuse',
  'messages',
  'ping',
  'pong',
  'stream_hello',
  'fetch',
  'piece',
  'gone',
  'dial_back',
]

/** Those which a node of another version may send. */
const TIMELESS: ReadonlySet<FrameType> = new Set(['hello', 'stream_hello', 'refuse'])

/** A frame whose payload is `parts` in order. */
export function encodeFrame(
  type: FrameType,
  parts: readonly Uint8Array[],
  version: number = PROTOCOL_VERSION,
): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  assert(length <= PAYLOAD_BYTES_MAX, 'a frame has a bound')
  const frame = new Uint8Array(HEADER_BYTES + length)
  const view = new DataView(frame.buffer)
  view.setUint8(0, MAGIC_0)
  view.setUint8(1, MAGIC_1)
  view.setUint8(2, version)
  view.setUint8(3, TYPES.indexOf(type) + 1)
  view.setUint32(4, length)
  let at = HEADER_BYTES
  for (const part of parts) {
    frame.set(part, at)
    at += part.length
  }
  view.setUint32(8, checksum(frame))
  return frame
}

/**
 * Takes a frame apart. Nothing of the payload is looked at before its length and its checksum
 * fit. Throws {@link FrameError}.
 */
export function decodeFrame(frame: Uint8Array, payloadBytesMax: number): Frame {
  if (frame.length < HEADER_BYTES) throw new FrameError('a frame shorter than its header')
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  if (view.getUint8(0) !== MAGIC_0 || view.getUint8(1) !== MAGIC_1) {
    throw new FrameError('not a frame of this protocol')
  }
  const length = view.getUint32(4)
  if (length > payloadBytesMax) throw new FrameError(`a frame over ${payloadBytesMax} bytes`)
  if (length !== frame.length - HEADER_BYTES) throw new FrameError('a frame of another length')
  if (view.getUint32(8) !== checksum(frame)) throw new FrameError('a frame with a bad checksum')

  const type = TYPES[view.getUint8(3) - 1]
  if (type === undefined) throw new FrameError('a frame of an unknown type')
  const version = view.getUint8(2)
  if (version !== PROTOCOL_VERSION && !TIMELESS.has(type)) {
    throw new FrameError('a frame of another version')
  }
  return { version, type, payload: frame.subarray(HEADER_BYTES) }
}

function checksum(frame: Uint8Array): number {
  return crc32(frame.subarray(HEADER_BYTES), crc32(frame.subarray(0, 8)))
}
