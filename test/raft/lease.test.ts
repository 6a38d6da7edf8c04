import { expect, test } from 'bun:test'
import { LeaderLease } from '../../src/raft/lease.ts'

const leaseAfter = (after: number, clockDrift = 0) =>
  new LeaderLease({ promiseMs: 600, clockDrift, after })
const at = (nowMs: number, wallMs = 5_000 + nowMs) => ({ nowMs, wallMs })

test('there is none before the first proved round', () => {
  const lease = leaseAfter(0)
  lease.open(at(0))

  expect(lease.remainingMs(at(1))).toBe(0)
  expect(lease).toMatchObject({ provedRound: 0, provedSent: null })
})

// P(1−ρ)/(1+ρ), worked out by hand.
test.each([
  [0, 600],
  [0.05, 542.857142],
  [0.2, 400],
  [0.5, 200],
])('with a drift of %d, 600 ms of promise are a lease of %d ms', (clockDrift, ms) => {
  const lease = leaseAfter(0, clockDrift)
  lease.prove(lease.open(at(10)))

  expect(lease.remainingMs(at(10))).toBeCloseTo(ms, 5)
})

test('prove() counts from the sending of that round', () => {
  const lease = leaseAfter(0)
  lease.open(at(0))
  const second = lease.open(at(100))
  lease.open(at(200))

  lease.prove(second)

  expect(lease.remainingMs(at(250))).toBe(450)
  expect(lease).toMatchObject({ provedRound: 2, provedSent: at(100), lastRound: 3 })
})

test('prove() of an older round changes nothing', () => {
  const lease = leaseAfter(0)
  const first = lease.open(at(0))
  lease.prove(lease.open(at(100)))

  lease.prove(first)

  expect(lease.provedSent).toEqual(at(100))
})

test('prove() refuses a round that was never opened', () => {
  const lease = leaseAfter(7)

  expect(lease.open(at(0))).toBe(8)
  expect(() => lease.prove(9)).toThrow('only what was sent')
})

test('open() remembers a bounded number of rounds; the lease is shorter for it, never longer', () => {
  const lease = leaseAfter(0)
  for (let i = 0; i < 5_000; i++) lease.open(at(i))

  lease.prove(3_000) // Forgotten by now: nothing is proved.
  expect(lease.provedSent).toBeNull()
  lease.prove(4_500)
  expect(lease.provedSent).toEqual(at(4_499))
})

test('open() copies the clock: the host may use one object for all', () => {
  const clock = { nowMs: 0, wallMs: 0 }
  const lease = leaseAfter(0)
  lease.prove(lease.open(clock))
  clock.nowMs = clock.wallMs = 599

  expect(lease.remainingMs(clock)).toBe(1)
})

test.each([
  [1_000, 1_100, 0, 'the wall clock 100 ms ahead, and both past it'],
  [100, 200, 400, '100 ms ahead: the longer of both counts'],
  [100, 201, 0, '101 ms ahead: void'],
  [200, 100, 400, '100 ms behind: the monotonic clock counts'],
  [201, 100, 0, '101 ms behind: void'],
])('remainingMs() after %d ms, %d ms on the wall, is %d', (nowMs, wallMs, expected) => {
  const lease = leaseAfter(0)
  lease.prove(lease.open({ nowMs: 0, wallMs: 0 }))

  expect(Math.max(0, lease.remainingMs({ nowMs, wallMs }))).toBe(expected)
})

test('remainingMs() refuses a clock from before the round', () => {
  const lease = leaseAfter(0)
  lease.prove(lease.open(at(100)))

  expect(() => lease.remainingMs(at(99))).toThrow('does not go back')
})
