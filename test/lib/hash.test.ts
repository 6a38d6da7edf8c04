import { expect, test } from 'bun:test'
import { MultisetHash } from '../../src/lib/hash.ts'
import type { HashValue } from '../../src/lib/hash.ts'
import { prng } from '../../src/lib/prng.ts'

function of(...values: HashValue[]): string {
  const hash = new MultisetHash()
  hash.add(1, values)
  return hash.hex()
}

test('the empty multiset is 0', () => {
  expect(new MultisetHash().hex()).toBe('0000000000000000')
})

test('a member has this hash for ever: databases hold it', () => {
  expect(of()).toBe('f8f142607e198b19')
  expect(of('grüße 🦊', null, -1, 2 ** 53 - 1, 0.5, new Uint8Array([1, 2, 3, 4, 5]))).toBe(
    'e723c76f503c2ce6',
  )
})

test('adding and subtracting do not depend on the order', () => {
  const random = prng(7)
  const rows = Array.from({ length: 100 }, (_, i) => [`row-${i}`, random(1_000_000)])
  const one = new MultisetHash()
  for (const row of rows) one.add(3, row)
  const other = new MultisetHash()
  other.add(3, ['guest'])
  for (const row of rows.toReversed()) other.add(3, row)
  other.subtract(3, ['guest'])

  expect(other.hex()).toBe(one.hex())
  for (const row of rows) other.subtract(3, row)
  expect(other.hex()).toBe('0000000000000000')
})

test('the same member twice is not the same as once', () => {
  const once = new MultisetHash()
  once.add(1, ['a'])
  const twice = new MultisetHash()
  twice.add(1, ['a'])
  twice.add(1, ['a'])
  expect(twice.hex()).not.toBe(once.hex())
})

test('goes on from stored lanes', () => {
  const whole = new MultisetHash()
  whole.add(1, ['a'])
  const rest = new MultisetHash(whole.lanes)
  whole.add(1, ['b'])
  rest.add(1, ['b'])
  expect(rest.hex()).toBe(whole.hex())
})

function bytes(...values: number[]): Uint8Array {
  return new Uint8Array(values)
}

test('values that are not the same do not hash the same', () => {
  const members: readonly HashValue[][] = [
    [],
    [null],
    [null, null],
    [0],
    [1],
    [-1],
    [2 ** 32],
    [2 ** 32 + 1],
    [2 ** 53 - 1],
    [-(2 ** 53 - 1)],
    [0.5],
    [-0.5],
    [1e300],
    [''],
    ['0'],
    ['a'],
    ['a', ''],
    ['', 'a'],
    ['ab'],
    ['a', 'b'],
    ['b', 'a'],
    ['a\0'],
    ['é'],
    ['e\u0301'],
    [bytes()],
    [bytes(0)],
    [bytes(0, 0)],
    [bytes(97)],
    [bytes(0, 0, 0, 0)],
    [bytes(0, 0, 0, 0, 0)],
    [bytes(1, 2, 3, 4), bytes(5)],
    [bytes(1, 2, 3, 4, 5)],
    [bytes(5, 4, 3, 2, 1)],
  ]
  const hashes = new Set(members.map((values) => of(...values)))
  expect(hashes.size).toBe(members.length)
  const otherSet = new MultisetHash()
  otherSet.add(2, ['a'])
  expect(hashes.has(otherSet.hex())).toBe(false)
})

test('-0 is 0, as it is for a database', () => {
  expect(of(-0)).toBe(of(0))
})

test('both lanes spread: no collision among 200,000 near members in either', () => {
  // 200,000 of 2^32 would collide about 4.7 times by chance in one lane; 25 is far outside.
  const left = new Set<string>()
  const right = new Set<string>()
  for (let i = 0; i < 200_000; i++) {
    const hash = new MultisetHash()
    hash.add(1, ['default', `key-${i}`, i])
    left.add(hash.hex().slice(0, 8))
    right.add(hash.hex().slice(8))
  }
  expect(left.size).toBeGreaterThan(200_000 - 25)
  expect(right.size).toBeGreaterThan(200_000 - 25)
})
