/**
 * Values out of MessagePack that is known to be acceptable: `msgpack.ts` has looked at every byte of
 * it before. A general decoder makes a view and a state for each value, which took longer than reading
 * the few fields of an entry does.
 */
import { EMPTY_BYTES, utf8Text } from './bytes.ts'

/** Longer texts are left to the runtime, which is faster there. */
const SHORT_TEXT = 48

// What is being read. Module state rather than fields: nothing in here can suspend.
let source: Uint8Array = EMPTY_BYTES
let at = 0
const real = new DataView(new ArrayBuffer(8))

/** Bytes that are no acceptable MessagePack, or a value that has no MessagePack form. */
export class MsgpackError extends Error {
  override readonly name = 'MsgpackError'
}

/** The value that `bytes` hold. Throws {@link MsgpackError} for a key `__proto__`, nothing else. */
export function build(bytes: Uint8Array): unknown {
  source = bytes
  at = 0
  try {
    return item()
  } finally {
    source = EMPTY_BYTES // A frame is not kept alive by having been read.
  }
}

function item(): unknown {
  const head = source[at++] as number
  if (head < 0x80) return head
  if (head >= 0xe0) return head - 0x100
  if (head < 0x90) return map(head & 0x0f)
  if (head < 0xa0) return array(head & 0x0f)
  if (head < 0xc0) return text(head & 0x1f)
  if (head < 0xc4) return head === 0xc0 ? null : head === 0xc3
  if (head < 0xc7) return blob(whole(1 << (head - 0xc4)))
  if (head < 0xd4) return number(head)
  if (head < 0xdc) return text(whole(1 << (head - 0xd9)))
  const count = whole(head % 2 === 0 ? 2 : 4)
  return head < 0xde ? array(count) : map(count)
}

function number(head: number): number {
  switch (head) {
    case 0xca:
      return fraction(4)
    case 0xcb:
      return fraction(8)
    case 0xd0:
      return (whole(1) << 24) >> 24
    case 0xd1:
      return (whole(2) << 16) >> 16
    case 0xd2:
      return whole(4) | 0
    case 0xd3:
      return (whole(4) | 0) * 0x1_0000_0000 + whole(4)
    default:
      return whole(1 << (head - 0xcc))
  }
}

/** An unsigned integer of that many bytes, below 2^53. */
function whole(width: number): number {
  let value = 0
  for (let i = 0; i < width; i++) value = value * 256 + (source[at++] as number)
  return value
}

function fraction(width: 4 | 8): number {
  for (let i = 0; i < width; i++) real.setUint8(i, source[at++] as number)
  return width === 4 ? real.getFloat32(0) : real.getFloat64(0)
}

function blob(length: number): Uint8Array {
  at += length
  return source.subarray(at - length, at)
}

function text(length: number): string {
  const start = at
  const end = (at += length)
  if (length > SHORT_TEXT) return decoded(start, end)
  const units: number[] = []
  for (let i = start; i < end; i++) {
    const unit = source[i] as number
    if (unit >= 0x80) return decoded(start, end)
    units.push(unit)
  }
  return String.fromCharCode.apply(null, units)
}

function decoded(start: number, end: number): string {
  return utf8Text(source.subarray(start, end)) ?? '' // It was looked at before.
}

function array(count: number): unknown[] {
  const items: unknown[] = []
  for (let i = 0; i < count; i++) items.push(item())
  return items
}

function map(count: number): Record<string, unknown> {
  const object: Record<string, unknown> = {}
  for (let i = 0; i < count; i++) {
    const key = item() as string
    if (key === '__proto__') throw new MsgpackError('a key __proto__')
    object[key] = item()
  }
  return object
}
