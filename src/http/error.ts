/**
 * Every error that a client can see, in one table: its status, its title, and the answer to the
 * question that a caller of a replicated system must ask: may my write still take effect?
 */
import { jsonLine } from './json-line.ts'
import type { Refusal } from '../state/outcome.ts'
import type { Failure } from './registry.ts'

interface ErrorKind {
  readonly status: number
  readonly title: string
  readonly outcome: 'not_applied' | 'unknown'
}

const notApplied = (status: number, title: string) =>
  ({ status, title, outcome: 'not_applied' }) as const satisfies ErrorKind
const unknown = (status: number, title: string) =>
  ({ status, title, outcome: 'unknown' }) as const satisfies ErrorKind

export const API_ERRORS = {
  invalid_request: notApplied(400, 'The request is not valid'),
  unauthenticated: notApplied(401, 'Credentials are needed'),
  permission_denied: notApplied(403, 'Not permitted'),
  not_found: notApplied(404, 'Not found'),
  no_such_route: notApplied(404, 'No such route'),
  method_not_allowed: notApplied(405, 'Method not allowed'),
  conflict: notApplied(409, 'Something stands in the way'),
  revision_compacted: notApplied(410, 'The revision is no longer kept'),
  version_mismatch: notApplied(412, 'The resource is not at the version expected'),
  stale_token: notApplied(412, 'The token is not a current holder'),
  too_large: notApplied(413, 'Too large'),
  schema_violation: notApplied(422, 'The value does not match its schema'),
  idempotency_key_reused: notApplied(422, 'The idempotency key was used for another request'),
  too_many_requests: notApplied(429, 'Too many requests'),
  internal: unknown(500, 'Internal error'),
  no_leader: notApplied(503, 'No leader is known'),
  too_stale: notApplied(503, 'The state here is too old'),
  fenced: notApplied(503, 'The state of this node cannot be trusted'),
  outcome_unknown: unknown(504, 'The outcome is unknown'),
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof API_ERRORS

/** One thing that is wrong with a request; `path` is dotted, such as `metadata.zone` or `?wait`. */
export interface Issue {
  readonly path: string
  readonly message: string
}

/** What a code says beside the members that all problems have. */
export type Members = Readonly<Record<string, unknown>>

/** Thrown by routes and turned into an answer by `app.onError` alone. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly code: ErrorCode
  readonly members: Members
  readonly headers: Readonly<Record<string, string>>

  constructor(
    code: ErrorCode,
    detail: string,
    members: Members = {},
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail)
    this.code = code
    this.members = members
    this.headers = headers
  }
}

/** 400 about one field, parameter or header. */
export function invalid(path: string, message: string): ApiError {
  return invalidAll([{ path, message }])
}

export function invalidAll(issues: readonly Issue[], more: Members = {}): ApiError {
  const detail = issues.map(({ path, message }) => (path === '' ? message : `${path} ${message}`))
  return new ApiError('invalid_request', detail.join('; '), { issues, ...more })
}

/** Of a request that the cluster could not serve. */
export function failed(failure: Failure): ApiError {
  return new ApiError(failure.failure, failure.detail)
}

/** Of a write that was decided against. */
export function refused(refusal: Refusal): ApiError {
  const position = positionOf(refusal)
  switch (refusal.code) {
    case 'invalid_request':
      return invalidAll([{ path: refusal.path, message: refusal.detail }], position)
    case 'version_mismatch':
      return new ApiError(refusal.code, refusal.detail, { current: refusal.current, ...position })
    case 'schema_changed':
      return new ApiError('conflict', `${refusal.detail}; try again`, position)
    default:
      return new ApiError(refusal.code, refusal.detail, position)
  }
}

/** Of the operation by which a transaction failed. */
function positionOf({ failed }: Refusal): Members {
  return failed === undefined ? {} : { failed }
}

/** Methods that change nothing: their failures carry no `outcome`. */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])

/** The answer to a failed request: RFC 9457, never with a stack trace. */
export function problem(error: ApiError, method: string): Response {
  const { status, title, outcome } = API_ERRORS[error.code]
  const body = {
    type: `/problems/${error.code}`,
    title,
    status,
    detail: error.message,
    code: error.code,
    ...(SAFE.has(method) ? {} : { outcome }),
    ...error.members,
  }
  const headers: Record<string, string> = { 'Content-Type': 'application/problem+json' }
  if (status === 429 || status === 503) headers['Retry-After'] = '1'
  return new Response(jsonLine(body), { status, headers: { ...headers, ...error.headers } })
}
