/** Pages of lists. A cursor is the last name of the page before, opaque to the caller. */
import { fromBase64Url, toBase64Url } from '../../lib/base64.ts'
import { utf8, utf8Text } from '../../lib/bytes.ts'
import { prefixProblem } from '../../lib/names.ts'
import type { Page } from '../../state/reader.ts'
import type { Edge } from '../edge.ts'
import { invalid } from '../error.ts'
import type { Query } from './query.ts'

export const PAGE = ['prefix', 'limit', 'cursor']

/** What the query asks for, at most `pageMax` items. */
export function pageOf(query: Query, { limits }: Edge): Page {
  const prefix = query.literal('prefix') ?? ''
  const problem = prefixProblem(prefix)
  if (problem !== null) throw invalid('?prefix', problem)
  const limit = query.integer('limit', { min: 1, max: limits.pageMax }) ?? limits.pageMax
  const cursor = query.literal('cursor')
  return { prefix, after: cursor === null ? null : decodeCursor(cursor), limit }
}

/** One row more than the page holds tells whether there is a next one. */
export function oneMore(page: Page): Page {
  return { ...page, limit: page.limit + 1 }
}

/** `{next}` where rows were left over, else nothing. */
export function nextOf<T>(
  rows: readonly T[],
  shown: number,
  nameOf: (row: T) => string,
): { readonly next?: string } {
  const last = rows[shown - 1]
  return rows.length > shown && last !== undefined ? { next: encodeCursor(nameOf(last)) } : {}
}

function encodeCursor(last: string): string {
  return toBase64Url(utf8(last))
}

function decodeCursor(cursor: string): string {
  const after = /^[A-Za-z0-9_-]{1,1024}$/.test(cursor) ? textOf(cursor) : null
  if (after === null || after === '' || prefixProblem(after) !== null) {
    throw invalid('?cursor', 'is not a cursor that this API gave out')
  }
  return after
}

function textOf(cursor: string): string | null {
  const bytes = fromBase64Url(cursor)
  return bytes === null ? null : utf8Text(bytes)
}
