import { expect, test } from 'bun:test'
import { murmur3 } from '../../src/lib/murmur3.ts'

/** Published with other implementations of MurmurHash3_x86_32, seed 0. */
test.each([
  ['', 0],
  ['a', 0x3c2569b2],
  ['abc', 0xb3dd93fa],
  ['abcd', 0x43ed676a],
  ['hello', 0x248bfa47],
  ['hello, world', 0x149bbb7f],
  ['The quick brown fox jumps over the lazy dog', 0x2e4ff723],
])('murmur3() of %j is %d', (text, expected) => {
  expect(murmur3(new TextEncoder().encode(text))).toBe(expected)
})
