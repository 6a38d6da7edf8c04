/**
 * Bytes as base64. The standard's `toBase64` is native, and missing before Node 25; what every
 * runtime has is `btoa`, over text in which a character is a byte.
 */

/** Standard alphabet, padded. */
export function toBase64(bytes: Uint8Array): string {
  return 'toBase64' in bytes ? bytes.toBase64() : btoa(binaryText(bytes))
}

/** URL-safe alphabet, without padding. */
export function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}

/** Null where `text` is no base64 of the URL-safe alphabet, padded or not. */
export function fromBase64Url(text: string): Uint8Array | null {
  if (!/^[A-Za-z0-9_-]*={0,2}$/.test(text)) return null
  return fromBase64(text.replaceAll('-', '+').replaceAll('_', '/'))
}

/** Null where `text` is no base64 of the standard alphabet, padded or not; spaces are skipped. */
export function fromBase64(text: string): Uint8Array | null {
  try {
    const binary = atob(text)
    return Uint8Array.from(binary, (character) => character.charCodeAt(0))
  } catch {
    return null // A length that no bytes have: the caller says so.
  }
}

/** How many characters one call may have as arguments. */
const CHUNK = 8_192

function binaryText(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += CHUNK) {
    text += String.fromCharCode(...bytes.subarray(at, at + CHUNK))
  }
  return text
}
