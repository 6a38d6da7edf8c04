/**
 * Query parameters, judged as strictly as bodies: an unknown one is a mistake to name, and a
 * parameter that has one value stands once.
 */
import { DURATION_HINT, formatDuration, parseDuration } from '../../lib/duration.ts'
import { nameProblem } from '../../lib/names.ts'
import { nearest } from '../../lib/nearest.ts'
import { ApiError, invalid } from '../error.ts'

/** More parameters than this no call of the API has a use for. */
const PARAMETERS_MAX = 256

type Bounds = { readonly min: number; readonly max: number }

export class Query {
  readonly #values = new Map<string, string[]>()

  constructor(url: string) {
    const start = url.indexOf('?')
    if (start < 0) return
    const end = url.indexOf('#', start)
    const parts = url.slice(start + 1, end < 0 ? url.length : end).split('&')
    if (parts.length > PARAMETERS_MAX) throw invalid('', 'there are too many query parameters')
    for (const part of parts) if (part !== '') this.#add(part)
  }

  #add(part: string): void {
    const equals = part.indexOf('=')
    const name = decodeForm(equals < 0 ? part : part.slice(0, equals), 'query')
    const value = equals < 0 ? '' : part.slice(equals + 1)
    const values = this.#values.get(name)
    if (values === undefined) this.#values.set(name, [value])
    else values.push(value)
  }

  /** Refuses every parameter that is neither in `known` nor begins with `open`. */
  allow(known: readonly string[], open: string | null = null): void {
    for (const name of this.#values.keys()) {
      if (known.includes(name) || (open !== null && name.startsWith(open))) continue
      const near = nearest(name, known)
      const hint = near === null ? '' : `; did you mean "${near}"?`
      throw invalid(`?${name.slice(0, 64)}`, `is not a parameter of this call${hint}`)
    }
  }

  /** What was asked but for `except`, by name: equal for requests that ask the same. */
  sorted(except: readonly string[]): readonly (readonly [string, readonly string[]])[] {
    const asked = Array.from(this.#values).filter(([name]) => !except.includes(name))
    return asked.toSorted(([a], [b]) => (a < b ? -1 : 1))
  }

  has(name: string): boolean {
    return this.#values.has(name)
  }

  /** Names of the parameters that begin with `prefix`. */
  startingWith(prefix: string): readonly string[] {
    return Array.from(this.#values.keys()).filter((name) => name.startsWith(prefix))
  }

  /** Free text, in which `+` is a space, as forms write it. */
  text(name: string): string | null {
    const raw = this.#single(name)
    return raw === null ? null : decodeForm(raw, `?${name}`)
  }

  texts(name: string): readonly string[] {
    return (this.#values.get(name) ?? []).map((raw) => decodeForm(raw, `?${name}`))
  }

  /** A name, key or prefix: no name has a space, and many have a `+`, which here is itself. */
  literal(name: string): string | null {
    const raw = this.#single(name)
    return raw === null ? null : decodeOnce(raw, `?${name}`)
  }

  literals(name: string): readonly string[] {
    return (this.#values.get(name) ?? []).map((raw) => decodeOnce(raw, `?${name}`))
  }

  name(name: string): string | null {
    const value = this.literal(name)
    const problem = value === null ? null : nameProblem(value)
    if (problem !== null) throw invalid(`?${name}`, problem)
    return value
  }

  integer(name: string, { min, max }: Bounds): number | null {
    const text = this.text(name)
    if (text === null) return null
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
    if (value >= min && value <= max) return value
    throw invalid(`?${name}`, `must be a whole number from ${min} to ${max}`)
  }

  /** In milliseconds. */
  duration(name: string, { min, max }: Bounds): number | null {
    const text = this.text(name)
    if (text === null) return null
    const ms = parseDuration(text)
    if (ms === null) throw invalid(`?${name}`, `is not a duration: ${DURATION_HINT}`)
    if (ms >= min && ms <= max) return ms
    throw invalid(`?${name}`, `must be from ${formatDuration(min)} to ${formatDuration(max)}`)
  }

  oneOf<T extends string>(name: string, allowed: readonly T[]): T | null {
    const text = this.text(name)
    if (text === null) return null
    const value = allowed.find((candidate) => candidate === text)
    if (value !== undefined) return value
    const near = nearest(text, allowed)
    const hint = near === null ? '' : `; did you mean "${near}"?`
    throw invalid(`?${name}`, `must be one of ${allowed.join(', ')}${hint}`)
  }

  /** `true` or `false`; also true where it stands without a value, as in `?verbose`. */
  flag(name: string): boolean | null {
    if (this.#single(name) === '') return true
    const value = this.oneOf(name, ['true', 'false'])
    return value === null ? null : value === 'true'
  }

  #single(name: string): string | null {
    const values = this.#values.get(name)
    if (values === undefined) return null
    if (values.length > 1) throw invalid(`?${name}`, 'stands more than once')
    return values[0] ?? null
  }
}

function decodeForm(raw: string, what: string): string {
  return decodeOnce(raw.includes('+') ? raw.replaceAll('+', ' ') : raw, what)
}

function decodeOnce(raw: string, what: string): string {
  if (!raw.includes('%')) return raw
  try {
    return decodeURIComponent(raw)
  } catch (cause) {
    const issues = [{ path: what, message: 'is not UTF-8 in valid percent-encoding' }]
    const error = new ApiError('invalid_request', `${what} is not valid percent-encoding`, {
      issues,
    })
    throw Object.assign(error, { cause })
  }
}
