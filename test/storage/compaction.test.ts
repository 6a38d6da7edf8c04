import { describe, expect, test } from 'bun:test'
import { prng } from '../../src/lib/prng.ts'
import type { EntryId } from '../../src/raft/mod.ts'
import { WalDamaged, WalMismatch, type CompactionBounds, type Wal } from '../../src/storage/mod.ts'
import { bigEntry, entry, hard, Harness, readAll, run } from './harness.ts'

const ALL: CompactionBounds = { durable: 1e9, needed: 1e9, tailBytes: 0, bytesMax: 0 }
const AT: EntryId = { index: 100, term: 7 }

/** A log of `count` entries of 6,000 bytes, three to a segment and a bit, all durable. */
function longLog(count: number, seed = 1): Harness {
  const h = new Harness({ seed })
  h.open()
  h.write([], hard(1, 'n1', 600))
  for (let index = 1; index <= count; index++) {
    h.write([bigEntry(index, 1, 6_000)])
    h.settle()
    h.allocate()
  }
  return h
}

/** A short one, of a cluster. */
function logOf(clusterId: string, seed = 1): Harness {
  const h = new Harness({ seed })
  h.open().setClusterId(clusterId)
  h.write([entry(1, 1), entry(2, 7)], hard(7, 'n1', 600))
  h.settle()
  return h
}

function segmentsOf(h: Harness): readonly string[] {
  return h.disk.list().filter((name) => name.endsWith('.log'))
}

function indexes(wal: Wal, last: number): readonly number[] {
  return readAll(wal, last).map(({ index }) => index)
}

function span(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i)
}

describe('Wal.compact()', () => {
  test('removes whole segments from the front, and the rest is read and reopened', () => {
    const h = longLog(20)
    const before = segmentsOf(h).length

    const start = h.wal.compact({ ...ALL, durable: 10 })

    expect(start.term).toBe(1)
    expect(start.index).toBeGreaterThan(5)
    expect(start.index).toBeLessThanOrEqual(10)
    expect(segmentsOf(h).length).toBeLessThan(before)
    const rest = span(start.index + 1, 20)
    h.crash()
    const wal = h.open({ appliedIndex: 12 })
    expect(wal.recovered.snapshot).toEqual(start)
    expect(wal.recovered.hardState).toEqual(hard(1, 'n1', 600))
    expect(wal.recovered.first).toEqual({ index: start.index + 1, term: 1 })
    expect(indexes(wal, 20)).toEqual([...rest])
    h.write([entry(21, 1)])
    h.settle()
    expect(h.wal.read(21, 21, 1_000)).toHaveLength(1)
  })

  test('keeps what is not durable in the database, what followers need, and the tail', () => {
    const h = longLog(20)
    const { walBytes } = h.wal.stats()

    expect(h.wal.compact({ ...ALL, durable: 0 }).index).toBe(0)
    expect(h.wal.compact({ ...ALL, tailBytes: walBytes }).index).toBe(0)
    expect(h.wal.compact({ ...ALL, needed: 0, bytesMax: walBytes }).index).toBe(0)
    // A follower that needs more than the maximum is left to a snapshot.
    const start = h.wal.compact({ ...ALL, needed: 0, bytesMax: walBytes / 2 })
    expect(start.index).toBeGreaterThan(0)
    expect(start.index).toBeLessThan(20)
    expect(h.wal.compact({ ...ALL, needed: 15, bytesMax: walBytes }).index).toBeLessThanOrEqual(15)
  })

  test('keeps a segment until the one behind it can stand for itself', () => {
    const h = longLog(3)
    let last = 3
    // Until one is the first of a new segment, and not yet synced.
    for (let segments = 0; segments !== 1;) {
      h.settle()
      h.allocate()
      h.wal.compact(ALL)
      const before = h.wal.start.index
      h.write([bigEntry((last += 1), 1, 6_000)])
      segments = h.wal.compact(ALL).index === before && last > 6 ? 1 : 0
    }
    h.crash()

    const { index } = h.wal.start
    const wal = h.open({ appliedIndex: index })
    expect(wal.recovered.last.index).toBeGreaterThanOrEqual(last - 1)
    expect(indexes(wal, last - 1)).toEqual([...span(wal.recovered.snapshot.index + 1, last - 1)])
  })

  test('a power cut at any moment of it leaves a log without a gap', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const h = longLog(20, seed)
      const nth = 1 + (seed % 6)
      h.disk.failOn('sync_directory', { code: 'EIO', nth })
      h.wal.compact({ ...ALL, durable: 18 })
      h.disk.forgetFaults()
      h.crash()

      const wal = h.open({ appliedIndex: 18 })
      const { index } = wal.recovered.snapshot
      expect(index).toBeLessThanOrEqual(18)
      expect(indexes(wal, 20)).toEqual([...span(index + 1, 20)])
    }
  })

  test('a gap in what is left is damage, a start behind the state a mismatch', () => {
    const h = longLog(20)
    const start = h.wal.compact({ ...ALL, durable: 10 })
    h.wal.close()
    const image = h.disk.image()

    expect(() => h.open({ appliedIndex: start.index - 1 })).toThrow(WalMismatch)
    expect(() => h.open({ appliedIndex: 0 })).toThrow(`after entry ${start.index}`)
    expect(h.disk.image()).toEqual(image)
    const second = segmentsOf(h)[1] ?? ''
    h.disk.remove(second)
    expect(() => h.open({ appliedIndex: 12 })).toThrow(WalDamaged)
    expect(() => h.open({ appliedIndex: 12 })).toThrow(second)
  })
})

describe('Wal.restart()', () => {
  test('begins anew behind the snapshot, with hard state and identity kept', () => {
    const h = new Harness()
    h.open()
    h.wal.setClusterId('c-1')
    h.write(run(1, 7, 1), hard(1, 'n1', 600))
    h.settle()
    const first = h.write([entry(8, 1)]) // On its way to the disk.
    const second = h.write([entry(9, 2)], hard(2, null, 700)) // Waits behind it.

    h.wal.restart(AT)
    h.settle()

    expect(h.done).toContain(first)
    expect(h.done).toContain(second)
    expect(segmentsOf(h).length).toBeLessThanOrEqual(2) // One may be the next one, made ahead.
    expect(h.wal.recovered.last).toEqual(AT)
    h.write(run(101, 105, 7), hard(7))
    h.settle()
    h.crash()
    const wal = h.open({ appliedIndex: 100, appliedTerm: 7, installed: AT })
    expect(wal.identity.clusterId).toBe('c-1')
    expect(wal.recovered).toMatchObject({ snapshot: AT, last: { index: 105, term: 7 } })
    expect(wal.recovered.hardState).toEqual(hard(7))
    expect(indexes(wal, 105)).toEqual([...span(101, 105)])
  })

  test('a sync that it found under way and that fails ends the log, and nothing is called done', () => {
    const h = new Harness()
    h.open()
    h.write([entry(1, 7)])
    h.settle()
    const done = h.done.length
    const [old = ''] = segmentsOf(h)
    h.write([entry(2, 7)])

    h.wal.restart(AT)
    h.disk.failOn('sync', { code: 'EIO', name: old })
    h.write([entry(101, 7)])
    h.settle()

    expect(h.failures.map(({ message }) => message)).toEqual([expect.stringContaining('EIO')])
    expect(h.done).toHaveLength(done)
    expect(h.wal.acceptsWrites).toBe(false)
  })

  test('a sync of the segment that it gave up, and that fails, ends the log too', () => {
    const h = new Harness()
    h.open()
    h.write([entry(1, 7)])
    h.step() // The write is durable: the next segment is begun.
    expect(h.disk.list()).toContain('wal-next.tmp')

    h.wal.restart(AT)
    h.disk.failOn('sync', { code: 'EIO', name: 'wal-next.tmp' })
    const done = h.done.length
    h.settle()
    h.write([entry(101, 7)])
    h.settle()

    expect(h.failures.map(({ message }) => message)).toEqual([expect.stringContaining('EIO')])
    expect(h.done).toHaveLength(done)
  })

  test('may follow a restart, and be compacted', () => {
    const h = longLog(4)
    h.wal.restart(AT)
    for (let index = 101; index <= 115; index++) {
      h.write([bigEntry(index, 7, 6_000)], index === 101 ? hard(7) : null)
      h.settle()
      h.allocate()
    }
    expect(h.wal.compact({ ...ALL, durable: 110 }).index).toBeGreaterThan(100)
    h.wal.restart({ index: 500, term: 9 })
    h.write([entry(501, 9)], hard(9))
    h.settle()
    h.crash()
    const wal = h.open({ appliedIndex: 500, appliedTerm: 9 })
    expect(wal.recovered.snapshot).toEqual({ index: 500, term: 9 })
    expect(indexes(wal, 501)).toEqual([501])
  })

  test('a cut-off install is finished at start: the log is shorter than the database', () => {
    const h = longLog(7)
    h.crash()
    const wal = h.open({ appliedIndex: 100, appliedTerm: 7, installed: AT })
    expect(wal.recovered).toMatchObject({ snapshot: AT, last: AT, first: null })
    expect(wal.recovered.hardState).toEqual(hard(7, null, 600))
    // Whatever happens next, it is the same log.
    h.write([entry(101, 7)], hard(7))
    h.settle()
    h.kill()
    expect(h.open({ appliedIndex: 100, appliedTerm: 7, installed: AT }).recovered.last.index).toBe(
      101,
    )
  })

  test('also where another leader left entries at that place', () => {
    const h = longLog(7)
    h.crash()
    const at = { index: 5, term: 3 }
    const wal = h.open({ appliedIndex: 5, appliedTerm: 3, installed: at })
    expect(wal.recovered).toMatchObject({ snapshot: at, last: at })
  })

  test('a database that applied more than the log holds is refused all the same', () => {
    const h = longLog(7)
    h.crash()
    expect(() => h.open({ appliedIndex: 100, appliedTerm: 7 })).toThrow(WalMismatch)
    const wal = longLog(20).wal
    const start = wal.compact({ ...ALL, durable: 10 })
    expect(start.index).toBeGreaterThan(0)
  })

  test('a cluster that is founded anew has the log from the restart on', () => {
    const h = logOf('old')
    h.wal.restart(AT, 'new')
    expect(h.wal.identity.clusterId).toBe('new')
    h.write([entry(101, 7)])
    h.settle()
    h.crash()
    const wal = h.open({ appliedIndex: 100, appliedTerm: 7, installed: AT, foundedAnew: 'new' })
    expect(wal.identity.clusterId).toBe('new')
    expect(wal.recovered).toMatchObject({ snapshot: AT, last: { index: 101, term: 7 } })
    expect(() => wal.setClusterId('old')).toThrow('one cluster')
  })

  test('where that was cut off, the next start ends it: by then it is the new cluster', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const h = logOf('old', seed)
      h.disk.failOn(seed % 2 === 0 ? 'write' : 'sync', { code: 'EIO', nth: 1 + (seed % 5) })
      try {
        h.wal.restart(AT, 'new')
      } catch {
        expect(h.failures).toHaveLength(1)
      }
      h.disk.forgetFaults()
      h.crash()
      const wal = h.open({ appliedIndex: 100, appliedTerm: 7, installed: AT, foundedAnew: 'new' })
      expect([seed, wal.identity.clusterId]).toEqual([seed, 'new'])
      expect(wal.recovered).toMatchObject({ snapshot: AT, last: AT })
    }
  })

  for (const call of ['write', 'sync', 'sync_directory', 'rename', 'open'] as const) {
    test(`a power cut at any ${call} of it: the old log or the new one, never neither`, () => {
      let finished = 0
      for (let seed = 1; seed <= 120; seed++) {
        const h = longLog(7, seed)
        h.write([entry(8, 1)])
        h.disk.failOn(call, { code: 'EIO', nth: 1 + (seed % 8) })
        try {
          h.wal.restart(AT)
        } catch {
          expect(h.failures).toHaveLength(1)
        }
        h.disk.forgetFaults()
        h.crash()
        // What the process does next: the database is already the snapshot.
        const wal = h.open({ appliedIndex: 100, appliedTerm: 7, installed: AT })
        expect(wal.recovered).toMatchObject({ snapshot: AT, last: AT })
        expect(wal.recovered.hardState).toEqual(hard(7, null, 600))
        expect(segmentsOf(h).length).toBeLessThanOrEqual(2)
        finished += 1
      }
      expect(finished).toBe(120)
    })
  }
})

/** Compactions, restarts, writes, power cuts and kills, in any order, against a plain list. */
test('any history of compactions, restarts and crashes keeps what was durable: 150 seeds', () => {
  const met = { compactions: 0, restarts: 0, lives: 0 }
  for (let seed = 1; seed <= 150; seed++) {
    const random = prng(seed + 7)
    const h = new Harness({ seed })
    h.open()
    let start: EntryId = { index: 0, term: 0 }
    let last = 0
    let durable = 0
    let highest = 0
    let term = 1
    h.write([], hard(term))
    const writes = new Map<number, number>()
    const terms: number[] = []
    for (let step = 0; step < 60; step++) {
      const dice = random(100)
      if (dice < 50) {
        // Sometimes a new leader's entries replace some that are not applied yet.
        const replaces = random(4) === 0 && last > durable
        if (replaces) {
          last -= 1 + random(last - durable)
          term += 1
        }
        const bytes = 1 + random(9_000)
        const number = h.write([bigEntry(last + 1, term, bytes)], replaces ? hard(term) : null)
        last += 1
        highest = Math.max(highest, last)
        for (const [write, index] of writes) if (index >= last) writes.delete(write)
        writes.set(number, last)
        terms.length = last
        terms[last] = term
      } else if (dice < 75) {
        h.step()
        h.wal.tick(step * 40)
      } else if (dice < 87) {
        start = h.wal.compact({ ...ALL, durable: random(durable + 1), tailBytes: random(60_000) })
        if (start.index > 0) met.compactions += 1
        if (start.index > 0) expect(start.term, `seed ${seed}`).toBe(terms[start.index] ?? -1)
      } else if (dice < 90) {
        term += 1
        h.write([], hard(term))
        start = { index: last + 1 + random(20), term: term - 1 }
        h.wal.restart(start)
        last = durable = highest = start.index
        terms[last] = start.term
        writes.clear()
        met.restarts += 1
      } else {
        if (random(2) === 0) h.kill()
        else h.crash()
        const wal = h.open({ appliedIndex: durable })
        const { recovered } = wal
        expect(recovered.snapshot, `seed ${seed}`).toEqual(start)
        expect(recovered.last.index).toBeGreaterThanOrEqual(durable)
        expect(recovered.last.index).toBeLessThanOrEqual(highest)
        expect(indexes(wal, recovered.last.index)).toEqual([
          ...span(start.index + 1, recovered.last.index),
        ])
        last = durable = highest = recovered.last.index
        terms.length = 0
        for (const { from, term: of } of recovered.terms) {
          for (let index = from; index <= last; index++) terms[index] = of
        }
        terms[start.index] = start.term
        term = recovered.hardState.term
        writes.clear()
        met.lives += 1
      }
      for (const number of h.done) durable = Math.max(durable, writes.get(number) ?? 0)
    }
  }
  expect(met.compactions).toBeGreaterThan(150)
  expect(met.restarts).toBeGreaterThan(100)
  expect(met.lives).toBeGreaterThan(300)
}, 60_000)
