import { expect, test } from 'bun:test'
import { Backoff } from '../../src/lib/backoff.ts'
import { prng } from '../../src/lib/prng.ts'

test('next() doubles its window up to the largest', () => {
  const longest = new Backoff({ minMs: 50, maxMs: 2_000, random: (bound) => bound - 1 })
  const shortest = new Backoff({ minMs: 50, maxMs: 2_000, random: () => 0 })

  const windows = [50, 100, 200, 400, 800, 1_600, 2_000, 2_000]

  expect(windows.map(() => longest.next())).toEqual(windows)
  expect(windows.map(() => shortest.next())).toEqual(windows.map((window) => window / 2))
})

test('reset() starts small again', () => {
  const backoff = new Backoff({ minMs: 50, maxMs: 2_000, random: (bound) => bound - 1 })
  for (let i = 0; i < 9; i++) backoff.next()

  backoff.reset()

  expect(backoff.next()).toBe(50)
})

const draw = (seed: number) => {
  const backoff = new Backoff({ minMs: 1_000, maxMs: 2_000, random: prng(seed) })
  return [backoff.next(), backoff.next(), backoff.next()]
}

test('next() differs between nodes', () => {
  expect(draw(1)).not.toEqual(draw(2))
  expect(draw(1)).toEqual(draw(1))
})

test('the smallest window pauses for one millisecond', () => {
  const backoff = new Backoff({ minMs: 1, maxMs: 1, random: prng(1) })

  expect([backoff.next(), backoff.next()]).toEqual([1, 1])
})
