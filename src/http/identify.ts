import { ApiError, problem } from './error.ts'
import type { Registry } from './registry.ts'

type Answering = Pick<Registry, 'self' | 'local'>

/** Who answers, and from which state (API.md "response headers"): on every answer, errors too. */
export function identify(
  headers: Headers,
  registry: Answering,
  revision = registry.local.revision,
): void {
  const { id, leaderUrl } = registry.self()
  headers.set('Rollcall-Node', id)
  if (leaderUrl !== null) headers.set('Rollcall-Leader', leaderUrl)
  headers.set('Rollcall-Revision', String(revision))
}

/**
 * Before a node is ready, and while it stops. Nothing was looked at, so nothing was applied.
 * `self`: null where it is not known yet who this is.
 */
export function unavailable({ method }: Request, detail: string, self: Answering | null): Response {
  const error = new ApiError('no_leader', detail, {}, { Connection: 'close' })
  const answer = problem(error, method)
  if (self !== null) identify(answer.headers, self)
  return answer
}
