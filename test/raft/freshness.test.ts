import { expect, test } from 'bun:test'
import { Freshness } from '../../src/raft/freshness.ts'

test('a commit that is applied already is as fresh as the contact that named it', () => {
  const fresh = new Freshness()
  expect(fresh.atMs).toBeNull()

  fresh.heard(7, 100, 7)

  expect(fresh.atMs).toBe(100)
})

test('a node that catches up is only as fresh as the commit that it has applied', () => {
  const fresh = new Freshness()
  fresh.heard(5, 100, 5)

  fresh.heard(900, 200, 5)
  fresh.heard(950, 300, 40)
  fresh.applied(899)
  expect(fresh.atMs).toBe(100)

  fresh.applied(900)
  expect(fresh.atMs).toBe(200)
  fresh.applied(950)
  expect(fresh.atMs).toBe(300)
})

test('who stays a little behind all the time is a little old, not for ever', () => {
  const fresh = new Freshness()
  for (let i = 1; i <= 100; i++) {
    fresh.heard(i * 10, i * 100, (i - 1) * 10)
    fresh.applied(i * 10 - 5)
  }

  expect(fresh.atMs).toBeGreaterThanOrEqual(9_700)
  expect(fresh.atMs).toBeLessThan(10_000)
})
