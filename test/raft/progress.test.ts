import { expect, test } from 'bun:test'
import { Progress } from '../../src/raft/progress.ts'

const progressAt = (
  last: number,
  bounds: { inflightMax?: number; inflightBytesMax?: number } = {},
) =>
  new Progress({
    id: 'b',
    witness: false,
    last,
    clock: { nowMs: 0, wallMs: 0 },
    silentSinceMs: 0,
    inflightMax: 4,
    inflightBytesMax: 1_000,
    ...bounds,
  })

/** Acknowledged up to `match`, of a log that ends there. */
function replicatingAt(match: number, bounds = {}): Progress {
  const progress = progressAt(match, bounds)
  progress.accepted(match)
  return progress
}

test('a new one probes with the end of the log, one append at a time', () => {
  const progress = progressAt(10)
  expect(progress).toMatchObject({ state: 'probe', match: 0, next: 11, isOpen: true })

  progress.sent(12, 50)

  expect(progress).toMatchObject({ state: 'probe', next: 11, isOpen: false })
  expect(() => progress.sent(12, 50)).toThrow('past the window')
})

test('accepted() ends a probe; what follows is pipelined', () => {
  const progress = progressAt(10)
  progress.sent(12, 50)

  expect(progress.accepted(12)).toBe(true)
  expect(progress).toMatchObject({ state: 'replicate', match: 12, next: 13, isOpen: true })

  progress.sent(13, 10)
  progress.sent(20, 10)
  expect(progress).toMatchObject({ match: 12, next: 21 })
})

test('accepted() of a heartbeat ends a probe whose append was lost', () => {
  const progress = progressAt(10)
  progress.sent(12, 50)

  expect(progress.accepted(10)).toBe(true)

  expect(progress).toMatchObject({ state: 'replicate', match: 10, next: 11, isOpen: true })
})

test('accepted() never goes back, and says whether match grew', () => {
  const progress = replicatingAt(5)

  expect(progress.accepted(3)).toBe(false)
  expect(progress.accepted(5)).toBe(false)
  expect(progress.accepted(6)).toBe(true)
  expect(progress).toMatchObject({ match: 6, next: 7 })
})

test('the window counts appends, and opens as they are accepted', () => {
  const progress = replicatingAt(0, { inflightMax: 2 })
  progress.sent(3, 1)
  progress.sent(5, 1)
  expect(progress.isOpen).toBe(false)

  progress.accepted(2) // Less than any append that is out.
  expect(progress.isOpen).toBe(false)
  progress.accepted(3)
  expect(progress.isOpen).toBe(true)
  progress.sent(6, 1)
  expect(progress.isOpen).toBe(false)
  progress.accepted(6) // Covers all.
  progress.sent(7, 1)
  expect(progress.isOpen).toBe(true)
})

test('the window counts bytes; one append may pass the bound', () => {
  const progress = replicatingAt(0, { inflightBytesMax: 100 })

  progress.sent(1, 99)
  expect(progress.isOpen).toBe(true)
  progress.sent(2, 5_000)
  expect(progress.isOpen).toBe(false)
  progress.accepted(1)
  expect(progress.isOpen).toBe(false)
  progress.accepted(2)
  expect(progress.isOpen).toBe(true)
})

test('refused() while replicating goes back to a probe at the hint, with an empty window', () => {
  const progress = replicatingAt(5, { inflightMax: 1 })
  progress.sent(9, 10)

  progress.refused(9, 7)

  expect(progress).toMatchObject({ state: 'probe', match: 5, next: 7, isOpen: true })
  progress.accepted(6)
  progress.sent(9, 1_000)
  progress.accepted(9)
  expect(progress.isOpen).toBe(true) // Bytes of the old window are not counted any more.
})

test('refused() never goes below match, and always gets on', () => {
  const progress = replicatingAt(5)
  progress.sent(9, 10)

  progress.refused(9, 1)
  expect(progress.next).toBe(6)

  const probing = progressAt(10)
  probing.sent(11, 1)
  probing.refused(10, 50) // A hint beyond what was refused is no help.
  expect(probing).toMatchObject({ next: 10, isOpen: true })
})

test('refused() ignores what is late', () => {
  const replicating = replicatingAt(5)
  replicating.sent(9, 10)
  replicating.refused(5, 1)
  replicating.refused(12, 1)
  expect(replicating).toMatchObject({ state: 'replicate', next: 10 })

  const probing = progressAt(10)
  probing.sent(11, 1)
  probing.refused(8, 2)
  expect(probing).toMatchObject({ next: 11, isOpen: false })
})

test('match < next after any sequence of events', () => {
  // All sequences of five events over small numbers.
  const events: ((progress: Progress) => void)[] = []
  for (let i = 0; i <= 4; i++) {
    events.push((progress) => progress.accepted(i))
    events.push((progress) => progress.refused(i, i))
    events.push((progress) => progress.refused(i, 1))
  }
  events.push((progress) => {
    if (progress.isOpen) progress.sent(progress.next + 1, 400)
  })
  for (let n = 0; n < events.length ** 4; n++) {
    const progress = progressAt(3)
    let { match } = progress
    for (let i = 0; i < 4; i++) {
      events[Math.floor(n / events.length ** i) % events.length]?.(progress)
      if (progress.match < match || progress.match >= progress.next) expect.unreachable(`case ${n}`)
      match = progress.match
    }
  }
})

test('lostBy() tells a disk that lied from an answer that came late', () => {
  const progress = replicatingAt(10)
  progress.matchRound = 7

  // Sent before this leader knew of the acknowledgement: overtaken on the way, and no more.
  expect(progress.lostBy(10, 7)).toBe(false)
  // After the end of what it acknowledged: an ordinary refusal.
  expect(progress.lostBy(11, 9)).toBe(false)
  expect(progress).toMatchObject({ state: 'replicate', match: 10 })

  expect(progress.lostBy(10, 8)).toBe(true)
  expect(progress).toMatchObject({ state: 'lost', match: 0, acknowledged: 10, isOpen: false })
  expect(progress.lostBy(10, 9)).toBe(false)
})
