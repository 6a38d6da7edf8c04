import { describe, expect, test } from 'bun:test'
import { AssertionError } from '../../src/lib/assert.ts'
import { commandBytesMax } from '../../src/storage/entry-bounds.ts'
import { WalDamaged } from '../../src/storage/mod.ts'
import { bigEntry, BLOCK, entry, hard, Harness, readAll, run, SEGMENT } from './harness.ts'

describe('Wal.open()', () => {
  test('makes a log whose identity is durable before anybody can hear of it', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const h = new Harness({ seed })
      const { identity } = h.open({ nodeId: null })
      expect(identity).toEqual({
        nodeId: 'made',
        incarnation: 'random-1',
        clusterId: null,
        formatVersion: 1,
        witness: false,
      })

      h.crash()

      expect(h.open({ nodeId: null }).identity).toEqual(identity)
    }
  })

  test('makes a new log after a power cut at any moment of making the first', () => {
    for (const call of ['write', 'sync', 'rename', 'sync_directory'] as const) {
      for (let seed = 1; seed <= 10; seed++) {
        const h = new Harness({ seed })
        h.disk.failOn(call, { code: 'EIO' })
        expect(() => h.open()).toThrow('EIO')
        h.crash()

        const wal = h.open()

        expect(wal.recovered.last).toEqual({ index: 0, term: 0 })
        expect(h.disk.list()).toEqual(['wal-0000000001.log'])
      }
    }
  })

  test('recovers hard state, entries, term runs and memberships', () => {
    const h = new Harness()
    h.open()
    h.write([entry(1, 1), { ...entry(2, 1), type: 'membership' }, entry(3, 2)], hard(2, 'n3', 600))
    h.settle()
    h.crash()

    const { recovered } = h.open()

    expect(recovered.hardState).toEqual({ term: 2, votedFor: 'n3', promiseMs: 600 })
    expect(recovered.first).toEqual({ index: 1, term: 1 })
    expect(recovered.last).toEqual({ index: 3, term: 2 })
    expect(recovered.snapshot).toEqual({ index: 0, term: 0 })
    expect(recovered.terms).toEqual([
      { term: 1, from: 1 },
      { term: 2, from: 3 },
    ])
    expect(recovered.memberships).toEqual([{ ...entry(2, 1), type: 'membership' }])
    expect(h.entries().map((e) => e.type)).toEqual(['command', 'membership', 'command'])
  })

  test('an entry that fills many blocks comes back whole', () => {
    const h = new Harness()
    h.open()
    h.write([bigEntry(1, 1, 12_000)], hard(1))
    h.settle()
    h.crash()

    h.open()

    expect(h.entries()).toEqual([bigEntry(1, 1, 12_000)])
  })

  test('what only the page cache held is durable once it was recovered', () => {
    for (let seed = 1; seed <= 30; seed++) {
      const h = new Harness({ seed })
      h.open()
      h.write(run(1, 3, 1), hard(1))
      h.kill() // No fdatasync ended: the kernel alone knows the entries.

      expect(h.open().recovered.last).toEqual({ index: 3, term: 1 })
      h.crash()

      expect(h.open().recovered.last).toEqual({ index: 3, term: 1 })
    }
  })
})

describe('Wal.write()', () => {
  test('writes that come while an fdatasync is under way become one batch with one fdatasync', () => {
    const h = new Harness()
    const wal = h.open()
    const before = wal.stats()
    for (let index = 1; index <= 50; index++) h.write([entry(index, 0)])
    expect(wal.stats().batches - before.batches).toBe(1)
    expect(h.done).toEqual([])

    h.step()
    expect(h.done).toEqual([1])
    expect(wal.stats().batches - before.batches).toBe(2)
    expect(wal.stats().syncs - before.syncs).toBe(2)

    h.settle()
    expect(h.done).toEqual(Array.from({ length: 50 }, (_, i) => i + 1))
    expect(wal.stats().batches - before.batches).toBe(2)
  })

  test('does not call done before the fdatasync has ended, also for a lone node', () => {
    const h = new Harness()
    h.open()
    h.write([entry(1, 0)])
    expect(h.done).toEqual([])
    h.step()
    expect(h.done).toEqual([1])
  })

  test('hard state alone survives, the last one wins', () => {
    const h = new Harness()
    h.open()
    h.write([], hard(4))
    h.write([], hard(5, 'n2'))
    h.write([], hard(5, 'n2', 600))
    h.settle()
    h.crash()

    expect(h.open().recovered.hardState).toEqual({ term: 5, votedFor: 'n2', promiseMs: 600 })
  })

  test('entries at or below the last index replace all that follow, also after a restart', () => {
    const h = new Harness()
    const wal = h.open()
    h.write(run(1, 8, 1), hard(1))
    h.settle()
    h.write(run(5, 6, 2), hard(2))
    h.settle()
    const expected = [...run(1, 4, 1), ...run(5, 6, 2)]
    expect(readAll(wal, 6)).toEqual(expected)
    h.crash()

    const { recovered } = h.open()

    expect(h.entries()).toEqual(expected)
    expect(recovered.terms).toEqual([
      { term: 1, from: 1 },
      { term: 2, from: 5 },
    ])
  })

  test('ABA: a suffix replaced twice within one batch and again after it is the last one', () => {
    const h = new Harness()
    const wal = h.open()
    h.write(run(1, 5, 1), hard(1))
    h.write(run(3, 6, 2), hard(2)) // These three wait for the first and share a batch.
    h.write(run(2, 4, 3), hard(3))
    h.write([entry(4, 4, 'again')], hard(4))
    h.settle()
    const expected = [entry(1, 1), entry(2, 3), entry(3, 3), entry(4, 4, 'again')]
    expect(readAll(wal, 4)).toEqual(expected)
    expect(wal.stats().batches).toBe(2)
    h.crash()

    h.open()
    expect(h.entries()).toEqual(expected)
    h.write([entry(3, 5, 'third')], hard(5))
    h.settle()
    h.crash()

    h.open()
    expect(h.entries()).toEqual([entry(1, 1), entry(2, 3), entry(3, 5, 'third')])
  })

  test('goes on in the next segment, over which the chain and the reads continue', () => {
    const h = new Harness()
    const wal = h.open()
    let index = 0
    for (let i = 0; i < 40; i++) {
      h.write([bigEntry((index += 1), 1, 3_000)], i === 0 ? hard(1, 'n1') : null)
      h.settle()
      h.allocate()
    }
    expect(wal.stats().segments).toBeGreaterThan(5)
    expect(readAll(wal, index)).toHaveLength(40)
    h.crash()

    const { recovered, identity } = h.open()

    expect(recovered.last).toEqual({ index: 40, term: 1 })
    expect(recovered.hardState).toEqual(hard(1, 'n1'))
    expect(identity.incarnation).toBe('random-1')
    expect(h.entries()).toEqual(Array.from({ length: 40 }, (_, i) => bigEntry(i + 1, 1, 3_000)))
  })

  test('a write larger than a segment is spread over several and done once, at its end', () => {
    const h = new Harness()
    const wal = h.open()
    const entries = Array.from({ length: 30 }, (_, i) => bigEntry(i + 1, 1, 5_000))
    h.write(entries, hard(1))
    h.write([entry(31, 1)])
    while (h.done.length === 0) expect(h.step()).toBe(true)
    h.settle()

    expect(h.done).toEqual([1, 2])
    expect(readAll(wal, 31)).toEqual([...entries, entry(31, 1)])
    h.crash()
    h.open()
    expect(h.entries()).toHaveLength(31)
  })

  test('refuses a gap and an entry larger than a segment: bugs of ours', () => {
    const h = new Harness()
    h.open()
    expect(() => h.write([entry(2, 0)])).toThrow(AssertionError)
    expect(() => h.write([bigEntry(1, 0, SEGMENT)])).toThrow(AssertionError)
  })
})

describe('Wal.read()', () => {
  test('stops at the bytes asked for, after at least one entry, and at the last index asked for', () => {
    const h = new Harness()
    const wal = h.open()
    h.write(Array.from({ length: 9 }, (_, i) => bigEntry(i + 1, 0, 100)))
    h.settle()

    expect(wal.read(2, 9, 250).map((e) => e.index)).toEqual([2, 3])
    expect(wal.read(2, 9, 1).map((e) => e.index)).toEqual([2])
    expect(wal.read(4, 5, 10_000).map((e) => e.index)).toEqual([4, 5])
  })

  test('names file, offset and checksums where the disk gives back something else', () => {
    const h = new Harness()
    const wal = h.open()
    h.write([entry(1, 0)])
    h.settle()
    const file = h.disk.open('wal-0000000001.log', { create: false })
    file?.write(BLOCK + 70, new Uint8Array([0xff]))

    let error: unknown = null
    try {
      wal.read(1, 1, 100)
    } catch (thrown) {
      error = thrown
    }

    expect(error).toBeInstanceOf(WalDamaged)
    expect(error).toMatchObject({ file: 'wal-0000000001.log', offset: BLOCK })
    expect((error as WalDamaged).expected).toMatch(/^checksum 0x[0-9a-f]{8}$/)
    expect((error as WalDamaged).actual).toMatch(/^0x[0-9a-f]{8}$/)
  })
})

describe('Wal.setClusterId()', () => {
  test('is durable when it returns, also while a write is under way', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const h = new Harness({ seed })
      const wal = h.open()
      h.write([entry(1, 0)])
      wal.setClusterId('c-1')
      expect(wal.identity.clusterId).toBe('c-1')
      h.crash()

      const again = h.open()
      expect(again.identity.clusterId).toBe('c-1')
      expect(again.recovered.last.index).toBe(1)
    }
  })

  test('goes with the log from segment to segment, and never changes', () => {
    const h = new Harness()
    const wal = h.open()
    wal.setClusterId('c-1')
    for (let index = 1; index <= 9; index++) h.write([bigEntry(index, 0, 6_000)])
    h.settle()
    expect(wal.stats().segments).toBeGreaterThan(2)
    h.crash()

    expect(h.open().identity.clusterId).toBe('c-1')
    expect(() => h.wal.setClusterId('c-2')).toThrow(AssertionError)
  })
})

describe('Wal.tick()', () => {
  test('after a quiet second one empty batch records the end, then the disk is silent', () => {
    const h = new Harness()
    const wal = h.open()
    h.allocate()
    h.write([entry(1, 0)])
    h.settle()
    const before = wal.stats().batches
    wal.tick(10_000)
    wal.tick(10_999)
    expect(wal.stats().batches).toBe(before)

    wal.tick(11_000)
    h.settle()
    expect(wal.stats().batches).toBe(before + 1)

    const { writes, syncs } = h.disk.counts
    for (let nowMs = 11_000; nowMs < 60_000; nowMs += 100) {
      wal.tick(nowMs)
      h.settle()
    }
    expect(h.disk.counts).toMatchObject({ writes, syncs })
  })

  test('the recorded end makes damage of the last write an error, not a torn tail', () => {
    const h = new Harness()
    h.open()
    h.write([entry(1, 0)])
    h.settle()
    h.wal.tick(1_000)
    h.wal.tick(2_000)
    h.settle()
    h.crash()
    const bytes = h.disk.bytes('wal-0000000001.log')
    bytes[BLOCK + 60] = (bytes[BLOCK + 60] as number) ^ 1
    h.disk.plant('wal-0000000001.log', bytes)

    expect(() => h.open()).toThrow(WalDamaged)
  })

  test('a log that was only opened has nothing to record', () => {
    const h = new Harness()
    const wal = h.open()
    h.allocate()
    for (let nowMs = 0; nowMs < 5_000; nowMs += 100) wal.tick(nowMs)
    expect(wal.stats().batches).toBe(0)
  })
})

describe('Wal.close()', () => {
  test('loses nothing that was given to it, and records the end', () => {
    const h = new Harness()
    const wal = h.open()
    h.write(run(1, 3, 0))
    h.write(run(4, 6, 0))
    wal.close()
    h.crash()

    expect(h.open().recovered.last.index).toBe(6)
    h.wal.tick(0)
    h.wal.tick(9_000)
    expect(h.wal.stats().batches).toBe(0)
    expect(h.failures).toEqual([])
  })

  test('calls no done any more and ignores writes', () => {
    const h = new Harness()
    const wal = h.open()
    h.write(run(1, 3, 0))
    wal.close()
    h.write([entry(9, 0)])
    h.settle()
    expect(h.done).toEqual([])
    expect(wal.acceptsWrites).toBe(false)
  })
})

test('a command of the largest size is written and read back, and not a byte more', () => {
  const h = new Harness()
  const { commandBytesMax } = h.open()
  h.write([bigEntry(1, 1, commandBytesMax)], hard(1))
  h.settle()
  h.crash()

  h.open()

  expect(h.entries()[0]?.data.length).toBe(commandBytesMax)
  expect(() => h.write([bigEntry(2, 1, commandBytesMax + 1)])).toThrow('an entry fits in a segment')
})

test('logs of 4 MiB segments and of larger ones take commands of one size', () => {
  const small = commandBytesMax(4 * 1_048_576)
  expect(small).toBeGreaterThan(4_000_000)
  for (const mib of [64, 1_024]) expect(commandBytesMax(mib * 1_048_576)).toBe(small)
})
