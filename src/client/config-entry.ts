/** A configuration value as the nodes have it: bytes under a version, or the knowledge of none. */
import type { Batch } from './watch.ts'
import { isCode, lacking } from './error.ts'
import type { Copy } from './feed.ts'
import { path } from './path.ts'
import type { Session } from './session.ts'
import { asOf } from './transport.ts'
import type { CallOptions } from './transport.ts'

export interface Entry {
  /** 0 where there is no such key. */
  readonly version: number
  readonly etag: string | null
  readonly contentType: string
  readonly bytes: Uint8Array
}

export const ABSENT: Entry = { version: 0, etag: null, contentType: '', bytes: new Uint8Array() }

/** Reads the key; 404 is an answer too. */
export async function readEntry(
  session: Session,
  key: string,
  call: CallOptions & { readonly known: Copy<Entry> | null },
): Promise<Copy<Entry>> {
  const { known, ...options } = call
  try {
    const answer = await session.call('GET', path`/v1/config/${key}`, {
      ...options,
      headers: { ...options.headers, 'If-None-Match': known?.value.etag },
    })
    if (answer.status === 304 && known !== null) return { value: known.value, asOf: asOf(answer) }
    const { headers, bytes } = answer
    const contentType = headers.get('content-type') ?? 'application/octet-stream'
    const entry = { etag: headers.get('etag'), contentType, bytes, version: 0 }
    return { value: { ...entry, version: versionOf(entry.etag) }, asOf: asOf(answer) }
  } catch (error) {
    if (!isCode(error, 'not_found')) throw error
    const isKnown = known !== null && known.value.version === 0
    return { value: isKnown ? known.value : ABSENT, asOf: asOf(error) }
  }
}

/** `"7"`, or `"7-…"` of a staged value. */
function versionOf(etag: string | null): number {
  const [, digits] = /^"?(\d+)/.exec(etag ?? '') ?? []
  if (digits === undefined) throw lacking('a version')
  return Number(digits)
}

interface ConfigEvent {
  readonly key?: string
  readonly version?: number
  readonly contentType?: string
  readonly value?: string
  readonly valueBase64?: string
}

/** The entry after these events of its key; null where they do not carry the value. */
export function nextEntry(entry: Entry, { events }: Batch): { readonly value: Entry } | null {
  let next: Entry | null = entry
  for (const { type, data } of events) {
    if (type === 'config.deleted') next = ABSENT
    else next = type === 'config.put' ? entryOf(data as ConfigEvent) : null
  }
  return next === null ? null : { value: next }
}

function entryOf({ version, contentType, value, valueBase64 }: ConfigEvent): Entry | null {
  const bytes = value === undefined ? bytesOf(valueBase64) : new TextEncoder().encode(value)
  if (bytes === null || version === undefined || contentType === undefined) return null
  return { version, etag: `"${version}"`, contentType, bytes }
}

function bytesOf(base64: string | undefined): Uint8Array | null {
  return base64 === undefined ? null : Uint8Array.from(atob(base64), (unit) => unit.charCodeAt(0))
}

function base64Of(bytes: Uint8Array): string {
  let units = ''
  for (const byte of bytes) units += String.fromCharCode(byte)
  return btoa(units)
}

/** One line of text, for a file. */
export function savedText({ value: { bytes, ...rest }, asOf }: Copy<Entry>): string {
  return JSON.stringify({ format: 1, asOf, ...rest, valueBase64: base64Of(bytes) })
}

/** Null where the text is none of ours: half a file, another format. */
export function savedCopy(text: string): Copy<Entry> | null {
  try {
    const { format, asOf, valueBase64, ...rest } = JSON.parse(text)
    const bytes = bytesOf(valueBase64)
    return format === 1 && bytes !== null ? { value: { ...rest, bytes }, asOf } : null
  } catch {
    return null // A torn file is no reason to fail: the nodes are asked instead.
  }
}
