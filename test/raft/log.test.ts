import { expect, test } from 'bun:test'
import { prng } from '../../src/lib/prng.ts'
import { RaftLog } from '../../src/raft/log.ts'
import type { Entry } from '../../src/raft/types.ts'
import { RaftDisk } from '../support/raft-disk.ts'
import { entriesOf, entryOf } from '../support/raft-node.ts'

const BIG = Number.MAX_SAFE_INTEGER

/** A log over a disk that already holds entries of these terms. */
function logOver(
  terms: readonly number[],
  given: { applied?: number; tailBytesMax?: number } = {},
) {
  const { applied = 0, tailBytesMax = BIG } = given
  const disk = new RaftDisk({ term: 9, votedFor: null, promiseMs: 0 }, entriesOf(terms))
  const log = new RaftLog(disk.stored(), applied, tailBytesMax)
  let write = 0
  /** Writes what is new and lets the disk finish. */
  const persist = () => {
    write += 1
    disk.write({ write, hardState: null, entries: log.takeUnwritten() })
    disk.complete(1)
    log.persistedTo(disk.last)
  }
  return { log, disk, persist }
}

const termsOf = (log: RaftLog) => Array.from({ length: log.last }, (_, i) => log.termAt(i + 1))
const indexesOf = (entries: readonly Entry[]) => entries.map(({ index }) => index)

test('a log starts with what was stored, all of it durable, committed as far as applied', () => {
  const { log } = logOver([1, 1, 3], { applied: 2 })

  expect(log).toMatchObject({
    compacted: 0,
    applied: 2,
    committed: 2,
    persisted: 3,
    last: 3,
    lastTerm: 3,
  })
  expect(log.hasUnwritten).toBe(false)
  expect([0, 1, 2, 3, 4].map((index) => log.termAt(index))).toEqual([0, 1, 1, 3, null])
})

test('a log that was compacted knows the term where it begins', () => {
  const { reader } = logOver([]).disk.stored()
  const compacted = { term: 4, index: 100 }
  const log = new RaftLog({ compacted, last: compacted, terms: [], reader }, 100, BIG)

  expect(log).toMatchObject({ compacted: 100, last: 100, lastTerm: 4 })
  expect([99, 100, 101].map((index) => log.termAt(index))).toEqual([null, 4, null])
  expect(log.isUpToDate({ term: 4, index: 99 })).toBe(false)
  expect(log.isUpToDate({ term: 4, index: 100 })).toBe(true)
  expect(log.lastAtOrBelowTerm(2)).toBe(100)
})

test('it refuses to start where the state is ahead of the log', () => {
  expect(() => logOver([1], { applied: 2 })).toThrow(
    'nothing was applied that the log does not hold',
  )
})

test('append() wants no gap and no older term', () => {
  const { log } = logOver([1, 2])

  expect(() => log.append(entryOf(2, 4))).toThrow('no gaps')
  expect(() => log.append(entryOf(1, 3))).toThrow('never decrease')
  log.append(entryOf(2, 3))
  log.append(entryOf(5, 4))
  expect(termsOf(log)).toEqual([1, 2, 2, 5])
})

test.each([
  [4, [1, 2, 2]],
  [3, [1, 2]],
  [2, [1]],
  [1, []],
])('truncate(%d) leaves %j, in memory as on disk', (index, left) => {
  for (const stored of [0, 2, 4]) {
    const all = [1, 2, 2, 3]
    const { log } = logOver(all.slice(0, stored))
    for (const entry of entriesOf(all).slice(stored)) log.append(entry)

    log.truncate(index)

    expect(termsOf(log)).toEqual(left)
    expect(log.persisted).toBe(Math.min(stored, index - 1))
    log.append(entryOf(7, index))
    expect(termsOf(log)).toEqual([...left, 7])
    expect(log.slice(index, index, 0)).toEqual([entryOf(7, index)])
    expect(log.takeUnwritten().at(-1)).toEqual(entryOf(7, index))
  }
})

test('truncate() never drops what is committed', () => {
  const { log } = logOver([1, 1, 1])
  log.commitTo(2)

  expect(() => log.truncate(2)).toThrow('never dropped')
  expect(() => log.truncate(4)).toThrow('something to drop')
})

test('takeUnwritten() hands each entry out once, and replaced ones again', () => {
  const { log } = logOver([1])
  log.append(entryOf(1, 2))
  log.append(entryOf(1, 3))
  expect(indexesOf(log.takeUnwritten())).toEqual([2, 3])
  expect(log.takeUnwritten()).toEqual([])

  log.truncate(3)
  log.append(entryOf(2, 3))
  expect(log.takeUnwritten()).toEqual([entryOf(2, 3)])
})

test('persistedTo() only grows, and not beyond what was written', () => {
  const { log } = logOver([])
  for (const entry of entriesOf([1, 1, 1])) log.append(entry)
  expect(() => log.persistedTo(1)).toThrow('only what was written')
  log.takeUnwritten()

  log.persistedTo(2)
  log.persistedTo(1)

  expect(log.persisted).toBe(2)
})

test('takeCommitted() gives what is committed and durable, one batch at a time', () => {
  const { log, persist } = logOver([1, 1])
  for (const entry of entriesOf([1, 1, 1], 3)) log.append(entry)
  log.commitTo(4)

  expect(indexesOf(log.takeCommitted(10, BIG))).toEqual([1, 2])
  persist()
  expect(log.takeCommitted(10, BIG)).toEqual([]) // The batch before is still being applied.
  log.appliedTo(2)
  expect(indexesOf(log.takeCommitted(1, BIG))).toEqual([3])
  log.appliedTo(3)
  expect(indexesOf(log.takeCommitted(10, BIG))).toEqual([4])
  log.appliedTo(4)
  expect(log.takeCommitted(10, BIG)).toEqual([])
})

test('takeCommitted() is bounded in bytes too, and always gives one', () => {
  const { log } = logOver([1, 1, 1, 1]) // Three bytes of data each.
  log.commitTo(4)

  expect(indexesOf(log.takeCommitted(10, 7))).toEqual([1, 2])
  log.appliedTo(2)
  expect(indexesOf(log.takeCommitted(10, 1))).toEqual([3])
})

test('slice() never mixes disk and memory, and is never empty', () => {
  const { log } = logOver([1, 1])
  for (const entry of entriesOf([1, 1], 3)) log.append(entry)

  expect(indexesOf(log.slice(1, 4, BIG))).toEqual([1, 2])
  expect(indexesOf(log.slice(2, 4, BIG))).toEqual([2])
  expect(indexesOf(log.slice(3, 4, BIG))).toEqual([3, 4])
  expect(indexesOf(log.slice(3, 4, 0))).toEqual([3])
  expect(() => log.slice(0, 1, BIG)).toThrow('a slice of the log')
  expect(() => log.slice(3, 5, BIG)).toThrow('a slice of the log')
})

test('memory keeps a bounded tail; what left it is read from disk, applied or not', () => {
  const { log, disk, persist } = logOver([], { tailBytesMax: 200 })
  for (const entry of entriesOf(Array(20).fill(1))) log.append(entry)
  log.commitTo(15)
  const reads: number[] = []
  const { read } = disk
  disk.read = (from, to, bytesMax) => {
    reads.push(from)
    return read.call(disk, from, to, bytesMax)
  }

  expect(indexesOf(log.slice(1, 20, BIG))).toHaveLength(20) // Nothing is durable yet.
  expect(reads).toEqual([])
  persist()
  expect(indexesOf(log.slice(1, 20, BIG))).toEqual(Array.from({ length: 15 }, (_, i) => i + 1))
  expect(indexesOf(log.slice(16, 20, BIG))).toEqual([16, 17, 18, 19, 20])
  expect(reads).toEqual([1])
})

test('firstOfTerm() and lastAtOrBelowTerm() find the borders of terms', () => {
  const { log } = logOver([1, 1, 3, 3, 3, 7])

  expect([1, 3, 7].map((term) => log.firstOfTerm(term))).toEqual([1, 3, 6])
  expect([0, 1, 2, 3, 6, 7, 9].map((term) => log.lastAtOrBelowTerm(term))).toEqual([
    0, 2, 2, 5, 5, 6, 6,
  ])
})

test('it agrees with a plain array over random appends, truncations, writes and applies', () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = prng(seed)
    const { log, disk, persist } = logOver([], { tailBytesMax: random(400) })
    let model: Entry[] = []
    let term = 1
    for (let step = 0; step < 60; step++) {
      const action = random(6)
      if (action <= 1) {
        term += random(3) === 0 ? 1 : 0
        for (let i = random(4); i >= 0; i--) {
          const entry = entryOf(term, model.length + 1)
          model.push(entry)
          log.append(entry)
        }
      } else if (action === 2 && log.last > log.committed) {
        const index = log.committed + 1 + random(log.last - log.committed)
        model = model.slice(0, index - 1)
        log.truncate(index)
        term += 1
      } else if (action === 3 && log.hasUnwritten) {
        persist()
        expect(disk.entries, `seed ${seed}`).toEqual(model)
      } else if (action === 4) {
        log.commitTo(log.committed + random(log.last - log.committed + 1))
      } else if (log.applied < Math.min(log.committed, log.persisted)) {
        const batch = log.takeCommitted(1 + random(5), 1 + random(50))
        expect([...batch], `seed ${seed}`).toEqual(
          model.slice(log.applied, log.applied + batch.length),
        )
        log.appliedTo(batch.at(-1)?.index ?? -1)
      }
      expect(termsOf(log), `seed ${seed}`).toEqual(model.map((entry) => entry.term))
      if (model.length === 0) continue
      const from = 1 + random(model.length)
      const slice = log.slice(from, model.length, random(60))
      expect([...slice], `seed ${seed}`).toEqual(model.slice(from - 1, from - 1 + slice.length))
    }
  }
})
