import { expect, test } from 'bun:test'
import { RaftNetwork } from '../support/raft-network.ts'

/** While anything may fail nothing wrong may happen; once nothing fails, there is progress. */
function run(seed: number, size: 3 | 5, founders?: number): RaftNetwork {
  const network = new RaftNetwork({ seed, size, ...(founders === undefined ? {} : { founders }) })
  network.run(8_000)
  network.heal()
  for (let i = 0; i < 40 && !network.hasConverged; i++) network.run(250)
  expect(network.hasConverged, `seed ${seed}, size ${size}: converges once healed`).toBe(true)
  let isServed = false
  for (let i = 0; i < 10 && !isServed; i++) {
    const hasAnswer = network.request()
    network.run(500) // A disk may still hang, a transfer be under way.
    isServed = hasAnswer()
  }
  expect(isServed, `seed ${seed}, size ${size}: serves`).toBe(true)
  return network
}

/** Replayed one by one: `bun test test/raft/property.test.ts -t 'seeds 50'`. */
const GROUP = 50

for (const size of [3, 5] as const) {
  for (let first = 0; first < 300; first += GROUP) {
    test(`core: seeds ${first}–${first + GROUP - 1} are safe, then heal (V=${size})`, () => {
      for (let seed = first; seed < first + GROUP; seed++) run(seed, size)
    })
  }
}

for (let first = 0; first < 300; first += GROUP) {
  test(`core: seeds ${first}–${first + GROUP - 1} are safe while members change, then heal`, () => {
    let [changed, wipes] = [0, 0]
    for (let seed = first; seed < first + GROUP; seed++) {
      const network = run(seed, 5, 1 + (seed % 5))
      const { machines } = network
      wipes += network.wipes
      if (machines.some(({ raft }) => (raft?.membershipIndex ?? 0) > 1)) changed += 1
    }
    expect(changed).toBeGreaterThan(GROUP / 2)
    expect(wipes).toBeGreaterThan(GROUP / 25)
  })
}

test('core: one seed gives one trace', () => {
  expect(run(1, 3).traceHash).toBe(run(1, 3).traceHash)
  expect(run(1, 3).traceHash).not.toBe(run(2, 3).traceHash)
})
