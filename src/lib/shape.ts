/**
 * Objects that all have the same fields, made from their values by position and taken apart again.
 *
 * Filling an object field by field under names that are looked up grows it several times, for every
 * row that is read and every command that is decoded. So the two functions of a shape are written
 * out as source, once per shape, as one would by hand. Names are this program's own, and asserted
 * to be plain identifiers: nothing that came from outside can get into that source.
 *
 * @module
 */
import { assert } from './assert.ts'

export interface Shape<R> {
  /** `values[i]` becomes the field of the i-th name. */
  readonly make: (values: readonly unknown[]) => R
  /** The fields' values, in the order of the names. */
  readonly values: (record: R) => unknown[]
}

const IDENTIFIER = /^[a-zA-Z][a-zA-Z0-9]*$/

export function shapeOf<R>(names: readonly (keyof R & string)[]): Shape<R> {
  for (const name of names) assert(IDENTIFIER.test(name), 'a field has a plain name')
  assert(new Set(names).size === names.length, 'a shape has each field once')
  const fields = names.map((name, i) => `${name}: values[${i}]`).join(', ')
  const parts = names.map((name) => `record.${name}`).join(', ')
  return {
    make: new Function('values', `return { ${fields} }`) as Shape<R>['make'],
    values: new Function('record', `return [${parts}]`) as Shape<R>['values'],
  }
}
