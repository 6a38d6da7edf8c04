/** The order of the leader's deadlines, and that nothing is left behind in it. */
import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { DeadlineHeap, type Scheduled } from '../../src/replica/deadline-heap.ts'

const ITEMS = 12

/** Schedules item `at` for `ms`, or takes it out. */
const steps = fc.array(
  fc.record({ at: fc.nat(ITEMS - 1), ms: fc.option(fc.nat(20), { nil: Infinity }) }),
  { maxLength: 200 },
)

test('whatever is scheduled, moved and taken out, the earliest is on top, and each is in it once', () => {
  const holds = fc.property(steps, (given) => {
    const heap = new DeadlineHeap<Scheduled>()
    const items = Array.from({ length: ITEMS }, () => ({ scheduledMs: Infinity, place: -1 }))
    const model = new Map<Scheduled, number>()
    for (const { at, ms } of given) {
      const item = items[at]!
      heap.schedule(item, ms)
      model.delete(item)
      if (ms !== Infinity) model.set(item, ms)
      expect(heap.size).toBe(model.size)
      expect(heap.peek()?.scheduledMs ?? Infinity).toBe(Math.min(...model.values()))
    }
    const left: number[] = []
    for (let top = heap.peek(); top !== null; top = heap.peek()) {
      expect(model.get(top)).toBe(top.scheduledMs)
      left.push(top.scheduledMs)
      heap.remove(top)
    }
    expect(left).toEqual([...model.values()].sort((a, b) => a - b))
  })
  fc.assert(holds, { numRuns: 500 })
})

test('what was in it when it was cleared can be scheduled anew', () => {
  const heap = new DeadlineHeap<Scheduled>()
  const item = { scheduledMs: Infinity, place: -1 }
  heap.schedule(item, 5)

  heap.clear()
  expect(heap.peek()).toBeNull()
  heap.schedule(item, 7)

  expect([heap.size, heap.peek()?.scheduledMs]).toEqual([1, 7])
})
