/**
 * Configuration as it travels in one piece: a JSON object a line, or an archive of files.
 *
 * A line is `{"key", "contentType", "value" | "valueBase64", "comment"?}`. In an archive a file's path
 * is its key; the media type stands in a pax record where it is another than the key suggests.
 */
import * as v from 'valibot'

import { utf8, utf8Text } from '../../lib/bytes.ts'
import { keyProblem } from '../../lib/names.ts'
import { ArchiveError, isArchive, packed, unpacked } from '../../lib/ustar.ts'
import type { ArchivedFile } from '../../lib/ustar.ts'
import { valueFields } from '../../lib/json-bytes.ts'
import { contentTypeOf } from './content-type.ts'
import { ApiError, invalid } from '../error.ts'
import { jsonLine } from '../json-line.ts'
import * as schema from '../request/schema.ts'
import { bodyParser } from '../request/validate.ts'
import { valueBytes } from '../request/value-bytes.ts'

export interface Carried {
  readonly key: string
  /** Null: nobody says; what is there keeps its type. */
  readonly contentType: string | null
  readonly value: Uint8Array
  readonly comment: string | null
}

const TYPE_RECORD = 'ROLLCALL.content-type'
const COMMENT_MAX = 1_024

/** What a line may hold; the rest of what lists show is read over. */
const parseLine = bodyParser(
  {
    key: v.string('must be a string'),
    contentType: v.optional(v.string('must be a string')),
    value: v.optional(v.string('must be a string')),
    valueBase64: v.optional(v.string('must be a string')),
    comment: v.nullish(schema.text(COMMENT_MAX)),
  },
  { readOnly: ['version', 'revision', 'size', 'updatedAt', 'updatedBy', 'lease'] },
)

export function* toLines(items: Iterable<Carried>): Generator<Uint8Array> {
  for (const { key, contentType, value, comment } of items) {
    const line = {
      key,
      contentType,
      ...valueFields(value),
      ...(comment === null ? {} : { comment }),
    }
    yield utf8(jsonLine(line))
  }
}

/** `seconds`: since 1970. */
export function toArchive(items: Iterable<Carried>, seconds: number): Generator<Uint8Array> {
  return packed(filesOf(items), seconds)
}

function* filesOf(items: Iterable<Carried>): Generator<ArchivedFile> {
  for (const { key, contentType, value } of items) {
    const isSuggested = contentType === contentTypeOf(undefined, { key, bytes: value })
    const records =
      isSuggested || contentType === null ? [] : ([[TYPE_RECORD, contentType]] as const)
    yield { path: key, bytes: value, records: new Map(records) }
  }
}

/** What a body carries, whatever its Content-Type says: each key once, at most `keysMax`. */
export function carriedBy(body: Uint8Array, keysMax: number): readonly Carried[] {
  const items = new Map<string, Carried>()
  for (const item of isArchive(body) ? fromArchive(body) : fromLines(body)) {
    if (items.has(item.key)) throw invalid('key', `"${item.key}" stands there twice`)
    if (items.size >= keysMax) {
      const detail = `it holds more than ${keysMax} keys: import one prefix after the other`
      throw new ApiError('too_large', detail, { limit: keysMax })
    }
    items.set(item.key, item)
  }
  return [...items.values()]
}

function* fromArchive(body: Uint8Array): Generator<Carried> {
  try {
    for (const { path, bytes: value, records } of unpacked(body)) {
      const key = keyAt(path.replace(/^(?:\.?\/)+/, ''), 'path')
      const type = records.get(TYPE_RECORD) ?? null
      const contentType = typeAt(type, { key, bytes: value }, `${TYPE_RECORD} of ${key}`)
      yield { key, contentType, value, comment: null }
    }
  } catch (error) {
    if (error instanceof ArchiveError) throw invalid('', error.message)
    throw error
  }
}

function* fromLines(body: Uint8Array): Generator<Carried> {
  const text = utf8Text(body)
  if (text === null) throw invalid('', 'the body is neither an archive nor lines of UTF-8')
  for (const [at, line] of text.split('\n').entries()) {
    if (line.trim() !== '') yield carriedLine(line, `line ${at + 1}`)
  }
}

function carriedLine(line: string, at: string): Carried {
  const given = fieldsAt(jsonAt(line, at), at)
  const { comment } = given
  const key = keyAt(given.key, `${at}: key`)
  const bytes = valueBytes(given, `${at}: `)
  const contentType = typeAt(given.contentType ?? null, { key, bytes }, `${at}: contentType`)
  return { key, contentType, value: bytes, comment: comment ?? null }
}

function fieldsAt(json: unknown, at: string): ReturnType<typeof parseLine> {
  try {
    return parseLine(json)
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 'invalid_request') throw error
    throw Object.assign(invalid(at, error.message), { cause: error })
  }
}

function jsonAt(line: string, at: string): unknown {
  try {
    return JSON.parse(line)
  } catch (cause) {
    throw Object.assign(invalid(at, 'is not a JSON object of its own'), { cause })
  }
}

function keyAt(key: string, at: string): string {
  const problem = keyProblem(key)
  if (problem === null) return key
  throw invalid(at, `"${key.slice(0, 100)}" ${problem}`)
}

function typeAt(
  contentType: string | null,
  value: { readonly key: string; readonly bytes: Uint8Array },
  at: string,
): string | null {
  return contentType === null ? null : contentTypeOf(contentType, value, at)
}
