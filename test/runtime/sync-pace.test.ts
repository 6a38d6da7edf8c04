import { expect, test } from 'bun:test'
import { SyncPace } from '../../src/runtime/sync-pace.ts'

function paceAfter(...tookMs: readonly number[]): SyncPace {
  const pace = new SyncPace()
  for (const ms of tookMs) pace.took(ms)
  return pace
}

const times = (count: number, ms: number): number[] => Array<number>(count).fill(ms)

test('a disk has to show first that it is fast', () => {
  expect(paceAfter().isQuick).toBe(false)
  expect(paceAfter(...times(15, 0.2)).isQuick).toBe(false)
  expect(paceAfter(...times(16, 0.2)).isQuick).toBe(true)
  expect(paceAfter(...times(1_000, 0.6)).isQuick).toBe(false)
})

test('one that becomes slow is left to the pool, and comes back', () => {
  const pace = paceAfter(...times(100, 0.2))
  for (let i = 0; i < 100; i++) pace.took(1)
  expect(pace.isQuick).toBe(false)
  for (let i = 0; i < 100; i++) pace.took(0.2)
  expect(pace.isQuick).toBe(true)
})

test('after a stall the next ones are left to the pool, and each further stall counts anew', () => {
  const pace = paceAfter(...times(1_000, 0.1), 5)
  for (let i = 0; i < 255; i++) {
    expect(pace.isQuick).toBe(false)
    pace.took(0.1)
  }
  pace.took(80)
  for (let i = 0; i < 256; i++) {
    expect(pace.isQuick).toBe(false)
    pace.took(0.1)
  }
  expect(pace.isQuick).toBe(true)
})
