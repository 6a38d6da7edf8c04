/** Turns a JSON value into what a schema promises, or into a 400 that names each bad field. */
import * as v from 'valibot'

import { nearest } from '../../lib/nearest.ts'
import { isObject } from '../../lib/objects.ts'
import { clip } from '../../lib/text.ts'
import { invalid, invalidAll } from '../error.ts'
import type { Issue } from '../error.ts'

/** More than this helps nobody, and an answer must stay small. */
const ISSUES_MAX = 16
/** Paths repeat names that the caller chose. */
const PATH_MAX = 200

export type Entries = v.ObjectEntries

interface BodyOptions {
  /** Fields of our own answers: accepted and ignored, so that GET → edit → PUT works. */
  readonly readOnly?: readonly string[]
}

/** A function that checks bodies against `entries`, all others being unknown fields. */
export function bodyParser<const E extends Entries>(
  entries: E,
  { readOnly = [] }: BodyOptions = {},
): (body: unknown) => v.InferOutput<v.StrictObjectSchema<E, undefined>> {
  const schema = v.strictObject(entries)
  const known = fieldNames(schema)
  return (body) => {
    const fields = writable(body, readOnly)
    const result = v.safeParse(schema, fields)
    if (result.success) return result.output
    throw invalidAll(result.issues.slice(0, ISSUES_MAX).map((issue) => toIssue(issue, known)))
  }
}

function writable(body: unknown, readOnly: readonly string[]): object {
  if (body === undefined) throw invalid('', 'a JSON object is needed as the body')
  if (!isObject(body)) throw invalid('', 'the body must be a JSON object')
  return without(body, readOnly)
}

/** An object but for some of its fields. */
export function without(object: object, fields: readonly string[]): object {
  if (!fields.some((field) => Object.hasOwn(object, field))) return object
  return Object.fromEntries(Object.entries(object).filter(([field]) => !fields.includes(field)))
}

function toIssue(issue: v.BaseIssue<unknown>, known: readonly string[]): Issue {
  const path = (issue.path ?? []).map((item) => String(item.key)).join('.')
  if (issue.type !== 'strict_object') return { path: clip(path, PATH_MAX), message: issue.message }
  if (issue.received === 'undefined') return { path: clip(path, PATH_MAX), message: 'is needed' }
  if (issue.expected !== 'never')
    return { path: clip(path, PATH_MAX), message: 'must be an object' }
  const near = nearest(String(issue.input), known)
  const hint = near === null ? '' : `; did you mean "${near}"?`
  return { path: clip(path, PATH_MAX), message: `is not a known field${hint}` }
}

/** All fields that a schema knows, at any depth: the candidates for "did you mean". */
function fieldNames(schema: unknown): readonly string[] {
  if (!isObject(schema)) return []
  const inner = [schema['wrapped'], schema['item'], schema['value'], ...asArray(schema['pipe'])]
  // A pipe's first item is the schema itself, spread: skipping equals ends the recursion.
  const names = inner.filter((other) => isObject(other) && other['pipe'] === undefined)
  const entries = isObject(schema['entries']) ? schema['entries'] : {}
  const own = Object.keys(entries)
  const deeper = [...names, ...Object.values(entries)].flatMap(fieldNames)
  return Array.from(new Set([...own, ...deeper]))
}

function asArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
