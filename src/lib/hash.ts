/**
 * A 64-bit multiset hash in plain 32-bit arithmetic: two lanes, no bigint, the same result on
 * every machine. Not for secrets and not against adversaries: it compares replicas.
 *
 * Each member of the multiset is hashed alone (a MurmurHash3 body per lane, with different
 * constants) and the members' hashes are added up modulo 2^32 per lane. Adding and subtracting
 * commute, so the sum does not depend on the order in which members came and went.
 *
 * @module
 */

/** A value that can be a member's part. Safe integers and fractions are both told apart. */
export type HashValue = string | number | Uint8Array | null

const TAG_NULL = 0x6e
const TAG_INT = 0x69
const TAG_REAL = 0x72
const TAG_TEXT = 0x74
const TAG_BYTES = 0x62

const TWO_32 = 0x1_0000_0000
const real = new DataView(new ArrayBuffer(8))

// The lanes of the member being hashed. Module state rather than fields: this is the inner loop
// of every write, nothing in it can suspend, and `memberHash` always begins from the seeds.
let a = 0
let b = 0

function word(w: number): void {
  let k = Math.imul(w, 0xcc9e2d51)
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593)
  a ^= k
  a = (Math.imul((a << 13) | (a >>> 19), 5) + 0xe6546b64) | 0
  k = Math.imul(w, 0x239b961b)
  k = Math.imul((k << 16) | (k >>> 16), 0xab0e9789)
  b ^= k
  b = (Math.imul((b << 15) | (b >>> 17), 5) + 0x561ccd1b) | 0
}

function text(value: string): void {
  const length = value.length
  word(TAG_TEXT)
  word(length)
  const even = length & ~1
  for (let i = 0; i < even; i += 2) word(value.charCodeAt(i) | (value.charCodeAt(i + 1) << 16))
  if (even < length) word(value.charCodeAt(even))
}

function bytes(value: Uint8Array): void {
  const length = value.length
  word(TAG_BYTES)
  word(length)
  const whole = length & ~3
  for (let i = 0; i < whole; i += 4) {
    word(
      (value[i] as number) |
        ((value[i + 1] as number) << 8) |
        ((value[i + 2] as number) << 16) |
        ((value[i + 3] as number) << 24),
    )
  }
  let tail = 0
  for (let i = whole; i < length; i++) tail |= (value[i] as number) << (8 * (i - whole))
  if (whole < length) word(tail)
}

function number(value: number): void {
  if (Number.isSafeInteger(value)) {
    word(TAG_INT)
    word(value | 0) // The low 32 bits, also of what lies beyond them.
    word(Math.floor(value / TWO_32) | 0)
    return
  }
  word(TAG_REAL)
  real.setFloat64(0, value, true)
  word(real.getInt32(0, true))
  word(real.getInt32(4, true))
}

/** MurmurHash3's finalizer: every input bit reaches every output bit. */
function finish(h: number): number {
  h ^= h >>> 16
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/** Hashes one member into the lanes. `set` separates members of different kinds. */
function memberHash(set: number, values: readonly HashValue[]): void {
  a = 0x9747b28c | 0
  b = 0x3c6ef372
  word(set)
  for (const value of values) {
    if (value === null) word(TAG_NULL)
    else if (typeof value === 'string') text(value)
    else if (typeof value === 'number') number(value)
    else bytes(value)
  }
  a = finish(a ^ values.length)
  b = finish(b ^ values.length)
}

/** The sum over a multiset of rows. Two equal sums mean equal multisets but for chance (2^-64). */
export class MultisetHash {
  #a: number
  #b: number

  /** Goes on from `lanes` of an earlier sum; both 0: the empty multiset. */
  constructor(lanes: { readonly a: number; readonly b: number } = { a: 0, b: 0 }) {
    this.#a = lanes.a | 0
    this.#b = lanes.b | 0
  }

  add(set: number, values: readonly HashValue[]): void {
    memberHash(set, values)
    this.#a = (this.#a + a) | 0
    this.#b = (this.#b + b) | 0
  }

  /** The exact inverse of `add`. The member must be in the multiset: nobody can check that. */
  subtract(set: number, values: readonly HashValue[]): void {
    memberHash(set, values)
    this.#a = (this.#a - a) | 0
    this.#b = (this.#b - b) | 0
  }

  /** Goes back to an earlier sum: what was added and subtracted since has not happened. */
  restore(lanes: { readonly a: number; readonly b: number }): void {
    this.#a = lanes.a | 0
    this.#b = lanes.b | 0
  }

  /** Signed 32-bit lanes, to be stored. */
  get lanes(): { readonly a: number; readonly b: number } {
    return { a: this.#a, b: this.#b }
  }

  /** 16 hexadecimal digits. */
  hex(): string {
    return lane(this.#a) + lane(this.#b)
  }
}

function lane(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0')
}
