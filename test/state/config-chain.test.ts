import { expect, test } from 'bun:test'
import { jumpDepth } from '../../src/state/config/chain.ts'

test('jumpDepth() leaves out the last span of a depth in skew binary', () => {
  const depths = Array.from({ length: 16 }, (_, i) => jumpDepth(i + 1))
  expect(depths).toEqual([0, 1, 0, 3, 4, 3, 0, 7, 8, 7, 10, 11, 10, 7, 0, 15])
})

test('jumpDepth() is the depth before, or where the jump of the jump before ends', () => {
  for (let depth = 2; depth <= 5_000; depth++) {
    const to = jumpDepth(depth)
    if (to !== depth - 1) expect(to).toBe(deeper(jumpDepth(depth - 1)))
  }
})

function deeper(depth: number): number {
  return depth === 0 ? 0 : jumpDepth(depth)
}

test('by jumps and single steps every depth is near to every other', () => {
  const from = 100_000
  for (const wanted of [1, 2, 1_000, 65_536, 99_998, 99_999]) {
    let steps = 0
    for (let at = from; at !== wanted; steps++) {
      const to = jumpDepth(at)
      at = to >= wanted ? to : at - 1
    }
    expect(steps).toBeLessThan(4 * Math.log2(from))
  }
})
