/**
 * The one error of this client. What a node refused has the code, status and members of its problem
 * (API.md "errors"); what the client found out by itself has a code of {@link ClientCode} and
 * status 0.
 */

import type { Answer } from './transport.ts'

/** Whether a failed write may have happened; null for what writes nothing. */
export type FailedOutcome = 'not_applied' | 'unknown' | null

/**
 * - `unreachable`: no node answered within the time of the call.
 * - `closed`: the client, or the object that was asked, is closed.
 * - `invalid_argument`: the call cannot be meant; nothing was sent.
 * - `invalid_answer`: something answered that is not rollcall.
 * - `invalid_value`: a configuration value that does not fit its schema; with `issues`.
 * - `lost`: a lock, a lease or a leadership that is not held any more.
 */
export type ClientCode =
  'unreachable' | 'closed' | 'invalid_argument' | 'invalid_answer' | 'invalid_value' | 'lost'

export type ServerCode =
  | 'invalid_request'
  | 'unauthenticated'
  | 'permission_denied'
  | 'not_found'
  | 'no_such_route'
  | 'method_not_allowed'
  | 'conflict'
  | 'revision_compacted'
  | 'version_mismatch'
  | 'stale_token'
  | 'too_large'
  | 'schema_violation'
  | 'idempotency_key_reused'
  | 'too_many_requests'
  | 'internal'
  | 'no_leader'
  | 'too_stale'
  | 'fenced'
  | 'outcome_unknown'

/** The known codes complete in an editor; a newer node may answer others. */
export type ErrorCode = ClientCode | ServerCode | (string & {})

export interface ErrorInit {
  readonly status?: number
  readonly outcome?: FailedOutcome
  /** The members of the problem, such as `current`, `issues`, `holders` or `oldest`. */
  readonly problem?: Readonly<Record<string, unknown>>
  readonly revision?: number | null
  readonly cause?: unknown
}

export class RollcallError extends Error {
  override readonly name = 'RollcallError'
  readonly code: ErrorCode
  /** Of HTTP; 0 where no node answered. */
  readonly status: number
  /** `unknown`: the write may have happened, or may happen yet. */
  readonly outcome: FailedOutcome
  readonly detail: string
  readonly problem: Readonly<Record<string, unknown>>
  /** Of the store, as the answer reflects it: a 404 is true as of there. Null where none was told. */
  readonly revision: number | null

  constructor(code: ErrorCode, detail: string, init: ErrorInit = {}) {
    super(`${code}: ${detail}`, 'cause' in init ? { cause: init.cause } : undefined)
    this.code = code
    this.status = init.status ?? 0
    this.outcome = init.outcome ?? null
    this.detail = detail
    this.problem = init.problem ?? {}
    this.revision = init.revision ?? null
  }
}

/** Whether `error` is ours, and of one of `codes` where some are named. */
export function isCode(error: unknown, ...codes: readonly ErrorCode[]): error is RollcallError {
  return error instanceof RollcallError && (codes.length === 0 || codes.includes(error.code))
}

/** For an end that a time to live brings about too: silent where no node heard of it. */
export async function quietly(end: Promise<void>): Promise<void> {
  try {
    await end
  } catch (error) {
    if (!isCode(error)) throw error
  }
}

/** The error that an answer is which is no success; a redirect, too, is none of rollcall's. */
export function errorOf(
  { status, revision, text }: Pick<Answer, 'status' | 'revision' | 'text'>,
  isWrite: boolean,
): RollcallError {
  const problem = objectOf(text())
  const { code, detail, title, outcome } = problem
  const unsaid = isWrite && status >= 500 ? 'unknown' : isWrite ? 'not_applied' : null
  return new RollcallError(
    typeof code === 'string' ? code : 'invalid_answer',
    String(detail ?? title ?? `HTTP ${status}, and not as rollcall would say it`),
    {
      status,
      revision,
      problem,
      outcome: outcome === 'unknown' || outcome === 'not_applied' ? outcome : unsaid,
    },
  )
}

/** For an answer without what the contract promises. */
export function lacking(what: string): RollcallError {
  return new RollcallError('invalid_answer', `an answer without ${what} is none of rollcall's`)
}

/** JSON that was promised: nothing but its syntax is checked. */
export function parsed<T>(text: string): T {
  try {
    return JSON.parse(text) as T
  } catch {
    throw lacking('JSON') // What the parser says of a proxy's page is of no use.
  }
}

/** Tells a listener; what it throws is its own affair, and ends nothing here. */
export function tell<T>(listener: ((about: T) => void) | undefined, about: T): void {
  try {
    listener?.(about)
  } catch {
    // Whoever wants to know of it catches it there: nobody else is left to tell.
  }
}

function objectOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {} // A proxy's page: the status is all that it says.
  }
}
