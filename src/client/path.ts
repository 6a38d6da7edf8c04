import { RollcallError } from './error.ts'

export type QueryValue = string | number | boolean | null | undefined

/** `undefined` and `null` are left out; a list stands as often as it has members. */
export type Query = Readonly<Record<string, QueryValue | readonly string[]>>

/**
 * A path whose names are encoded: `` path`/v1/services/${service}` ``. URL parsers resolve a segment
 * of one or two dots, and drop an empty one: such a name would be another request, so it is refused.
 */
export function path(parts: TemplateStringsArray, ...names: readonly string[]): string {
  return names.reduce((text, name, at) => {
    if (name === '' || name === '.' || name === '..') {
      throw new RollcallError('invalid_argument', `"${name}" is no name; nothing was sent`)
    }
    return text + encodeURIComponent(name) + (parts[at + 1] ?? '')
  }, parts[0] ?? '')
}

/** With its question mark; empty where there is nothing to ask. */
export function queryText(query: Query): string {
  const pairs = Object.entries(query).flatMap(([name, value]) => {
    if (value === undefined || value === null) return []
    const values = typeof value === 'object' ? value : [value]
    return values.map((one) => `${encodeURIComponent(name)}=${encodeURIComponent(one)}`)
  })
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`
}
