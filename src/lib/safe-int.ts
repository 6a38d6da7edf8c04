import { assert } from './assert.ts'

const HIGH = 0x1_0000_0000
/** The high word of `Number.MAX_SAFE_INTEGER`. */
const HIGH_MAX = 0x1f_ffff

/** Writes a safe integer ≥ 0 as eight bytes, little-endian. */
export function writeSafeInt(view: DataView, at: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, 'a stored number is a safe integer ≥ 0')
  view.setUint32(at, value >>> 0, true) // `>>>` takes the value modulo 2^32.
  view.setUint32(at + 4, Math.floor(value / HIGH), true)
}

/** Reads what `writeSafeInt` wrote; null where the eight bytes spell more than a safe integer. */
export function readSafeInt(view: DataView, at: number): number | null {
  const high = view.getUint32(at + 4, true)
  if (high > HIGH_MAX) return null
  return high * HIGH + view.getUint32(at, true)
}
