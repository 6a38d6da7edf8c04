/** The syntax of config values, and what they hold. */
import { parse as parseToml, TomlError } from 'smol-toml'
import { parseAllDocuments } from 'yaml'
import { utf8Text } from '../lib/bytes.ts'
import { propertiesProblem } from '../lib/properties.ts'
import { clip } from '../lib/text.ts'
import type { ValueFormat } from '../http/config/value-checks.ts'

export type Parsed =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly message: string }

/** Aliases that one value may stand for, resolved: some bytes can be made to mean gigabytes. */
const ALIASES_MAX = 1_000
const MESSAGE_MAX = 300

/**
 * `whole`: the value is wanted, and not only whether it parses. A format that has no syntax holds
 * whatever it holds.
 */
export function parseValue(
  format: ValueFormat | null,
  bytes: Uint8Array,
  { whole }: { readonly whole: boolean },
): Parsed {
  if (format === null) return { ok: true, value: null }
  const text = utf8Text(bytes)
  if (text === null) return refuse(format, 'it is not UTF-8')
  try {
    return parseText(format, text, whole)
  } catch (error) {
    if (error instanceof RangeError) return refuse(format, 'it is nested too deeply')
    return refuse(format, (error as Error).message)
  }
}

function parseText(format: ValueFormat, text: string, whole: boolean): Parsed {
  switch (format) {
    case 'json':
      return { ok: true, value: JSON.parse(text) as unknown }
    case 'yaml':
      return parseYaml(text, whole)
    case 'toml':
      return toml(text)
    case 'properties': {
      const problem = propertiesProblem(text)
      return problem === null ? { ok: true, value: null } : refuse(format, problem)
    }
  }
}

/** A value may hold several documents; a schema is for one. */
function parseYaml(text: string, whole: boolean): Parsed {
  const documents = parseAllDocuments(text, { logLevel: 'error' })
  if (!Array.isArray(documents)) return { ok: true, value: null } // No document: an empty text.
  for (const { errors } of documents) {
    const [error] = errors
    if (error === undefined) continue
    const [at] = error.linePos ?? []
    const [message = ''] = error.message.split(/ at line \d+/)
    return refuse('yaml', at === undefined ? message : `${message} at ${place(at.line, at.col)}`)
  }
  if (!whole) return { ok: true, value: null }
  const [document, another] = documents
  if (another !== undefined) return refuse('yaml', 'it holds more than one document')
  return { ok: true, value: document?.toJS({ maxAliasCount: ALIASES_MAX }) as unknown }
}

function toml(text: string): Parsed {
  try {
    return { ok: true, value: parseToml(text, { integersAsBigInt: 'asNeeded' }) }
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const [first = ''] = error.message.split('\n')
    const message = first.replace(/^Invalid TOML document: /, '')
    return refuse('toml', `${message} at ${place(error.line, error.column)}`)
  }
}

function place(line: number, column: number): string {
  return `line ${line}, column ${column}`
}

const NAMES: Readonly<Record<ValueFormat, string>> = {
  json: 'JSON',
  yaml: 'YAML',
  toml: 'TOML',
  properties: 'properties',
}

function refuse(format: ValueFormat, why: string): Parsed {
  return { ok: false, message: `is not valid ${NAMES[format]}: ${clip(why, MESSAGE_MAX)}` }
}
