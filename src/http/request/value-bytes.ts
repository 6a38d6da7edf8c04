import { fromBase64 } from '../../lib/base64.ts'
import { utf8 } from '../../lib/bytes.ts'
import { invalid } from '../error.ts'

/** Bytes in JSON (API.md): `value` as text, else `valueBase64`. `at` stands before the field. */
export function valueBytes(
  given: { readonly value?: string | undefined; readonly valueBase64?: string | undefined },
  at = '',
): Uint8Array {
  const { value, valueBase64 } = given
  if ((value === undefined) === (valueBase64 === undefined)) {
    throw invalid(`${at}value`, 'or valueBase64 is needed, one of the two')
  }
  if (value !== undefined) {
    if (value.isWellFormed()) return utf8(value)
    throw invalid(`${at}value`, 'is no text: it has half a surrogate pair')
  }
  const bytes = fromBase64(valueBase64 ?? '')
  if (bytes === null) throw invalid(`${at}valueBase64`, 'is not base64')
  return bytes
}
