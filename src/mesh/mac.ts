/** The real chance and the real MAC. The simulator brings its own. */
import { createHmac, randomBytes } from 'node:crypto'

/** HMAC-SHA-256. An empty secret is allowed: a cluster on loopback has none (DESIGN §9). */
export function hmacSha256(secret: Uint8Array, bytes: Uint8Array): Uint8Array {
  return plain(createHmac('sha256', secret).update(bytes).digest())
}

/** 32 bytes that nobody can guess. */
export function randomNonce(): Uint8Array {
  return plain(randomBytes(32))
}

/** A `Buffer` encodes and compares otherwise than the `Uint8Array` that callers were promised. */
function plain(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer)
}
