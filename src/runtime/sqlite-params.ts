import { assert } from '../lib/assert.ts'
import type { SqlValue } from '../state/tables/sql.ts'

/**
 * How many parameters a statement takes: the largest `?n`, or the number of bare `?`. Two of the
 * three drivers bind NULL for a missing one without a word, so we count ourselves. Our SQL has
 * no question mark inside a literal.
 */
export function parameterCount(sql: string): number {
  let count = 0
  for (const [, digits] of sql.matchAll(/\?(\d*)/g)) {
    count = digits === '' ? count + 1 : Math.max(count, Number(digits))
  }
  return count
}

export function assertParams(count: number, params: readonly SqlValue[]): void {
  assert(params.length === count, 'a statement is given all of its parameters, and no more')
}
