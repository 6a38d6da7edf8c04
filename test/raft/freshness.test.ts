import { expect, test } from 'bun:test'
import { Freshness, passedMs } from '../../src/raft/freshness.ts'

const at = (nowMs: number, wallMs = 5_000 + nowMs) => ({ nowMs, wallMs })

test('a commit that is applied already is as fresh as the contact that named it', () => {
  const fresh = new Freshness()
  expect(fresh.at).toBeNull()

  fresh.heard(7, at(100), 7)

  expect(fresh.at).toEqual(at(100))
})

test('a node that catches up is only as fresh as the commit that it has applied', () => {
  const fresh = new Freshness()
  fresh.heard(5, at(100), 5)

  fresh.heard(900, at(200), 5)
  fresh.heard(950, at(300), 40)
  fresh.applied(899)
  expect(fresh.at).toEqual(at(100))

  fresh.applied(900)
  expect(fresh.at).toEqual(at(200))
  fresh.applied(950)
  expect(fresh.at).toEqual(at(300))
})

test('who stays a little behind all the time is a little old, not for ever', () => {
  const fresh = new Freshness()
  for (let i = 1; i <= 100; i++) {
    fresh.heard(i * 10, at(i * 100), (i - 1) * 10)
    fresh.applied(i * 10 - 5)
  }

  expect(fresh.at?.nowMs).toBeGreaterThanOrEqual(9_700)
  expect(fresh.at?.nowMs).toBeLessThan(10_000)
})

const word = (given: { heardRound: number; confirmedAgeMs: number | null; term?: number }) => ({
  term: 1,
  ...given,
})

test('what a leader says is dated by the acknowledgement that it had heard', () => {
  const fresh = new Freshness()
  expect(fresh.dated(word({ heardRound: 5, confirmedAgeMs: 0 }))).toBeNull()

  fresh.acknowledges(1, 5, at(1_000))
  fresh.acknowledges(1, 6, at(1_100))

  expect(fresh.dated(word({ heardRound: 4, confirmedAgeMs: 0 }))).toBeNull()
  expect(fresh.dated(word({ heardRound: 5, confirmedAgeMs: 20 }))).toEqual(at(980))
  expect(fresh.dated(word({ heardRound: 9, confirmedAgeMs: 20 }))).toEqual(at(1_080))
  expect(fresh.dated(word({ heardRound: 9, confirmedAgeMs: null }))).toBeNull()
})

test('a word of another term is not dated by the acknowledgements of this one', () => {
  const fresh = new Freshness()
  fresh.acknowledges(1, 50, at(1_000))
  expect(fresh.dated(word({ heardRound: 50, confirmedAgeMs: 0, term: 2 }))).toBeNull()

  fresh.acknowledges(2, 7, at(2_000))

  expect(fresh.dated(word({ heardRound: 50, confirmedAgeMs: 0, term: 2 }))).toEqual(at(2_000))
  expect(fresh.dated(word({ heardRound: 50, confirmedAgeMs: 0, term: 1 }))).toBeNull()
})

test('under load a few acknowledgements are remembered, and never date anything fresher', () => {
  const fresh = new Freshness()
  for (let round = 1; round <= 20_000; round++) fresh.acknowledges(1, round, at(round))

  for (const heardRound of [15_000, 17_777, 19_999, 20_000]) {
    const atMs = fresh.dated(word({ heardRound, confirmedAgeMs: 0 }))?.nowMs ?? 0
    expect(atMs).toBeLessThanOrEqual(heardRound)
    expect(atMs).toBeGreaterThan(heardRound - 11)
  }
  expect(fresh.dated(word({ heardRound: 1_000, confirmedAgeMs: 0 }))).toBeNull() // Long forgotten.
})

test('either clock may make a state older: a suspended machine has only one that went on', () => {
  expect(passedMs(at(100), at(130))).toBe(30)
  expect(passedMs(at(100), { nowMs: 130, wallMs: 65_100 })).toBe(60_000)
  expect(passedMs(at(100), { nowMs: 130, wallMs: 0 })).toBe(30)
})

test('a round that was overtaken dates nothing: newer ones went out before it', () => {
  const fresh = new Freshness()
  fresh.acknowledges(1, 5, at(100))
  fresh.acknowledges(1, 9, at(104)) // Too soon after the other to be remembered.
  fresh.acknowledges(1, 7, at(120))

  expect(fresh.dated({ term: 1, heardRound: 9, confirmedAgeMs: 0 })).toEqual(at(100))
})
