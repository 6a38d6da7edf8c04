/**
 * How values travel inside commands and outcomes: as MessagePack arrays by position, checked in
 * both directions. What `to` accepts `from` accepts, so nothing enters the log that a replica
 * would stumble over when it applies it.
 *
 * Texts must be well-formed Unicode (a lone surrogate has no UTF-8). `name` and `key` also hold
 * no U+0000, since two of three SQLite drivers cut a text there; free texts live in BLOBs.
 *
 * @module
 */
import { decode } from '../../lib/msgpack.ts'
import { shapeOf } from '../../lib/shape.ts'

/** A value that does not fit its wire format: refused before it is proposed, fatal in a log. */
export class InvalidCommand extends Error {
  override readonly name = 'InvalidCommand'
}

/** The plain value that `data` holds. @throws {InvalidCommand} where it is no MessagePack. */
export function decodePlain(data: Uint8Array): unknown {
  try {
    return decode(data)
  } catch (cause) {
    throw new InvalidCommand('expected MessagePack', { cause })
  }
}

export interface Wire<T> {
  /** The plain value to encode. `at` names the field for the error. */
  to(value: T, at: string): unknown
  /** @throws {InvalidCommand} where `raw` is anything but what `to` gives. */
  from(raw: unknown, at: string): T
}

function refuse(at: string, expected: string): never {
  throw new InvalidCommand(`${at}: expected ${expected}`)
}

/** A wire format whose plain form is the value itself. */
function plain<T>(expected: string, fits: (raw: unknown) => boolean): Wire<T> {
  const check = (raw: unknown, at: string): T => {
    if (!fits(raw)) refuse(at, expected)
    return raw as T
  }
  return { to: check, from: check }
}

const isText = (raw: unknown): raw is string => typeof raw === 'string' && raw.isWellFormed()

/** A name of API.md: it may stand in a topic and in a lease id, so it holds no `/`. */
export const name = plain<string>(
  'a name',
  (raw) => isText(raw) && raw !== '' && raw.length <= 512 && !/[/\0]/.test(raw),
)

/** A config key, a lease id, a media type: what becomes a TEXT column. */
export const key = plain<string>(
  'a key',
  (raw) => isText(raw) && raw !== '' && raw.length <= 1024 && !raw.includes('\0'),
)

/** Of a key: may be empty. */
export const prefix = plain<string>(
  'a prefix',
  (raw) => isText(raw) && raw.length <= 1024 && !raw.includes('\0'),
)

export const text = plain<string>('a text', isText)

export const bytes = plain<Uint8Array>('bytes', (raw) => raw instanceof Uint8Array)

export const flag = plain<boolean>('a boolean', (raw) => typeof raw === 'boolean')

/** A safe integer ≥ 0: a revision, a size, a duration in ms. */
export const count = plain<number>(
  'a safe integer of at least 0',
  (raw) => Number.isSafeInteger(raw) && (raw as number) >= 0,
)

export const positive = plain<number>(
  'a safe integer above 0',
  (raw) => Number.isSafeInteger(raw) && (raw as number) > 0,
)

export const port = plain<number>(
  'a port',
  (raw) => Number.isInteger(raw) && (raw as number) >= 0 && (raw as number) <= 65_535,
)

const fraction = plain<number>(
  'a number of at least 0',
  (raw) => Number.isFinite(raw) && (raw as number) >= 0,
)

/** A finite number ≥ 0, fractions included. -0 becomes 0: two values would be one row. */
export const real: Wire<number> = {
  to: (value, at) => (fraction.to(value, at) === 0 ? 0 : value),
  from: (raw, at) => (fraction.from(raw, at) === 0 ? 0 : (raw as number)),
}

export function nullable<T>(wire: Wire<T>): Wire<T | null> {
  return {
    to: (value, at) => (value === null ? null : wire.to(value, at)),
    from: (raw, at) => (raw === null ? null : wire.from(raw, at)),
  }
}

/** One of a few words, as its position. New words are only ever put at the end. */
export function choice<T extends string>(...words: readonly T[]): Wire<T> {
  return {
    to: (value, at) => {
      const position = words.indexOf(value)
      return position < 0 ? refuse(at, words.join(' or ')) : position
    },
    from: (raw, at) => words[raw as number] ?? refuse(at, `the number of ${words.join(' or ')}`),
  }
}

export function list<T>(wire: Wire<T>): Wire<readonly T[]> {
  return {
    to: (values, at) => values.map((value) => wire.to(value, at)),
    from: (raw, at) => array(raw, at).map((value) => wire.from(value, at)),
  }
}

/**
 * A map, flat: `[key, value, key, value, …]`. Never a MessagePack map: a key named `__proto__`
 * is a fair one, and decoders refuse it.
 */
export function record<T>(wire: Wire<T>): Wire<Readonly<Record<string, T>>> {
  return {
    to: (map, at) => {
      const flat: unknown[] = []
      for (const [word, value] of Object.entries(map)) {
        flat.push(text.to(word, at), wire.to(value, at))
      }
      return flat
    },
    from: (raw, at) => {
      const flat = array(raw, at)
      if (flat.length % 2 !== 0) refuse(at, 'pairs')
      const entries: [string, T][] = []
      for (let i = 0; i < flat.length; i += 2) {
        entries.push([text.from(flat[i], at), wire.from(flat[i + 1], at)])
      }
      const map = Object.fromEntries(entries) // It defines `__proto__` like any other property.
      if (Object.keys(map).length !== entries.length) refuse(at, 'each key once')
      return map
    },
  }
}

type Fields<T> = { readonly [K in keyof T]-?: Wire<T[K]> }

/**
 * An object as the array of its fields, in the order in which `fields` names them. That order is
 * the format: `codec.test.ts` pins its bytes.
 */
export function struct<T extends object>(fields: Fields<T>): Wire<T> {
  const names = Object.keys(fields) as (keyof T & string)[]
  const wires = names.map((field) => fields[field] as Wire<unknown>)
  const shape = shapeOf<T>(names)
  return {
    to: (value) => {
      const raw = shape.values(value)
      for (let i = 0; i < names.length; i++) {
        raw[i] = (wires[i] as Wire<unknown>).to(raw[i], names[i] as string)
      }
      return raw
    },
    from: (raw, at) => {
      const values = array(raw, at)
      if (values.length !== names.length) refuse(at, `${names.length} fields`)
      const read = values.map((part, i) =>
        (wires[i] as Wire<unknown>).from(part, names[i] as string),
      )
      return shape.make(read)
    },
  }
}

/**
 * An object of which any field may be absent: `[number, value, …]` of those that are there, by
 * the field's position in `fields`.
 */
export function partial<T extends object>(fields: Fields<T>): Wire<Partial<T>> {
  const names = Object.keys(fields) as (keyof T & string)[]
  return {
    to: (value) => {
      const raw: unknown[] = []
      for (const [i, field] of names.entries()) {
        const given = value[field]
        if (given !== undefined) raw.push(i, fields[field].to(given, field))
      }
      return raw
    },
    from: (raw, at) => {
      const flat = array(raw, at)
      if (flat.length % 2 !== 0) refuse(at, 'pairs')
      const value: Partial<T> = {}
      let next = 0
      for (let i = 0; i < flat.length; i += 2) {
        const position = flat[i] as number
        const field = names[position]
        if (field === undefined || position < next) refuse(at, 'known fields, each once, in order')
        value[field] = fields[field].from(flat[i + 1], field)
        next = position + 1
      }
      return value
    },
  }
}

function array(raw: unknown, at: string): readonly unknown[] {
  return Array.isArray(raw) ? raw : refuse(at, 'an array')
}
