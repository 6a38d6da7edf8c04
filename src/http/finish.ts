/** The end of every request: the headers that all answers have, the counting, and failures. */
import type { Asked, Edge } from './edge.ts'
import { ApiError, problem } from './error.ts'
import { identify } from './identify.ts'

/** Of a call that no route answers. */
export const NO_ROUTE = 'none'

/** Completes an answer of this node's own, errors too; `route` is the template that answered. */
export function finish(c: Asked, edge: Edge, route: string, answer: Response): Response {
  const { headers } = answer
  identify(headers, edge.registry, c.get('revision'))
  const consistency = c.get('consistency')
  if (consistency !== undefined) headers.set('Rollcall-Consistency', consistency)
  const stalenessMs = c.get('stalenessMs')
  if (stalenessMs !== undefined) headers.set('Rollcall-Staleness-Ms', String(stalenessMs))
  count(c, edge, route, answer)
  return answer
}

export function count(c: Asked, { requests }: Edge, route: string, { status }: Response): void {
  const key = `${METHODS.has(c.req.method) ? c.req.method : 'OTHER'} ${route} ${status}`
  requests.set(key, (requests.get(key) ?? 0) + 1)
}

/** Labels of a metric have a bound; methods are whatever a client writes. */
const METHODS = new Set(['GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE', 'OPTIONS'])

/** The one place where an error becomes an answer. */
export function answerError(error: Error, c: Asked, { logger }: Edge, route: string): Response {
  if (error instanceof ApiError) return problem(error, c.req.method)
  logger.error('a request failed unexpectedly', {
    method: c.req.method,
    route,
    error: error.stack ?? error.message,
  })
  return problem(
    new ApiError('internal', 'the node could not answer; its log says why'),
    c.req.method,
  )
}
