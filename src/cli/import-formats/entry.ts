/**
 * What other systems' exports are read into: entries for `POST /v1/config-import`. Nothing is left
 * out in silence: what cannot be carried over is named with the reason.
 */
import { fromBase64, toBase64 } from '../../lib/base64.ts'
import { utf8, utf8Text } from '../../lib/bytes.ts'
import { keyProblem } from '../../lib/names.ts'

export interface ImportEntry {
  readonly key: string
  readonly value: Uint8Array
  /** Null: as the key's extension says. */
  readonly contentType: string | null
  readonly comment: string | null
}

export interface Imported {
  readonly entries: readonly ImportEntry[]
  /** What was there and is not among the entries. */
  readonly skipped: readonly { readonly name: string; readonly why: string }[]
}

/** The bytes are not what they were said to be; the message says what is wrong. */
export class ImportFormatError extends Error {
  override readonly name = 'ImportFormatError'
}

/** Collects entries, and what is skipped. */
export class Gathering {
  readonly #entries = new Map<string, ImportEntry>()
  readonly #skipped: { readonly name: string; readonly why: string }[] = []

  skip(name: string, why: string): void {
    this.#skipped.push({ name, why })
  }

  /** `name`: as the other system has it; slashes at its front are dropped. */
  add(name: string, entry: Omit<ImportEntry, 'key'>): void {
    const key = name.replace(/^\/+/, '')
    const problem = keyProblem(key)
    if (problem !== null) return this.skip(name, `its name ${problem}`)
    if (this.#entries.has(key)) return this.skip(name, `another entry is "${key}" already`)
    this.#entries.set(key, { key, ...entry })
  }

  get imported(): Imported {
    return { entries: [...this.#entries.values()], skipped: this.#skipped }
  }
}

/** `what`: the system and command that such a file comes from. */
export function parseJson(bytes: Uint8Array, what: string): unknown {
  const text = utf8Text(bytes)
  if (text === null) throw new ImportFormatError(`it is not UTF-8, as ${what} writes it`)
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw Object.assign(new ImportFormatError(`it is not JSON, as ${what} writes it`), { cause })
  }
}

export function base64Value(text: string, name: string): Uint8Array {
  const bytes = fromBase64(text)
  if (bytes === null) throw new ImportFormatError(`"${name}" is not base64`)
  return bytes
}

/** The lines that `POST /v1/config-import` takes. `prefix` stands before every key. */
export function toLines(entries: readonly ImportEntry[], prefix = ''): Uint8Array {
  const lines = entries.map(({ key, value, contentType, comment }) => {
    const text = utf8Text(value)
    const line = {
      key: prefix + key,
      ...(contentType === null ? {} : { contentType }),
      ...(text === null ? { valueBase64: toBase64(value) } : { value: text }),
      ...(comment === null ? {} : { comment }),
    }
    return `${JSON.stringify(line)}\n`
  })
  return utf8(lines.join(''))
}
