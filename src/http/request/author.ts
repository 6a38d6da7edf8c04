/**
 * `Rollcall-Author`: who a write is by, as its sender says; null where it does not say. A label for
 * those who read the history, as the `owner` of a lock is: nothing is decided by it, and nobody has
 * proven it (`.github/decisions/0016-an-author-is-stated.md`).
 *
 * Header fields carry ASCII alone on every runtime and through every proxy, so all else comes as
 * percent-encoded UTF-8.
 */
import type { Asked } from '../edge.ts'
import { invalid } from '../error.ts'
import { labelProblem } from './schema.ts'

export const AUTHOR = 'Rollcall-Author'
const LENGTH_MAX = 128
const PRINTABLE_ASCII = /^[ -~]*$/

/** A bad one is refused, never cut or dropped: the history would name somebody else, for ever. */
export function authorOf(c: Asked): string | null {
  const header = c.req.header(AUTHOR)
  return header === undefined ? null : parseAuthor(header)
}

function parseAuthor(header: string): string {
  if (!PRINTABLE_ASCII.test(header)) {
    throw invalid(AUTHOR, 'is not plain ASCII: percent-encode it as UTF-8, such as Zo%C3%AB')
  }
  const author = decode(header)
  if (author.trim() === '') throw invalid(AUTHOR, 'must not be empty: say who, or leave it out')
  const problem = labelProblem(author, LENGTH_MAX)
  if (problem !== null) throw invalid(AUTHOR, problem)
  return author
}

function decode(header: string): string {
  if (!header.includes('%')) return header
  try {
    return decodeURIComponent(header)
  } catch (cause) {
    const why = 'is not UTF-8 in valid percent-encoding: encode all of it, "%" itself as %25'
    throw Object.assign(invalid(AUTHOR, why), { cause })
  }
}
