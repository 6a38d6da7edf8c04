import { expect, test } from 'bun:test'

import { editDistance, nearest } from '../../src/lib/nearest.ts'

const FIELDS = ['address', 'port', 'ports', 'ttl', 'removeAfter', 'metadata', 'status']

test.each([
  ['prot', 'port'],
  ['adress', 'address'],
  ['TTL', 'ttl'],
  ['remove_after', 'removeAfter'],
  ['metdata', 'metadata'],
] as const)('nearest() takes %s for %s', (word, meant) => {
  expect(nearest(word, FIELDS)).toBe(meant)
})

test.each(['colour', 'x', '', 'a'.repeat(1_000)])('nearest() leaves "%s" alone', (word) => {
  expect(nearest(word, FIELDS)).toBeNull()
})

test('nearest() prefers the closest', () => {
  expect(nearest('portss', ['port', 'ports'])).toBe('ports')
})

test.each([
  ['', '', 0],
  ['abc', '', 3],
  ['', 'abc', 3],
  ['abc', 'abc', 0],
  ['abc', 'acb', 1],
  ['kitten', 'sitting', 3],
] as const)('editDistance() of "%s" and "%s" is %d', (a, b, distance) => {
  expect(editDistance(a, b)).toBe(distance)
})
