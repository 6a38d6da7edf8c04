import { expect, test } from 'bun:test'

import { assert, nat, property } from 'fast-check'

import { formatDuration, parseDuration } from '../../src/lib/duration.ts'

test.each([
  ['500ms', 500],
  ['15s', 15_000],
  ['10m', 600_000],
  ['2h', 7_200_000],
  ['0s', 0],
  ['007s', 7_000],
] as const)('parseDuration() reads %s', (text, ms) => {
  expect(parseDuration(text)).toBe(ms)
})

test.each([
  '',
  '5000',
  '15',
  's',
  '-1s',
  '1.5s',
  ' 15s',
  '15s ',
  '15S',
  '15 s',
  '1d',
  '1e3s',
  '1m30s',
  '١s',
])('parseDuration() refuses "%s"', (text) => {
  expect(parseDuration(text)).toBeNull()
})

test('parseDuration() refuses what no number can hold exactly', () => {
  expect(parseDuration('999999999999h')).toBeNull()
})

test.each([
  [0, '0s'],
  [1, '1ms'],
  [1_500, '1500ms'],
  [90_000, '90s'],
  [120_000, '2m'],
  [86_400_000, '24h'],
] as const)('formatDuration() spells %d as %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text)
})

test('parseDuration() reads back whatever formatDuration() writes', () => {
  assert(property(nat({ max: 10_000_000_000 }), (ms) => parseDuration(formatDuration(ms)) === ms))
})
