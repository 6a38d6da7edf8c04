import { nameProblem } from '../../lib/names.ts'
import type { Asked } from '../edge.ts'
import { invalid } from '../error.ts'
import type { Query } from './query.ts'

const DEFAULT_NAMESPACE = 'default'

/** From `?ns=` or `Rollcall-Namespace`, which must not say different things. */
export function namespaceOf(c: Asked, query: Query): string {
  const fromQuery = query.name('ns')
  const fromHeader = c.req.header('Rollcall-Namespace')
  if (fromHeader === undefined) return fromQuery ?? DEFAULT_NAMESPACE
  const problem = nameProblem(fromHeader)
  if (problem !== null) throw invalid('Rollcall-Namespace', problem)
  if (fromQuery !== null && fromQuery !== fromHeader) {
    throw invalid('?ns', 'says another namespace than the Rollcall-Namespace header')
  }
  return fromHeader
}
