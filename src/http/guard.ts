/**
 * Browsers reach every port of their user's machine, so what a foreign page sends, or what a
 * rebound name resolves to, is refused before anything of it is read.
 */
import type { Asked } from './edge.ts'
import { ApiError } from './error.ts'

/** Names under which this node answers, beside IP literals and `localhost`; null: under any. */
export type AllowedHosts = readonly string[] | null

const IPV4 = /^\d{1,3}(?:\.\d{1,3}){3}$/
/** A host, in brackets where IPv6, and perhaps a port. */
const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/

/** The 403 for a request that a browser sent on behalf of another site; null for all others. */
export function guard(c: Asked, allowedHosts: AllowedHosts): ApiError | null {
  const host = hostOf(c)
  if (allowedHosts !== null && host !== null && !isAllowed(host, allowedHosts)) {
    return denied('this node does not answer under the name in the Host header')
  }
  if (c.req.header('Sec-Fetch-Site') === 'cross-site') {
    return denied('requests from other sites are not served')
  }
  const origin = c.req.header('Origin')
  const isForeign = origin !== undefined && !isSameOrigin(origin, host)
  return isForeign ? denied('requests from another origin are not served') : null
}

/** Null only for HTTP/1.0 without a Host: no browser sends that. */
function hostOf(c: Asked): string | null {
  const header = c.req.header('Host')
  if (header !== undefined) return header.toLowerCase()
  const url = c.req.url
  return url.startsWith('/') ? null : new URL(url).host
}

function isAllowed(host: string, allowed: readonly string[]): boolean {
  const name = HOST.exec(host)?.[1]
  if (name === undefined) return false // Two Host headers arrive joined, and match no name.
  if (name.startsWith('[') || IPV4.test(name)) return true
  return name === 'localhost' || name.endsWith('.localhost') || allowed.includes(name)
}

function isSameOrigin(origin: string, host: string | null): boolean {
  const parts = /^https?:\/\/([^/]+)$/.exec(origin.toLowerCase())
  return host !== null && parts !== null && parts[1] === host
}

function denied(detail: string): ApiError {
  return new ApiError('permission_denied', detail)
}
