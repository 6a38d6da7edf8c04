import { expect, test } from 'bun:test'
import { nodesFor } from './load-model.ts'

const NOTHING = { asked: 0, others: 0 }
const FREE = { beat: NOTHING, lookUp: NOTHING, read: NOTHING, registration: NOTHING }

test('nodesFor() gives each leader what fits into its core', () => {
  // 256,000 beats of 10 µs are 2.56 cores, of which a leader may be 0.7.
  expect(nodesFor({ ...FREE, beat: { asked: 10, others: 0 } })).toEqual({
    clusters: 4,
    learners: 0,
  })
})

test('nodesFor() spreads reads over followers, and over learners where those are busy', () => {
  const beat = { asked: 2, others: 0 } // 0.512 cores: one cluster.
  // 48,000 look-ups of 45 µs are 2.16 cores, of which two followers take 1.4.
  const lookUp = { asked: 45, others: 0 }
  expect(nodesFor({ ...FREE, beat, lookUp })).toEqual({ clusters: 1, learners: 2 })
  // 3,200 registrations of 125 µs are 0.4 cores of whoever follows: each has 0.3 for look-ups.
  const registration = { asked: 0, others: 125 }
  expect(nodesFor({ ...FREE, beat, lookUp, registration })).toEqual({ clusters: 1, learners: 6 })
})
