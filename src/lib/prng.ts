import { assert } from './assert.ts'

/** A whole number in `[0, bound)`. What pure code is given in place of chance of its own. */
export type Random = (bound: number) => number

/**
 * A small seeded generator (sfc32, period at least 2^32) for the simulator and for jitter.
 * Not for secrets.
 */
export function prng(seed: number): Random {
  assert(Number.isSafeInteger(seed), 'a seed is a whole number')
  let a = 0x9e3779b9
  let b = seed | 0
  let c = Math.floor(seed / 0x100000000) | 0
  let counter = 1
  const next = (): number => {
    const t = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + t
    c |= 0
    return t >>> 0
  }
  for (let i = 0; i < 15; i++) next() // The first outputs still resemble the seed.
  return (bound) => {
    assert(Number.isSafeInteger(bound) && bound >= 1 && bound <= 0x100000000, 'a usable bound')
    return Math.floor((next() / 0x100000000) * bound)
  }
}
