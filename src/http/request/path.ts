/**
 * Names in paths. They come from the final, normalised path alone and are decoded exactly once:
 * two readings of one path are how access rules get bypassed (RELIABILITY §4.2).
 */
import { keyProblem, nameProblem, prefixProblem } from '../../lib/names.ts'
import type { Asked } from '../edge.ts'
import { invalid } from '../error.ts'

/** Spellings that URL normalisation resolves; a server may hand them over unresolved. */
const UNRESOLVED = /\/(?:\.|%2e)/i

/**
 * The normalised path of a request, still percent-encoded: what the router matches. `below`: so many
 * leading segments are where the API is mounted, and none of its own.
 */
export function rawPath(request: Request, below = 0): string {
  const url = request.url
  // A request without a Host (HTTP/1.0) may come with a relative URL.
  const start = url.startsWith('/') ? 0 : url.indexOf('/', url.indexOf('://') + 3)
  if (start < 0) return '/'
  let end = url.indexOf('?', start)
  if (end < 0) end = url.length
  const hash = url.indexOf('#', start)
  if (hash >= 0 && hash < end) end = hash
  // A URL parser takes a backslash for a slash, and would write another key than was asked for.
  const whole = url.slice(start, end).replaceAll('\\', '%5C')
  const path = below === 0 ? whole : pathBelow(whole, below)
  return UNRESOLVED.test(path) ? new URL(`http://localhost${path}`).pathname : path
}

/** Cut before dot segments are resolved: those of the API never lead out of it. */
function pathBelow(path: string, segments: number): string {
  let at = 0
  for (let left = segments; left > 0 && at >= 0; left--) at = path.indexOf('/', at + 1)
  return at < 0 ? '/' : path.slice(at)
}

/** The name that stands `at` that place of the path: `/v1/services/{name}` has it at 2. */
export function pathName(c: Asked, at: number, what: string): string {
  const name = decode(segmentAt(c.req.path, at), what)
  const problem = nameProblem(name)
  if (problem !== null) throw invalid(what, problem)
  return name
}

/** Still encoded; empty where the path ends before it. */
function segmentAt(path: string, at: number): string {
  let start = 1
  for (let left = at; left > 0; left--) {
    const slash = path.indexOf('/', start)
    if (slash < 0) return ''
    start = slash + 1
  }
  const end = path.indexOf('/', start)
  return end < 0 ? path.slice(start) : path.slice(start, end)
}

/** What follows `before`, unjudged: there `%2F` and `/` are the same. */
export function pathText(c: Asked, before: string): string {
  return decode(c.req.path.slice(before.length), 'key')
}

/** The config key that follows `before`. */
export function pathKey(c: Asked, before: string): string {
  const key = pathText(c, before)
  const problem = keyProblem(key)
  if (problem !== null) throw invalid('key', problem)
  return key
}

/** A prefix of config keys, which may end in a slash, or in the middle of a segment. */
export function pathPrefix(c: Asked, before: string): string {
  const prefix = decode(c.req.path.slice(before.length), 'prefix')
  const problem = prefixProblem(prefix)
  if (problem !== null) throw invalid('prefix', problem)
  return prefix
}

function decode(text: string, what: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch (cause) {
    throw Object.assign(invalid(what, 'is not UTF-8 in valid percent-encoding'), { cause })
  }
}
