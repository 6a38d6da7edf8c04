import { describe, expect, test } from 'bun:test'
import { bigEntry, entry, hard, Harness, readAll, SEGMENT } from './harness.ts'

/** Writes entries of a block each until `enough`; returns the last index. */
function writeUntil(h: Harness, from: number, enough: () => boolean): number {
  let index = from
  while (!enough()) {
    if (index > from + 100) throw new Error('a disk that does not fill')
    h.write([bigEntry((index += 1), 0, 3_000)])
    h.settle()
    h.wal.tick(0)
    h.settle()
  }
  return index
}

describe('a full disk', () => {
  test('writes are refused in time, votes still find room, reads go on, it recovers', () => {
    const h = new Harness({ capacityBytes: 2 * SEGMENT + 10_000 })
    const wal = h.open()
    const last = writeUntil(h, 0, () => !wal.acceptsWrites)
    const done = h.done.length
    expect(done).toBe(last)

    h.write([], hard(1, 'n1'))
    h.settle()
    h.write([], hard(2, 'n2'))
    h.settle()
    expect(h.done.length).toBe(done + 2)
    expect(readAll(wal, last)).toHaveLength(last)
    expect(wal.acceptsWrites).toBe(false)
    expect(h.failures).toEqual([])
    expect(h.disk.list()).not.toContain('wal-next.tmp') // The database needs the space.

    h.disk.capacityBytes = 10 * SEGMENT
    for (const nowMs of [10_000, 11_000, 11_001, 11_002]) {
      wal.tick(nowMs)
      h.settle()
    }
    expect(wal.acceptsWrites).toBe(true)
    writeUntil(h, last, () => wal.stats().segments > 3)
    h.crash()
    expect(h.open().recovered.hardState).toEqual(hard(2, 'n2'))
  })

  test('what is written anyway waits behind the reserve and is done when space is freed', () => {
    const h = new Harness({ capacityBytes: SEGMENT + 10_000 })
    const wal = h.open()
    for (let index = 1; index <= 20; index++) {
      h.write([bigEntry(index, 0, 3_000)])
      h.settle()
      wal.tick(0)
    }
    expect(h.done.length).toBeLessThan(10)
    expect(h.failures).toEqual([])

    h.disk.capacityBytes = 10 * SEGMENT
    for (let nowMs = 0; nowMs <= 3_000; nowMs += 500) {
      wal.tick(nowMs)
      h.settle()
    }
    expect(h.done).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
    expect(readAll(wal, 20)).toHaveLength(20)
  })

  test('asks for space not more than once a second', () => {
    const h = new Harness({ capacityBytes: SEGMENT + 10_000 })
    const wal = h.open()
    for (let nowMs = 0; nowMs < 10_000; nowMs += 10) {
      wal.tick(nowMs)
      h.settle()
    }
    expect(h.disk.counts.asked).toBeGreaterThan(5)
    expect(h.disk.counts.asked).toBeLessThanOrEqual(12)
  })

  test('the last of the room is left to the database, until a write waits for the segment', () => {
    const h = new Harness({ capacityBytes: 2.5 * SEGMENT })
    const wal = h.open()
    const last = writeUntil(h, 0, () => !wal.acceptsWrites)
    const usedBytes = (): number =>
      h.disk.list().reduce((sum, name) => sum + h.disk.bytes(name).length, 0)

    expect(usedBytes()).toBe(SEGMENT)
    expect(h.disk.counts.refused).toBe(0) // Not even tried.

    // A leader's appends come all the same: they get the room, once the reserve is used up.
    for (let index = last + 1; index <= last + 8; index++) {
      h.write([bigEntry(index, 0, 3_000)])
      h.settle()
      wal.tick(index * 1_000)
      h.settle()
    }
    expect(h.done.length).toBe(last + 8)
    expect(h.failures).toEqual([])
  })
})

describe('a failing disk', () => {
  test('fsync error: failure told once, no done any more, no further write or fsync', () => {
    const h = new Harness()
    const wal = h.open()
    h.write([entry(1, 0)])
    h.settle()
    h.disk.failOn('sync', { code: 'EIO' })
    h.write([entry(2, 0)])
    h.write([entry(3, 0)])
    h.settle()
    const counts = { ...h.disk.counts }
    h.write([entry(4, 0)])
    wal.tick(10_000)
    wal.tick(20_000)
    h.settle()

    expect(h.done).toEqual([1])
    expect(h.failures.map((error) => error.message)).toEqual([expect.stringContaining('EIO')])
    expect(wal.acceptsWrites).toBe(false)
    expect(h.disk.counts).toEqual(counts)
    wal.close()
    expect(h.disk.counts).toEqual(counts)
  })

  test('fsync error: what the page cache shows after it is made durable again, or is not there', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const h = new Harness({ seed })
      h.open()
      h.write([entry(1, 0)])
      h.settle()
      h.disk.failOn('sync', { code: 'EIO' })
      h.write([entry(2, 0)])
      h.settle()
      h.kill()

      const { last } = h.open().recovered // The kernel still shows entry 2, as clean.
      h.write([entry(last.index + 1, 0)])
      h.settle()
      h.crash()

      expect(h.open().recovered.last.index).toBe(last.index + 1)
    }
  })

  test('write error: failure told once, nothing done, the writes before it are safe', () => {
    const h = new Harness()
    h.open()
    h.write([entry(1, 0)])
    h.settle()
    h.disk.failOn('write', { code: 'EIO' })
    h.write([entry(2, 0)])
    h.write([entry(3, 0)])
    h.settle()

    expect(h.failures).toHaveLength(1)
    expect(h.done).toEqual([1])
    h.crash()
    expect(h.open().recovered.last.index).toBe(1)
  })

  test('an error other than "no space" while the next segment is made is a failure too', () => {
    for (const call of ['write', 'sync', 'rename', 'sync_directory'] as const) {
      const h = new Harness()
      h.open()
      h.disk.failOn(call, { code: 'EIO' })
      h.allocate()
      expect(h.failures).toHaveLength(1)
    }
  })

  test('a failed cluster name is thrown and told', () => {
    const h = new Harness()
    const wal = h.open()
    h.disk.failOn('sync', { code: 'EIO' })
    expect(() => wal.setClusterId('c-1')).toThrow('EIO')
    expect(h.failures).toHaveLength(1)
  })
})
