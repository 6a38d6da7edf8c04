import { expect, test } from 'bun:test'

import { HotCache } from '../../src/lib/hot-cache.ts'
import { prng } from '../../src/lib/prng.ts'

test('whatever is done, what is kept is the last that was set, and weighs no more than the bound', () => {
  const random = prng(7)
  const cache = new HotCache<number>({ weightMax: 1_000 })
  const last = new Map<string, number>()
  const weights = new Map<string, number>()
  let hits = 0
  for (let i = 0; i < 20_000; i++) {
    const key = `k${random(40)}`
    const choice = random(4)
    if (choice === 0) {
      const bytes = random(600) + 1
      cache.set(key, i, bytes)
      last.set(key, i)
      weights.set(key, bytes)
    } else if (choice === 1 && random(8) === 0) {
      cache.delete(key)
      last.delete(key)
    } else {
      const found = choice === 2 ? cache.get(key) : cache.peek(key)
      if (found === undefined) continue
      hits++
      expect(found).toBe(last.get(key) as number)
    }
    const kept = Array.from(last.keys()).filter((name) => cache.peek(name) !== undefined)
    expect(kept).toHaveLength(cache.size)
    expect(kept.reduce((sum, name) => sum + (weights.get(name) ?? 0), 0)).toBe(cache.weight)
    expect(cache.weight).toBeLessThanOrEqual(1_000)
  }
  expect(hits).toBeGreaterThan(1_000)
})

test('what is used stays while others come and go', () => {
  const cache = new HotCache<string>({ weightMax: 100 })
  cache.set('hot', 'x', 10)
  cache.set('cold', 'x', 10)
  for (let i = 0; i < 100; i++) {
    cache.set(`other ${i}`, 'x', 10)
    expect(cache.get('hot')).toBe('x')
  }
  expect(cache.peek('cold')).toBeUndefined()
})

test('a cache that was cleared holds nothing, weighs nothing, and takes as much as before', () => {
  const cache = new HotCache<string>({ weightMax: 100 })
  for (const key of ['a', 'b', 'c']) cache.set(key, 'x', 40)
  expect([cache.size, cache.weight]).toEqual([2, 80])

  cache.clear()

  expect([cache.size, cache.weight]).toEqual([0, 0])
  expect(cache.get('b') ?? cache.get('c')).toBeUndefined()
  for (const key of ['a', 'b']) cache.set(key, 'y', 40)
  expect([cache.get('a'), cache.get('b')]).toEqual(['y', 'y'])
})

test('a look without use keeps nothing', () => {
  const cache = new HotCache<string>({ weightMax: 100 })
  cache.set('a', 'x', 10)
  for (let i = 0; i < 20; i++) {
    cache.peek('a')
    cache.set(`other ${i}`, 'x', 10)
  }
  expect(cache.peek('a')).toBeUndefined()
})

test('what outweighs half of the bound is not kept, nor what it was to replace', () => {
  const cache = new HotCache<string>({ weightMax: 100 })
  cache.set('a', 'small', 10)
  cache.set('a', 'large', 51)
  expect([cache.get('a'), cache.size, cache.weight]).toEqual([undefined, 0, 0])
  cache.set('a', 'half', 50)
  expect(cache.get('a')).toBe('half')
})
