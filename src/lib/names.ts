/**
 * What may be a name, a path-like key, or a prefix of one (API.md "names"). Each function answers
 * null for a good one, else what is wrong with it, to follow the name of the field.
 *
 * The alphabet is ASCII, so every good name is in normal form (NFC) and sorts by its bytes.
 */
const NAME = /^[A-Za-z0-9._\-:@~+]+$/
const KEY = /^[A-Za-z0-9._\-:@~+/]+$/

const NAME_LENGTH_MAX = 128
const KEY_LENGTH_MAX = 512

export function nameProblem(text: string): string | null {
  if (text === '') return 'must not be empty'
  if (text.length > NAME_LENGTH_MAX) return `is longer than ${NAME_LENGTH_MAX} characters`
  if (!NAME.test(text)) return `${strange(text, NAME)}; allowed are A–Z a–z 0–9 . _ - : @ ~ +`
  return isDots(text) ? 'must not be a dot segment' : null
}

/** Like a name, with `/` between non-empty segments. */
export function keyProblem(text: string): string | null {
  if (text === '') return 'must not be empty'
  return prefixProblem(text) ?? (text.endsWith('/') ? 'must not end in "/"' : lastSegment(text))
}

/** Of a key: may be empty, may end anywhere, in the middle of a segment too. */
export function prefixProblem(text: string): string | null {
  if (text === '') return null
  if (text.length > KEY_LENGTH_MAX) return `is longer than ${KEY_LENGTH_MAX} characters`
  if (!KEY.test(text)) return `${strange(text, KEY)}; allowed are A–Z a–z 0–9 . _ - : @ ~ + /`
  if (text.startsWith('/') || text.includes('//')) return 'must not have an empty segment'
  const whole = text.split('/').slice(0, -1)
  return whole.some(isDots) ? 'must not have a dot segment' : null
}

function lastSegment(key: string): string | null {
  return isDots(key.slice(key.lastIndexOf('/') + 1)) ? 'must not have a dot segment' : null
}

function isDots(segment: string): boolean {
  return segment === '.' || segment === '..'
}

/** Names the first character that does not belong, without repeating the rest of the input. */
function strange(text: string, allowed: RegExp): string {
  const bad = Array.from(text).find((character) => !allowed.test(character)) ?? ''
  const code = (bad.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')
  return `has a character that is not allowed (U+${code})`
}
