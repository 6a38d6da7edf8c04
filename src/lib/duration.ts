const UNITS: readonly (readonly [name: string, ms: number])[] = [
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
]
const SHAPE = /^(\d{1,12})(ms|s|m|h)$/

/** What to tell someone whose duration was not understood. */
export const DURATION_HINT =
  'a duration is a whole number with a unit, such as "500ms", "15s", "10m" or "2h"'

/** Milliseconds of a duration such as `15s`, or null where `text` is not one. */
export function parseDuration(text: string): number | null {
  const parts = SHAPE.exec(text)
  if (parts === null) return null
  const unit = UNITS.find(([name]) => name === parts[2])
  if (unit === undefined) return null
  const ms = Number(parts[1]) * unit[1]
  return Number.isSafeInteger(ms) ? ms : null
}

/** The shortest spelling that `parseDuration` reads back: 90,000 is `90s`, 120,000 is `2m`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s'
  for (const [name, size] of UNITS) if (ms % size === 0) return `${ms / size}${name}`
  return `${Math.round(ms)}ms` // A fraction of a millisecond is below what is ever promised.
}
