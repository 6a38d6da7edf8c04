import { assert } from './assert.ts'

/** The last instant that RFC 3339 can spell: its years have four digits. */
const MS_MAX = 253_402_300_799_999

/** A wall-clock time in RFC 3339, UTC, such as `2026-08-01T12:00:00.000Z`. */
export function rfc3339(ms: number): string {
  assert(ms >= 0 && ms <= MS_MAX, 'a wall-clock time lies between the years 1970 and 9999')
  return new Date(ms).toISOString()
}
