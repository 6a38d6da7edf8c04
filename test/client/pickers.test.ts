import { expect, test } from 'bun:test'
import * as fc from 'fast-check'

import { roundRobin, sticky, weightedRandom, zoneFirst } from '../../src/client/mod.ts'
import type { Instance, Pick } from '../../src/client/mod.ts'
import { instance } from './instances.ts'

const counts = (pick: Pick, times: number, key?: (i: number) => string): Record<string, number> => {
  const seen: Record<string, number> = {}
  for (let i = 0; i < times; i++) {
    const id = pick(key?.(i))?.id ?? 'none'
    seen[id] = (seen[id] ?? 0) + 1
  }
  return seen
}

/** To tens: an even grid of random numbers falls on the borders of shares one way or the other. */
const rounded = (seen: Record<string, number>) =>
  Object.fromEntries(Object.entries(seen).map(([id, times]) => [id, Math.round(times / 10) * 10]))

test('every picker answers null for none, and never one of weight 0', () => {
  for (const picker of [weightedRandom(), roundRobin(), zoneFirst('eu'), sticky()]) {
    expect(picker([])('k')).toBeNull()
    expect(picker([instance('a', { weight: 0 })])('k')).toBeNull()
    const some = [instance('a', { weight: 0, zone: 'eu' }), instance('b')]
    expect(counts(picker(some), 50, String)).toEqual({ b: 50 })
  }
})

test('weightedRandom() picks each share of the range in proportion to its weight', () => {
  const some = [
    instance('a', { weight: 1 }),
    instance('b', { weight: 2.5 }),
    instance('c', { weight: 0.5 }),
  ]
  let at = 0
  const pick = weightedRandom(() => at++ / 4_000)(some)

  expect(rounded(counts(pick, 4_000))).toEqual({ a: 1_000, b: 2_500, c: 500 })
})

test('weightedRandom() gives each weight its share, whatever the weights', () => {
  const weights = fc.array(fc.double({ min: 0.001, max: 1_000, noNaN: true }), {
    minLength: 1,
    maxLength: 12,
  })
  fc.assert(
    fc.property(weights, (some) => {
      let at = 0
      const grid = 12_000
      const pick = weightedRandom(() => at++ / grid)(
        some.map((weight, i) => instance(String(i), { weight })),
      )
      const seen = counts(pick, grid)
      const total = some.reduce((sum, weight) => sum + weight, 0)
      for (const [i, weight] of some.entries()) {
        const expected = (weight / total) * grid
        expect(Math.abs((seen[String(i)] ?? 0) - expected)).toBeLessThan(2 * some.length + 1)
      }
    }),
    { numRuns: 50 },
  )
})

test('weightedRandom() heeds the weight that an operator gave', () => {
  const some = [
    instance('a', { override: { weight: 3 } }),
    instance('b', { nodeOverride: { weight: 0 } }),
    instance('c', { override: { status: 'up' }, nodeOverride: { weight: 1 } }),
  ]
  let at = 0

  const pick = weightedRandom(() => at++ / 4_000)(some)
  expect(rounded(counts(pick, 4_000))).toEqual({ a: 3_000, c: 1_000 })
})

test('roundRobin() takes each in turn, and goes on in its place when they change', () => {
  const picker = roundRobin()
  const pick = picker([instance('a'), instance('b'), instance('c')])
  expect([pick(), pick(), pick(), pick()].map((one) => one?.id)).toEqual(['a', 'b', 'c', 'a'])

  const changed = picker([instance('a'), instance('b')])
  expect([changed(), changed(), changed()].map((one) => one?.id)).toEqual(['b', 'a', 'b'])
})

test('zoneFirst() leaves its zone only when nobody there takes requests', () => {
  const near = [instance('a', { zone: 'eu' }), instance('b', { zone: 'eu' })]
  const far = [instance('c', { zone: 'us' }), instance('d', { zone: null })]

  expect(Object.keys(counts(zoneFirst('eu', roundRobin())([...near, ...far]), 8)).sort()).toEqual([
    'a',
    'b',
  ])
  expect(Object.keys(counts(zoneFirst('eu', roundRobin())(far), 8)).sort()).toEqual(['c', 'd'])
})

test('sticky() moves the keys of one that goes, and no others', () => {
  const all = ['a', 'b', 'c', 'd', 'e'].map((id) => instance(id))
  fc.assert(
    fc.property(fc.array(fc.string(), { minLength: 1 }), fc.nat(4), (keys, gone) => {
      const before = sticky()(all)
      const after = sticky()(all.filter((_, at) => at !== gone).toReversed())
      for (const key of keys) {
        const was = before(key)
        if (was !== all[gone]) expect(after(key)).toBe(was as Instance)
      }
    }),
  )
})

test('sticky() spreads keys in proportion to the weights', () => {
  const some = [
    instance('a', { weight: 1 }),
    instance('b', { weight: 3 }),
    instance('c', { weight: 1 }),
  ]
  const seen = counts(sticky()(some), 20_000, (i) => `user-${i}`)

  for (const [id, share] of [
    ['a', 0.2],
    ['b', 0.6],
    ['c', 0.2],
  ] as const) {
    expect(Math.abs((seen[id] ?? 0) / 20_000 - share)).toBeLessThan(0.02)
  }
})

test('sticky() picks what it has always picked: other clients do the same', () => {
  const pick = sticky()(['a', 'b', 'c', 'd'].map((id) => instance(id)))

  expect(['', 'x', 'user-1', 'user-2', 'ü€'].map((key) => pick(key)?.id)).toEqual([
    'c',
    'b',
    'd',
    'c',
    'd',
  ])
})
