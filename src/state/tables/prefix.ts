import { utf8 } from '../../lib/bytes.ts'
import type { SqlValue } from './sql.ts'

/** A BLOB sorts after every TEXT, so this bounds nothing. Not empty: drivers differ there. */
const NO_BOUND = new Uint8Array([0])

/**
 * The exclusive upper bound of the texts that begin with `prefix`, in memcmp order of UTF-8,
 * which is code point order: the prefix with its last code point raised by one.
 */
export function prefixEnd(prefix: string): SqlValue {
  const points = [...prefix]
  for (;;) {
    const last = points.pop()?.codePointAt(0)
    if (last === undefined) return NO_BOUND
    if (last === 0x10ffff) continue // Nothing comes after it: raise the one before.
    // Between U+D7FF and U+E000 lie the surrogates, which are no code points of a text.
    return points.join('') + String.fromCodePoint(last === 0xd7ff ? 0xe000 : last + 1)
  }
}

/** Negative, 0 or positive as `x` sorts before, with or after `y` in memcmp order of UTF-8. */
export function compareBytes(x: string, y: string): number {
  const a = utf8(x)
  const b = utf8(y)
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** Where a page begins: at `from`, or just after it. */
export interface PageStart {
  readonly from: string
  readonly inclusive: boolean
}

/** The later of the prefix itself and what follows `after`. */
export function pageStart(prefix: string, after: string | null): PageStart {
  if (after === null) return { from: prefix, inclusive: true }
  if (after.startsWith(prefix) || compareBytes(after, prefix) >= 0) {
    return { from: after, inclusive: false }
  }
  return { from: prefix, inclusive: true }
}
