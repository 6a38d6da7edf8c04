import { expect, test } from 'bun:test'
import type { BenchRow, Compared } from './compare.ts'
import type { Measured } from './load.ts'
import { costsTable, ratesTable, summaryOf, table } from './table.ts'

const ROW: BenchRow = {
  what: 'a put',
  against: 'put',
  inFlight: 64,
  goal: { ratio: 4, least: 3 },
  ours: () => Promise.reject(new Error('is not run here')),
  etcd: () => Promise.reject(new Error('is not run here')),
}

/** Two seconds at `rate`. */
const at = (rate: number, more: Partial<Measured> = {}): Measured => {
  const took = { p50Ms: 1, p99Ms: 2, p999Ms: 3 }
  const cost = { cpuSeconds: (rate * 2) / 10_000, residentMiB: 100 }
  return { count: rate * 2, seconds: 2, ...took, ...cost, faults: [], ...more }
}

const summary = (given: Partial<Compared> & { readonly row?: BenchRow }) =>
  summaryOf({ row: ROW, ours: [], etcd: [], how: [], ...given }, { syncMs: 0.25 })

test('summaryOf() takes medians over the rounds, and the ratio of those', () => {
  const { ours, etcd, ratio } = summary({
    ours: [at(300), at(500), at(400)],
    etcd: [at(100), at(50), at(200)],
  })

  expect(ours.rate).toBe(400)
  expect(etcd?.rate).toBe(100)
  expect(ratio).toEqual({ median: 4, least: 2, most: 10 })
  expect(ours.cpuSecondsPer1000).toBeCloseTo(0.1, 9)
})

test.each([
  [400, 'yes'],
  [399, 'at least'],
  [300, 'at least'],
  [299, 'no'],
] as const)('summaryOf() says of %d against 100: %s', (rate, reached) => {
  expect(summary({ ours: [at(rate)], etcd: [at(100)] }).reached).toBe(reached)
})

test('summaryOf() of one at a time also looks at what it takes', () => {
  const row: BenchRow = { ...ROW, inFlight: 1, goal: { ratio: 1, syncs: 2 } }
  const within = (p50Ms: number) => summary({ row, ours: [at(200, { p50Ms })], etcd: [at(100)] })

  expect(within(1).goal).toBe('≥ 1 ×, p50 ≤ 1.00 ms')
  expect(within(1).reached).toBe('yes')
  expect(within(1.01).reached).toBe('no')
})

test('summaryOf() counts what is in a batch, and asks it for so many a second', () => {
  const row: BenchRow = { ...ROW, etcd: null, goal: null, each: 500, floor: 1_000 }
  const { ours, reached, goal, ratio } = summary({ row, ours: [at(2)] })

  expect(ours.rate).toBe(1_000)
  expect({ reached, goal, ratio }).toEqual({ reached: 'yes', goal: '≥ 1,000/s', ratio: null })
})

test('summaryOf() without etcd has no ratio, and reaches nothing', () => {
  const { etcd, ratio, reached } = summary({ ours: [at(400)] })

  expect({ etcd, ratio, reached }).toEqual({ etcd: null, ratio: null, reached: null })
})

test('ratesTable() voids a row with a fault in any round of either', () => {
  const faulty = at(100, { faults: ['it wrote nothing'] })
  const found = summary({ ours: [at(400), at(500)], etcd: [at(100), faulty] })

  expect(found.faults).toEqual(['etcd, round 2: it wrote nothing'])
  expect(ratesTable([found]).split('\n').at(-1)).toBe(
    '| a put : put |        64 | 500/s | 100/s | 5.00 × (4.0–5.0) | ≥ 4 × (least 3) |    void |',
  )
})

test('costsTable() shows ours before etcd’s', () => {
  const found = summary({ ours: [at(400)], etcd: [at(100, { p99Ms: 7, residentMiB: 50 })] })

  expect(costsTable([found]).split('\n').at(-1)).toBe(
    '| a put |        64 | 1.00 / 1.00 | 2.00 / 7.00 | 3.00 / 3.00 | 0.100 / 0.100 | 100 / 50 |',
  )
})

test('table() is as wide as what stands in it', () => {
  const text = table([
    ['what', 'n'],
    ['a long name', '1'],
    ['b', '1,000'],
  ])

  expect(text.split('\n')).toEqual([
    '| what        |     n |',
    '| ----------- | ----: |',
    '| a long name |     1 |',
    '| b           | 1,000 |',
  ])
})
