/**
 * What clients write and read: configuration keys, and instances without a TTL. Both are registers
 * with an ETag: of a key its version, of an instance its revision.
 */
import type { Answer, ClusterNode, Json } from '../support/cluster.ts'
import type { ConfigCall, ConfigOperation } from '../support/config-history.ts'
import { linearizable, type Model, type Verdict } from '../support/linearizable.ts'
import { settled } from '../support/config-history.ts'
import type { Consistency, Kind } from './seen.ts'

/** Longer than `?timeout=`: most of what is appended is decided before we give it up. */
const PATIENCE_MS = 4_000
const TIMEOUT = 'timeout=2s'

export interface Register {
  readonly kind: Kind
  /** Of the history; unique over both kinds. */
  readonly name: string
}

/** `a/b` is the key `a/b`, or the instance `b` of service `a`. */
function pathOf({ kind, name }: Register): string {
  if (kind === 'config') return `/v1/config/${name}?${TIMEOUT}`
  const [service = '', id = ''] = name.split('/')
  return `/v1/services/${service}/instances/${id}?${TIMEOUT}`
}

/**
 * One call; null where there was no answer. A write has a connection of its own: on one that was
 * used before, what the client sent could be sent again by the runtime when the server is gone.
 */
export async function ask(
  node: ClusterNode,
  register: Register,
  call: ConfigCall,
  consistency: Consistency | null,
): Promise<Answer | null> {
  const path = pathOf(register)
  const options = { timeoutMs: PATIENCE_MS, fresh: call.type !== 'get' }
  try {
    if (call.type === 'get') return await node.get(`${path}&consistency=${consistency}`, options)
    const headers = conditionOf(call.expect)
    if (call.type === 'delete') return await node.call('DELETE', path, { ...options, headers })
    return await node.put(path, bodyOf(register, call.value), { ...options, headers })
  } catch {
    return null // Nobody there, or no answer: what became of it is not known.
  }
}

function conditionOf(expect: number | 'absent' | null): Record<string, string> {
  if (expect === null) return {}
  return expect === 'absent' ? { 'If-None-Match': '*' } : { 'If-Match': `"${expect}"` }
}

function bodyOf({ kind }: Register, value: string): string | Json {
  return kind === 'config' ? value : { address: '10.0.0.7', metadata: { value } }
}

/** What a read that was answered 200 says. */
export function readingOf(
  { kind }: Register,
  { text, json, headers }: Answer,
): { readonly value: string; readonly version: number } {
  const version = Number(headers.get('etag')?.replaceAll('"', ''))
  return { value: kind === 'config' ? text : valueOf(json), version }
}

/** Of an instance, as the API shows it. */
export function valueOf(instance: Json): string {
  return String((instance['metadata'] as Json | undefined)?.['value'])
}

/** The ETag that a write which was answered has made. */
export function versionOf({ kind }: Register, { json }: Answer): number {
  return Number(json[kind === 'config' ? 'version' : 'revision'])
}

/** `version` is the revision; null where nobody was told which. */
interface Stored {
  readonly version: number | null
  /** The newest revision that anybody was told so far: it only grows (API.md "revision"). */
  readonly newest: number
  readonly value: string | null
}

const INSTANCE_MODEL: Model<Stored, ConfigOperation> = {
  initial: { version: null, newest: 0, value: null },
  key: ({ version, newest, value }) => `${version} ${newest} ${value}`,
  isRead: ({ call }) => call.type === 'get',
  kind: ({ call }) => JSON.stringify(call),
  step: (stored, { call, answer }) => {
    if (call.type === 'get') return afterRead(stored, answer)
    const holds = isMet(stored, call.expect)
    if (answer?.type === 'mismatch') return holds === true ? null : stored
    if (holds === false) return null
    if (call.type === 'delete') return { ...stored, version: null, value: null }
    if (answer?.type !== 'written') return { ...stored, version: null, value: call.value }
    const { version } = answer
    return version > stored.newest ? { version, newest: version, value: call.value } : null
  },
}

function afterRead(stored: Stored, answer: ConfigOperation['answer']): Stored | null {
  if (answer?.type === 'not_found') return stored.value === null ? stored : null
  if (answer?.type !== 'found' || answer.value !== stored.value) return null
  const { value, version } = answer
  if (stored.version === version) return stored
  const isLearnt = stored.version === null && version > stored.newest
  return isLearnt ? { value, version, newest: version } : null
}

/** Null where it depends on a revision that nobody was told. */
function isMet({ version, value }: Stored, expect: number | 'absent' | null): boolean | null {
  if (expect === null) return true
  if (expect === 'absent' || value === null) return expect === 'absent' && value === null
  return version === null ? null : version === expect
}

export function judgeInstance(history: readonly ConfigOperation[]): Verdict<ConfigOperation> {
  return linearizable(INSTANCE_MODEL, settled(history))
}
