/** `If-Match` and `If-None-Match`, from the contract: 0 in a list stands for absence. */
import type { Expect, Outcome } from '../../../src/state/mod.ts'

/** The refusal, or null where what is there is what was expected. */
export function unexpected(
  expect: Expect | null,
  current: number | null,
  revision: number,
): Outcome | null {
  if (expect === null) return null
  const { match, absent } = expect
  const fits = match === null || (match === '*' ? current !== null : match.includes(current ?? 0))
  if (fits && !(absent && current !== null)) return null
  const detail =
    current === null ? 'it does not exist' : `it exists, its current ETag is "${current}"`
  return { ok: false, revision, code: 'version_mismatch', detail, current }
}
