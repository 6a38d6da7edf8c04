/** Questions about listeners, and their answers, as they travel between nodes. */
import { decode, encode } from '../../lib/msgpack.ts'
import type { ListenerView } from './listeners.ts'

/** What one member may tell: with the longest names about 2 MiB, a quarter of a frame. */
const TOLD_MAX = 10_000
const VERSION = 1

export interface Told extends ListenerView {
  readonly node: string
}

export interface Question {
  readonly ns: string
  readonly key: string
}

/** Null: of another program. */
export function decodeQuestion(bytes: Uint8Array): Question | null {
  const [version, ns, key] = listOf(bytes)
  if (version !== VERSION || typeof ns !== 'string' || typeof key !== 'string') return null
  return { ns, key }
}

export function encodeQuestion({ ns, key }: Question): Uint8Array {
  return encode([VERSION, ns, key])
}

/** `[1, complete, [name, named, watches, connected, idleMs, version, stage], …]`. */
export function encodeAnswer(views: Iterable<ListenerView>, isOverflown: boolean): Uint8Array {
  const told: unknown[] = []
  let isCut = false
  for (const { name, named, via, connected, idleMs, held } of views) {
    isCut = told.length >= TOLD_MAX
    if (isCut) break
    const holds = [held?.version ?? null, held?.stage ?? null]
    told.push([name, named, via === 'watch', connected, Math.round(idleMs), ...holds])
  }
  return encode([VERSION, !isCut && !isOverflown, ...told])
}

/** Null: of another program. */
export function decodeAnswer(
  bytes: Uint8Array,
  node: string,
): { readonly listeners: readonly Told[]; readonly complete: boolean } | null {
  const [version, complete, ...told] = listOf(bytes)
  if (version !== VERSION || typeof complete !== 'boolean') return null
  const listeners: Told[] = []
  for (const one of told) {
    const listener = Array.isArray(one) ? toldOf(one, node) : null
    if (listener === null) return null
    listeners.push(listener)
  }
  return { listeners, complete }
}

function toldOf(fields: readonly unknown[], node: string): Told | null {
  const [name, named, watches, connected, idleMs, version, stage] = fields
  if (typeof name !== 'string' || typeof idleMs !== 'number') return null
  if (typeof version !== 'number' && version !== null) return null
  if (typeof stage !== 'string' && stage !== null) return null
  const held = version === null ? null : { version, stage }
  const via = watches === true ? 'watch' : 'poll'
  return { name, named: named === true, via, connected: connected === true, idleMs, held, node }
}

function listOf(bytes: Uint8Array): readonly unknown[] {
  try {
    const list = decode(bytes)
    return Array.isArray(list) ? list : []
  } catch {
    return [] // Not MessagePack: of another program.
  }
}
