import { utf8Text } from '../../lib/bytes.ts'
import { isObject } from '../../lib/objects.ts'
import { base64Value, Gathering, ImportFormatError, parseJson } from './entry.ts'
import type { Imported } from './entry.ts'

const WHAT = '"etcdctl get --prefix -w json"'

/**
 * `{"header", "kvs": [{"key": base64, "value": base64, "lease"?}], "count", "more"?}`. A slash at a
 * key's front is dropped. Keys on a lease are skipped: they belong to a process that is alive there.
 */
export function fromEtcd(bytes: Uint8Array): Imported {
  const answer = parseJson(bytes, WHAT)
  if (!isObject(answer) || !isObject(answer['header'])) {
    throw new ImportFormatError(`it has no header, as ${WHAT} writes it`)
  }
  if (answer['more'] === true) {
    throw new ImportFormatError('it is cut off ("more": true): export without --limit')
  }
  const kvs = answer['kvs'] ?? [] // Left out where there are none.
  if (!Array.isArray(kvs)) throw new ImportFormatError(`it has no kvs, as ${WHAT} writes it`)
  const gathering = new Gathering()
  for (const [at, pair] of (kvs as readonly unknown[]).entries()) {
    if (!isObject(pair) || typeof pair['key'] !== 'string') {
      throw new ImportFormatError(`entry ${at + 1} has no key, as ${WHAT} writes it`)
    }
    addPair(gathering, pair, pair['key'])
  }
  return gathering.imported
}

function addPair(
  gathering: Gathering,
  pair: Readonly<Record<string, unknown>>,
  base64: string,
): void {
  const key = utf8Text(base64Value(base64, base64))
  if (key === null) return gathering.skip(base64, 'its name is not UTF-8')
  if ((pair['lease'] ?? 0) !== 0) return gathering.skip(key, 'it hangs on a lease')
  const value = pair['value'] ?? '' // Left out where it is empty.
  if (typeof value !== 'string') {
    throw new ImportFormatError(`"${key}" has a value that is no text, as ${WHAT} writes it`)
  }
  gathering.add(key, { value: base64Value(value, key), contentType: null, comment: null })
}
