/**
 * MessagePack with the two functions of `@std/msgpack`, safe on hostile bytes.
 *
 * An unguarded decoder believes the lengths that it reads: the five bytes `dd 07ffffff` cost one
 * seconds and a gigabyte. So {@link decode} first walks over the bytes without building anything
 * and refuses what is too deep, declares more than is there, or could not be represented exactly.
 * {@link encode} refuses whatever {@link decode} would: what one node writes, all can read.
 *
 * @module
 */
import { Decoder, Encoder, type ExtensionCodecType } from '@msgpack/msgpack'
import { utf8Text } from './bytes.ts'

/** Bytes that are no acceptable MessagePack, or a value that has no MessagePack form. */
export class MsgpackError extends Error {
  override readonly name = 'MsgpackError'
}

/** Levels of a value, itself included: `[1]` has two. */
export const DEPTH_MAX = 16

/**
 * Arrays and maps in one text: one byte can stand for an empty one, which takes memory many times
 * over. Other values are bounded by the bytes that spell them.
 */
export const CONTAINERS_MAX = 1 << 18

/** An encoder keeps its buffer at the largest size it met; past this one it is replaced. */
const KEPT_BYTES_MAX = 1 << 20

/**
 * `value` as MessagePack: null, booleans, numbers, well-formed strings, `Uint8Array`, arrays and
 * plain objects of these. Throws {@link MsgpackError} on anything else.
 */
export function encode(value: unknown): Uint8Array {
  let bytes: Uint8Array
  try {
    checkEncodable(value)
    bytes = encoder.encode(value)
  } catch (cause) {
    if (cause instanceof MsgpackError) throw cause
    throw new MsgpackError('a value has no MessagePack form', { cause })
  }
  if (bytes.length > KEPT_BYTES_MAX) encoder = newEncoder()
  return bytes
}

/**
 * The value that `bytes` hold, all of them. Throws {@link MsgpackError}. A `Uint8Array` in it is
 * a view into `bytes` and keeps them alive.
 */
export function decode(bytes: Uint8Array): unknown {
  scan(bytes)
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw new MsgpackError('not MessagePack', { cause }) // A key `__proto__`.
  }
}

function refuse(reason: string): never {
  throw new MsgpackError(reason)
}

/** Called by the encoder for each array and object, before it looks inside. */
const noExtensions: ExtensionCodecType<undefined> = {
  tryToEncode(value) {
    if (Array.isArray(value)) {
      for (const item of value) checkEncodable(item)
    } else if (!(value instanceof Uint8Array)) {
      checkObject(value as object)
    }
    return null
  },
  decode: () => refuse('extension types are not used'),
}

function checkObject(value: object): void {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) refuse('not a plain object')
  for (const [key, item] of Object.entries(value)) {
    if (key === '__proto__') refuse('a key __proto__')
    checkEncodable(key)
    checkEncodable(item)
  }
}

function checkEncodable(value: unknown): void {
  if (typeof value === 'string') {
    if (!value.isWellFormed()) refuse('a string with half a surrogate pair')
  } else if (value === undefined) {
    refuse('undefined has no MessagePack form')
  }
}

function newEncoder(): Encoder<undefined> {
  return new Encoder({ extensionCodec: noExtensions, maxDepth: DEPTH_MAX })
}

let encoder = newEncoder()
const decoder = new Decoder({ extensionCodec: noExtensions })

/** What a head byte announces: that many more bytes, or one of these. */
const REFUSED = 255
const STR = 254
const BIN = 253
const ARRAY = 252
const MAP = 251
const INT64 = 250

const HEADS = headTable()

function headTable(): Uint8Array {
  const heads = new Uint8Array(256).fill(REFUSED)
  heads.fill(0, 0x00, 0x80) // positive fixint
  heads.fill(MAP, 0x80, 0x90).fill(ARRAY, 0x90, 0xa0).fill(STR, 0xa0, 0xc0)
  heads.fill(0, 0xe0, 0x100) // negative fixint
  heads.fill(0, 0xc0, 0xc1).fill(0, 0xc2, 0xc4) // nil, false, true
  heads.fill(BIN, 0xc4, 0xc7)
  heads.set([4, 8, 1, 2, 4, INT64, 1, 2, 4, INT64], 0xca) // floats, uints, ints
  heads.fill(STR, 0xd9, 0xdc).fill(ARRAY, 0xdc, 0xde).fill(MAP, 0xde, 0xe0)
  return heads
}

/** Values still to come in each open container, and whether it is a map. Reused by every scan. */
const left: number[] = Array.from({ length: DEPTH_MAX }, () => 0)
const inMap: boolean[] = Array.from({ length: DEPTH_MAX }, () => false)

/** Refuses what {@link decode} must not see. Allocates nothing; linear in the bytes. */
function scan(bytes: Uint8Array): void {
  let at = 0
  let depth = 0
  let containers = 0
  do {
    if (at >= bytes.length) refuse('cut short')
    if (depth >= DEPTH_MAX) refuse(`deeper than ${DEPTH_MAX} levels`)
    const head = bytes[at++] as number
    const kind = HEADS[head] as number
    const isKey = depth > 0 && inMap[depth - 1] === true && (left[depth - 1] as number) % 2 === 0
    if (isKey && kind !== STR) refuse('a key that is no string')

    if (kind === ARRAY || kind === MAP) {
      if (++containers > CONTAINERS_MAX) refuse(`more than ${CONTAINERS_MAX} containers`)
      const width = containerWidth(head)
      const count = width === 0 ? head & 0x0f : readLength(bytes, at, width)
      at += width
      const children = kind === MAP ? count * 2 : count
      if (children > bytes.length - at) refuse('declares more values than there are bytes')
      if (children > 0) {
        left[depth] = children
        inMap[depth] = kind === MAP
        depth += 1
        continue
      }
    } else {
      at = scanScalar(bytes, at, { head, kind })
    }
    depth = closeFull(depth)
  } while (depth > 0)
  if (at !== bytes.length) refuse('bytes after the value')
}

/** A value ended: the depth that remains once the containers that it filled are closed. */
function closeFull(depth: number): number {
  while (depth > 0) {
    const rest = (left[depth - 1] as number) - 1
    left[depth - 1] = rest
    if (rest > 0) break
    depth -= 1
  }
  return depth
}

/** How many bytes the count of an array or map takes. */
function containerWidth(head: number): number {
  if (head < 0xa0) return 0
  return head === 0xdc || head === 0xde ? 2 : 4
}

/** Where the scalar whose head byte stands before `at` ends. */
function scanScalar(
  bytes: Uint8Array,
  at: number,
  { head, kind }: { readonly head: number; readonly kind: number },
): number {
  if (kind === REFUSED) refuse('a reserved or extension type')
  if (kind === INT64) return scanInt64(bytes, at, head === 0xd3)
  if (kind !== STR && kind !== BIN) return skip(bytes, at, kind)
  const width = blobWidth(head)
  const length = width === 0 ? head & 0x1f : readLength(bytes, at, width)
  const end = skip(bytes, at + width, length)
  if (kind === STR && !isUtf8(bytes, at + width, end)) refuse('a string that is no UTF-8')
  return end
}

function skip(bytes: Uint8Array, at: number, length: number): number {
  if (length > bytes.length - at) refuse('declares more bytes than there are')
  return at + length
}

/** How many bytes the length of a str or bin takes. */
function blobWidth(head: number): number {
  if (head < 0xc0) return 0
  if (head === 0xd9 || head === 0xc4) return 1
  return head === 0xda || head === 0xc5 ? 2 : 4
}

function readLength(bytes: Uint8Array, at: number, width: number): number {
  skip(bytes, at, width)
  let length = 0
  for (let i = 0; i < width; i++) length = length * 256 + (bytes[at + i] as number)
  return length
}

/** A 64-bit integer outside ±(2^53 − 1) would be rounded silently. */
function scanInt64(bytes: Uint8Array, at: number, signed: boolean): number {
  const end = skip(bytes, at, 8)
  const unsignedHigh = readLength(bytes, at, 4)
  const high = signed ? unsignedHigh | 0 : unsignedHigh
  const value = high * 0x100000000 + readLength(bytes, at + 4, 4)
  if (!Number.isSafeInteger(value)) refuse('an integer beyond 2^53')
  return end
}

function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    if ((bytes[i] as number) >= 0x80) return utf8Text(bytes.subarray(i, end)) !== null
  }
  return true
}
