/**
 * JSON Schema 2020-12. Patterns are matched in linear time (RE2 syntax: no lookaround, no
 * back-references), since a regular expression that backtracks cannot even be ended with its thread.
 * `format` is an annotation, as that draft has it by default. Nothing is fetched: a schema refers to
 * itself, or to the draft's own.
 */
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import { RE2JS } from 're2js'
import { utf8Text } from '../lib/bytes.ts'
import { isObject } from '../lib/objects.ts'
import { clip } from '../lib/text.ts'
import type { Issue } from '../http/error.ts'

/** Compiled ones that are kept: each is some code. */
const COMPILED_MAX = 64
/** More of them help nobody, and an answer must stay small. */
const ISSUES_MAX = 16
/** All errors are looked for in values up to so many characters of JSON: there may be one for each. */
const ALL_ERRORS_MAX = 65_536
const MESSAGE_MAX = 300

interface Compiled {
  /** Ends at the first error. */
  readonly first: ValidateFunction
  readonly schema: object | boolean
}

const compiled = new Map<string, Compiled>()

interface Pattern {
  test(text: string): boolean
  toString(): string
}

/** As ajv wants an engine: `code` is what stands for it in code that it writes out, which is not. */
const linear = Object.assign(
  (pattern: string): Pattern => {
    const re2 = RE2JS.compile(RE2JS.translateRegExp(pattern))
    // By its text ajv knows a pattern that it has seen before.
    return { test: (text) => re2.matcher(text).find(), toString: () => pattern }
  },
  { code: 'new RegExp' },
)

function engine(allErrors: boolean): Ajv2020 {
  return new Ajv2020({
    allErrors,
    strict: false, // What a draft does not know is ignored, says the draft.
    validateFormats: false,
    logger: false,
    addUsedSchema: false,
    code: { regExp: linear },
  })
}

/** What the first schema would have to wait for: that of schemas themselves is compiled. */
export function warmUp(): void {
  engine(false).compile(true)
}

/** The schema ready for use, or what is wrong with it. */
export function compileSchema(bytes: Uint8Array): Compiled | string {
  const text = utf8Text(bytes)
  if (text === null) return 'is not UTF-8'
  const known = compiled.get(text)
  if (known !== undefined) return known
  try {
    const schema = JSON.parse(text) as unknown
    if (!isSchema(schema)) return 'must be a JSON object, true or false'
    const made = { first: engine(false).compile(schema), schema }
    if (compiled.size >= COMPILED_MAX) compiled.clear()
    compiled.set(text, made)
    return made
  } catch (error) {
    if (error instanceof RangeError) return 'is nested too deeply'
    const { message } = error as Error
    return `is not a JSON Schema: ${clip(message, MESSAGE_MAX)}`
  }
}

function isSchema(value: unknown): value is object | boolean {
  return typeof value === 'boolean' || isObject(value)
}

/** What of the value does not fit, by JSON Pointers into it. */
export function violations(bytes: Uint8Array, value: unknown): readonly Issue[] {
  const schema = compileSchema(bytes)
  if (typeof schema === 'string') return [{ path: '', message: `the schema ${schema}` }]
  const { first } = schema
  if (first(value)) return []
  const errors = isSmall(value) ? allErrors(schema, value) : (first.errors ?? [])
  return errors.slice(0, ISSUES_MAX).map(issueOf)
}

function isSmall(value: unknown): boolean {
  return (JSON.stringify(value)?.length ?? 0) <= ALL_ERRORS_MAX
}

function allErrors({ schema, first }: Compiled, value: unknown): readonly ErrorObject[] {
  const all = engine(true).compile(schema)
  return all(value) ? (first.errors ?? []) : (all.errors ?? [])
}

function issueOf({ instancePath, message = 'does not fit', params, keyword }: ErrorObject): Issue {
  const extra = EXTRA[keyword]?.(params as Readonly<Record<string, unknown>>) ?? ''
  return { path: clip(instancePath, MESSAGE_MAX), message: clip(`${message}${extra}`, MESSAGE_MAX) }
}

/** What a message leaves out. */
const EXTRA: Readonly<Record<string, (params: Readonly<Record<string, unknown>>) => string>> = {
  additionalProperties: (params) => `: "${String(params['additionalProperty'])}"`,
  unevaluatedProperties: (params) => `: "${String(params['unevaluatedProperty'])}"`,
  enum: (params) => `: ${JSON.stringify(params['allowedValues'])}`,
  const: (params) => `: ${JSON.stringify(params['allowedValue'])}`,
}
