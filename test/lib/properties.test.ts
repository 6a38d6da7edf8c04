import { expect, test } from 'bun:test'
import { propertiesProblem } from '../../src/lib/properties.ts'

test.each([
  [''],
  ['a=1\nb: 2\nc 3\n'],
  ['# \\u is no escape here\n! nor \\uXYZ here'],
  ['a = \\u00e9\\n\\\\u12'],
  ['a = one \\\n    two\r\nb = 3'],
  ['a = 1\\\\\n# a comment: the backslash before it is one itself \\u'],
])('propertiesProblem() of %j is null', (text) => {
  expect(propertiesProblem(text)).toBe(null)
})

test.each([
  ['a=\\u12', 'line 1, column 3'],
  ['a=1\nb=\\u12G4', 'line 2, column 3'],
  ['a=1\\\n# goes on: \\u', 'line 2, column 12'],
  ['a=\0', 'line 1, column 3'],
])('propertiesProblem() of %j names the place', (text, place) => {
  expect(propertiesProblem(text)).toContain(place)
})
