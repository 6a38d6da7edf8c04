import { RollcallError } from './error.ts'

/** As the API writes them: `500ms`, `15s`, `10m`, `2h`. A bare number would not say of what. */
export type Duration = `${number}${'ms' | 's' | 'm' | 'h'}`

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

export function millis(duration: Duration): number {
  const [, digits = '', unit = ''] = /^(\d+)(ms|s|m|h)$/.exec(duration) ?? []
  const scale = UNITS[unit]
  if (scale !== undefined) return Number(digits) * scale
  throw new RollcallError('invalid_argument', `"${duration}" is no duration: write 500ms, 15s, 2h`)
}

export function duration(ms: number): Duration {
  return `${Math.max(0, Math.floor(ms))}ms`
}
