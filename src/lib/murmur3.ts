/**
 * MurmurHash3, the 32-bit variant for x86 with seed 0: spreads names evenly over buckets, and every
 * language has it, so that others can compute what we compute. Not for secrets.
 */

/** An unsigned 32-bit number. */
export function murmur3(bytes: Uint8Array): number {
  const whole = bytes.length & ~3
  let h = 0
  for (let i = 0; i < whole; i += 4) {
    h ^= mixed(wordAt(bytes, i, 4))
    h = (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0
  }
  if (whole < bytes.length) h ^= mixed(wordAt(bytes, whole, bytes.length - whole))
  return finished(h ^ bytes.length) >>> 0
}

/** Up to four bytes, the first one lowest. */
function wordAt(bytes: Uint8Array, at: number, length: number): number {
  let word = 0
  for (let i = 0; i < length; i++) word |= (bytes[at + i] as number) << (8 * i)
  return word
}

function mixed(word: number): number {
  const k = Math.imul(word, 0xcc9e2d51)
  return Math.imul((k << 15) | (k >>> 17), 0x1b873593)
}

/** Every input bit reaches every output bit. */
function finished(hash: number): number {
  let h = hash ^ (hash >>> 16)
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return h ^ (h >>> 16)
}
