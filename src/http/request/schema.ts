/** Schemas of the values that many bodies share. Messages continue the name of the field. */
import * as v from 'valibot'

import { DURATION_HINT, formatDuration, parseDuration } from '../../lib/duration.ts'
import { keyProblem, nameProblem } from '../../lib/names.ts'
import { isObject } from '../../lib/objects.ts'

const STRING = 'must be a string'

/** Runs of `problem` over a string that answers null or what is wrong. */
function checked(problem: (text: string) => string | null) {
  return v.pipe(
    v.string(STRING),
    v.rawCheck(({ dataset, addIssue }) => {
      const message = dataset.typed ? problem(dataset.value) : null
      if (message !== null) addIssue({ message })
    }),
  )
}

export const name = checked(nameProblem)

/** A config key: names with `/` between them. */
export const key = checked(keyProblem)

/** Free text of one paragraph or many, such as a note. */
export function text(lengthMax: number) {
  return checked((value) => textProblem(value, lengthMax))
}

function textProblem(value: string, lengthMax: number): string | null {
  if (value.length > lengthMax) return `is longer than ${lengthMax} characters`
  return value.isWellFormed() && !value.includes('\0') ? null : 'is not plain text'
}

// oxlint-disable-next-line no-control-regex -- Control characters are what is looked for.
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/

/** A short text of one line that is not empty: a tag, a label, a key of a map. */
export function label(lengthMax = 128) {
  return checked((value) => labelProblem(value, lengthMax))
}

/** Null for a good one, else what is wrong with it, to follow the name of the field. */
export function labelProblem(value: string, lengthMax: number): string | null {
  if (value === '') return 'must not be empty'
  if (value.length > lengthMax) return `is longer than ${lengthMax} characters`
  if (CONTROL.test(value)) return 'must not have control characters'
  return value.isWellFormed() && value.normalize('NFC') === value ? null : 'is not in Unicode NFC'
}

export function oneOf<const T extends readonly string[]>(allowed: T) {
  return v.picklist(allowed, `must be one of ${allowed.join(', ')}`)
}

interface Bounds {
  readonly min: number
  readonly max: number
}

/** A duration, in milliseconds. */
export function duration({ min, max }: Bounds) {
  return v.pipe(
    v.string('must be a string such as "15s" or "500ms": a bare number does not say its unit'),
    v.rawTransform(({ dataset, addIssue, NEVER }): number => {
      const ms = parseDuration(dataset.value)
      if (ms !== null && ms >= min && ms <= max) return ms
      const range = `must be from ${formatDuration(min)} to ${formatDuration(max)}`
      addIssue({ message: ms === null ? `is not a duration: ${DURATION_HINT}` : range })
      return NEVER
    }),
  )
}

/** A duration, or one word that stands for none, such as `never`. */
export function durationOr<const W extends string>(word: W, bounds: Bounds) {
  const known = duration(bounds)
  return v.pipe(
    v.string(`must be "${word}" or a string such as "15s": a bare number does not say its unit`),
    v.rawTransform(({ dataset, addIssue, NEVER }): number | W => {
      if (dataset.value === word) return word
      const result = v.safeParse(known, dataset.value)
      if (result.success) return result.output
      addIssue({ message: `must be "${word}", or ${result.issues[0].message}` })
      return NEVER
    }),
  )
}

export function integer({ min, max }: Bounds) {
  const message = `must be a whole number from ${min} to ${max}`
  return v.pipe(
    v.number(message),
    v.safeInteger(message),
    v.minValue(min, message),
    v.maxValue(max, message),
    v.transform((value) => value + 0), // -0 is 0.
  )
}

export function fraction({ min, max }: Bounds) {
  const message = `must be a number from ${min} to ${max}`
  return v.pipe(
    v.number(message),
    v.minValue(min, message),
    v.maxValue(max, message),
    v.transform((value) => value + 0), // -0 is 0.
  )
}

/** Keys that valibot leaves out of records in silence, since assigning them is dangerous. */
const DANGEROUS = new Set(['__proto__', 'prototype', 'constructor'])

/** A map from labels to `value`, with at most `max` pairs. */
export function map<S extends v.GenericSchema>(value: S, max: number) {
  return v.pipe(
    v.custom<Record<string, unknown>>(isObject, 'must be an object'),
    v.rawCheck(({ dataset, addIssue }) => {
      const message = dataset.typed ? mapProblem(Object.keys(dataset.value), max) : null
      if (message !== null) addIssue({ message })
    }),
    v.record(v.string(), value),
  )
}

function mapProblem(keys: readonly string[], max: number): string | null {
  if (keys.length > max) return `has more than ${max} entries`
  for (const key of keys) {
    if (DANGEROUS.has(key)) return `must not have the key "${key}"`
    const problem = labelProblem(key, 128)
    if (problem !== null) return `has a key that ${problem}`
  }
  return null
}

export function list<S extends v.GenericSchema>(item: S, max: number) {
  return v.pipe(v.array(item, 'must be a list'), v.maxLength(max, `has more than ${max} entries`))
}
