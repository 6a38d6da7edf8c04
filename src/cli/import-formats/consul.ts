import { isObject } from '../../lib/objects.ts'
import { base64Value, Gathering, ImportFormatError, parseJson } from './entry.ts'
import type { Imported } from './entry.ts'

const WHAT = '"consul kv export"'

/** `[{"key", "flags", "value": base64}]`, as `consul kv export PREFIX` writes it. */
export function fromConsul(bytes: Uint8Array): Imported {
  const list = parseJson(bytes, WHAT)
  if (!Array.isArray(list)) throw new ImportFormatError(`it is not a list, as ${WHAT} writes it`)
  const gathering = new Gathering()
  for (const [at, pair] of (list as readonly unknown[]).entries()) {
    if (!isObject(pair) || typeof pair['key'] !== 'string') {
      throw new ImportFormatError(`entry ${at + 1} has no key, as ${WHAT} writes it`)
    }
    const { key, value = '' } = pair
    if (key.endsWith('/')) {
      gathering.skip(key, 'it is a folder, which Consul keeps as a key')
      continue
    }
    if (typeof value !== 'string' && value !== null) {
      throw new ImportFormatError(`"${key}" has a value that is no text, as ${WHAT} writes it`)
    }
    const decoded = base64Value(value ?? '', key)
    gathering.add(key, { value: decoded, contentType: null, comment: null })
  }
  return gathering.imported
}
