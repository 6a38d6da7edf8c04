/** Readers of written values: each answers the value, or throws `BadValue` with what is wrong. */
import { formatDuration, parseDuration } from '../../lib/duration.ts'
import { keyProblem, nameProblem, prefixProblem } from '../../lib/names.ts'
import { nearest } from '../../lib/nearest.ts'
import { BadValue } from '../errors.ts'

/** A host and a port, as after `--listen`. The shape of `NodeOptions.listen`. */
export interface Address {
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
}

export interface ListedNode {
  readonly id: string
  readonly url: string | null
}

export interface Range {
  readonly minMs: number
  readonly maxMs: number
}

const CLUSTER_NODES_MAX = 15 // Far beyond what a quorum serves well; it bounds the list.
const DAY_MS = 24 * 60 * 60 * 1_000

export function readText(text: string): string {
  if (text === '') throw new BadValue('is empty')
  if (/\p{Cc}/u.test(text)) throw new BadValue('holds a control character')
  return text
}

/** The names of API.md, "Conventions". */
export function readName(text: string): string {
  const problem = nameProblem(text)
  if (problem !== null) throw new BadValue(`${quote(text)} ${problem}`)
  return text
}

/** Of configuration: a name with `/` between its segments. */
export function readKey(text: string): string {
  const problem = keyProblem(text)
  if (problem !== null) throw new BadValue(`${quote(text)} ${problem}`)
  return text
}

export function readPrefix(text: string): string {
  const problem = prefixProblem(text)
  if (problem !== null) throw new BadValue(`${quote(text)} ${problem}`)
  return text
}

/** `zone=eu`: two texts, the first one without `=`. */
export function readPair(text: string): readonly [string, string] {
  const at = text.indexOf('=')
  if (at < 1) throw new BadValue(`${quote(text)} is not NAME=VALUE`)
  return [readText(text.slice(0, at)), text.slice(at + 1)]
}

/** `HOST:PORT`, or `[::1]:PORT`. */
export function readAddress(text: string): Address {
  const match = /^(\[[0-9A-Fa-f:.]+\]|[^:[\]/\s]+):([0-9]{1,9})$/.exec(text)
  if (match === null) {
    throw new BadValue(`${quote(text)} is not HOST:PORT, such as 127.0.0.1:7400 or [::1]:7400`)
  }
  const port = Number(match[2])
  if (port > 65_535) throw new BadValue(`port ${match[2]} is not between 0 and 65535`)
  return { host: (match[1] ?? '').replace(/^\[|\]$/g, ''), port }
}

/** An `http` or `https` URL of a node, without a path; answered as its origin. */
export function readUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new BadValue(`${quote(text)} is not a URL such as http://10.0.0.1:7400`)
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '') {
    throw new BadValue(`${quote(text)} must be a host and a port, without a path or a user`)
  }
  return url.origin
}

/** One or more, with commas between; each once. */
export function readUrls(text: string): readonly string[] {
  const urls = text.split(',').map((part) => readUrl(part.trim()))
  if (urls.length > CLUSTER_NODES_MAX) {
    throw new BadValue(`lists ${urls.length} nodes, more than ${CLUSTER_NODES_MAX}`)
  }
  return [...new Set(urls)]
}

/** `n1=http://…,n2=http://…`, answered sorted by id. */
export function readCluster(text: string): readonly ListedNode[] {
  const parts = text.split(',').map((part) => part.trim())
  if (parts.length > CLUSTER_NODES_MAX) {
    throw new BadValue(`lists ${parts.length} nodes, more than ${CLUSTER_NODES_MAX}`)
  }
  const nodes = parts.map(readListedNode)
  const ids = new Set(nodes.map((node) => node.id))
  const urls = new Set(nodes.map((node) => node.url))
  for (const node of nodes) {
    if (!ids.delete(node.id)) throw new BadValue(`lists the id ${quote(node.id)} twice`)
    if (node.url === null && !urls.has(null)) {
      throw new BadValue('lists two nodes that only dial (none): they could never reach each other')
    }
    if (!urls.delete(node.url)) throw new BadValue(`lists ${node.url} twice`)
  }
  return nodes.sort((a, b) => (a.id < b.id ? -1 : 1))
}

function readListedNode(part: string): ListedNode {
  const at = part.indexOf('=')
  if (at < 0) {
    throw new BadValue(`${quote(part)} is not id=url; a list looks like n1=http://…,n2=http://…`)
  }
  const url = part.slice(at + 1)
  return { id: readName(part.slice(0, at)), url: url === 'none' ? null : readUrl(url) }
}

const AGE_MAX_DAYS = 3_650

/** A duration with its unit, in milliseconds. */
export function readDuration(text: string): number {
  const ms = parseDuration(text)
  if (ms === null) {
    const unit = /^[0-9.]+$/.test(text) ? ` (${text} of what? write ${text}ms or ${text}s)` : ''
    throw new BadValue(`${quote(text)} is not a duration such as 100ms or 2s${unit}`)
  }
  if (ms < 1 || ms > DAY_MS) throw new BadValue(`${quote(text)} is not between 1ms and 24h`)
  return ms
}

/** A duration that may be none at all. */
export function readDelay(text: string): number {
  return parseDuration(text) === 0 ? 0 : readDuration(text)
}

/** How long something is kept: from nothing to ten years. */
export function readAge(text: string): number {
  if (text === '0s') return 0
  const ms = parseDuration(text)
  if (ms === null) throw new BadValue(`${quote(text)} is not an age such as 90m or 720h`)
  if (ms > AGE_MAX_DAYS * DAY_MS) throw new BadValue(`${quote(text)} is more than ten years`)
  return ms
}

/** `600ms..1s`: both ends with their unit, the second one larger. */
export function readRange(text: string): Range {
  const ends = text.split('..')
  if (ends.length !== 2) throw new BadValue(`${quote(text)} is not a range such as 600ms..1s`)
  const [minMs, maxMs] = [readDuration(ends[0] ?? ''), readDuration(ends[1] ?? '')]
  if (minMs >= maxMs) {
    throw new BadValue(`${formatDuration(minMs)} is not less than ${formatDuration(maxMs)}`)
  }
  return { minMs, maxMs }
}

/** `5%` as 0.05. At half, a lease would be shorter than a third of its promise. */
export function readPercent(text: string): number {
  const match = /^([0-9]{1,3}(?:\.[0-9]{1,6})?)%$/.exec(text)
  if (match === null) throw new BadValue(`${quote(text)} is not a percentage such as 5%`)
  const percent = Number(match[1])
  if (percent > 50) throw new BadValue(`${quote(text)} is more than 50%`)
  return percent / 100
}

const UNITS: Record<string, number> = { KiB: 1_024, MiB: 1_048_576, GiB: 1_073_741_824 }

/** A size with its unit, in bytes, between `min` and `max`. */
export function bytesBetween(min: string, max: string): (text: string) => number {
  return (text) => {
    const bytes = parseBytes(text)
    if (bytes === null) throw new BadValue(`${quote(text)} is not a size such as 64MiB`)
    if (bytes < (parseBytes(min) ?? 0) || bytes > (parseBytes(max) ?? 0)) {
      throw new BadValue(`${quote(text)} is not between ${min} and ${max}`)
    }
    return bytes
  }
}

function parseBytes(text: string): number | null {
  const match = /^([0-9]{1,9})(KiB|MiB|GiB)$/.exec(text)
  return match === null ? null : Number(match[1]) * (UNITS[match[2] ?? ''] ?? 0)
}

export function wholeBetween(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= min && value <= max)) {
      throw new BadValue(`${quote(text)} is not a whole number between ${min} and ${max}`)
    }
    return value
  }
}

export function numberAtLeast(min: number): (text: string) => number {
  return (text) => {
    const value = /^[0-9]{1,9}(\.[0-9]{1,9})?$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= min)) throw new BadValue(`${quote(text)} is not a number of at least ${min}`)
    return value
  }
}

/** One of a few words; a mistyped one names the nearest. */
export function oneOf<const T extends string>(words: readonly T[]): (text: string) => T {
  return (text) => {
    const word = words.find((known) => known === text)
    if (word !== undefined) return word
    const near = nearest(text, words)
    const hint = near === null ? '' : `; did you mean ${near}?`
    throw new BadValue(`${quote(text)} is none of ${words.join(', ')}${hint}`)
  }
}

/** A switch: present on the command line, or a word for yes or no elsewhere. */
export function readSwitch(text: string): boolean {
  if (text === 'true' || text === '1' || text === 'yes') return true
  if (text === 'false' || text === '0' || text === 'no') return false
  throw new BadValue(`${quote(text)} is neither true nor false`)
}

function quote(text: string): string {
  return JSON.stringify(text)
}
