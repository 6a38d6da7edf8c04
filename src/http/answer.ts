/** Bodies of answers: JSON with an entity tag, and the fields that several of them share. */
import { formatDuration } from '../lib/duration.ts'
import type { Asked } from './edge.ts'
import { etag, isKnown } from './request/etag.ts'
import { jsonLine } from './json-line.ts'

const JSON_TYPE = 'application/json'

export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(jsonLine(body), {
    status,
    headers: { 'Content-Type': JSON_TYPE, ...headers },
  })
}

/** JSON of a resource at that version or revision. */
export function tagged(body: unknown, version: number, status = 200): Response {
  return new Response(jsonLine(body), {
    status,
    headers: { 'Content-Type': JSON_TYPE, ETag: etag(version) },
  })
}

/** The answer to a read: 304 where the caller has it already; `body` is only then not made. */
export function readAnswer(c: Asked, version: number, body: () => unknown): Response {
  return isKnown(c, version) ? notModified(version) : tagged(body(), version)
}

/** The same, of JSON that is encoded already. It ends its line. */
export function readEncoded(c: Asked, version: number, body: () => string | Uint8Array): Response {
  if (isKnown(c, version)) return notModified(version)
  return new Response(body() as string | Uint8Array<ArrayBuffer>, {
    headers: { 'Content-Type': JSON_TYPE, ETag: etag(version) },
  })
}

export function notModified(version: number): Response {
  return new Response(null, { status: 304, headers: { ETag: etag(version) } })
}

export function noContent(): Response {
  return new Response(null, { status: 204 })
}

export function plainText(text: string, status = 200): Response {
  return new Response(text, { status, headers: { 'Content-Type': 'text/plain; charset=utf-8' } })
}

/** A TTL as people write it, and as programs want it. */
export function ttlFields(ttlMs: number): { readonly ttl: string; readonly ttlMs: number } {
  return { ttl: formatDuration(ttlMs), ttlMs }
}
