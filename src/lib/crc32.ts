import { crc32 as nativeCrc32 } from 'node:zlib'

/**
 * CRC-32 (IEEE 802.3, as in gzip) of `bytes`: a whole number in `[0, 2^32)`. The native one, many
 * times faster than any in JavaScript. It finds accidents, not attacks: no hash. `seed` is the
 * checksum of the bytes that stand before these.
 */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return nativeCrc32(bytes, seed)
}
