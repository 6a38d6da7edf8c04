import { toBase64 } from './base64.ts'
import { utf8Text } from './bytes.ts'

/** Bytes in JSON (API.md): `value` where they are valid UTF-8, else `valueBase64`. */
export function valueFields(
  bytes: Uint8Array,
): { readonly value: string } | { readonly valueBase64: string } {
  const text = utf8Text(bytes)
  return text === null ? { valueBase64: toBase64(bytes) } : { value: text }
}
