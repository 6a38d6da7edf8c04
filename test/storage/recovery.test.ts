import { describe, expect, test } from 'bun:test'
import { sameBytes } from '../../src/lib/bytes.ts'
import { crc32 } from '../../src/lib/crc32.ts'
import { WalDamaged, WalMismatch } from '../../src/storage/mod.ts'
import type { MismatchReason, WalOptions } from '../../src/storage/mod.ts'
import { bigEntry, BLOCK, entry, hard, Harness, run } from './harness.ts'

/** A log over several segments: entries 1–12 of term 1, three to a segment. */
function long(incarnation = 'a'): Harness {
  const h = new Harness()
  h.open({ newIncarnation: () => incarnation })
  for (let index = 1; index <= 12; index++) {
    h.write([bigEntry(index, 1, 6_000)], index === 1 ? hard(1) : null)
    h.settle()
    h.allocate()
  }
  expect(h.wal.stats().segments).toBeGreaterThan(4)
  h.kill()
  return h
}

function segment(number: number): string {
  return `wal-${String(number).padStart(10, '0')}.log`
}

/** Opening throws and leaves every byte where it was. */
function refusal(h: Harness, options: Partial<WalOptions> = {}): WalDamaged | WalMismatch {
  const before = h.disk.image()
  let error: unknown = null
  try {
    h.open(options)
  } catch (thrown) {
    error = thrown
  }
  const after = h.disk.image()
  expect([...after.keys()]).toEqual([...before.keys()])
  for (const [name, bytes] of before) {
    expect(sameBytes(after.get(name) ?? new Uint8Array(0), bytes)).toBe(true)
  }
  if (error instanceof WalDamaged || error instanceof WalMismatch) return error
  throw new Error('a log was not refused as it should be', { cause: error })
}

function expectMismatch(h: Harness, reason: MismatchReason, options?: Partial<WalOptions>): void {
  expect(refusal(h, options)).toMatchObject({ name: 'WalMismatch', reason })
}

describe('segments', () => {
  test('one missing in the middle: damage that names the file', () => {
    const middle = long()
    middle.disk.remove(segment(2))
    expect(refusal(middle)).toMatchObject({ name: 'WalDamaged', file: segment(2), offset: 0 })
  })

  test('one missing at the start that was not compacted away: the state cannot go on from there', () => {
    const h = long()
    h.disk.remove(segment(1))
    expectMismatch(h, 'applied_index')
  })

  test('a damaged opening of a middle segment: damage there', () => {
    const h = long()
    const bytes = h.disk.bytes(segment(3))
    h.disk.plant(segment(3), bytes.fill(0xee, 100, 110))
    expect(refusal(h)).toMatchObject({ name: 'WalDamaged', file: segment(3), offset: 0 })
  })

  test('a copy of a segment under another number', () => {
    const h = long()
    h.disk.plant(segment(3), h.disk.bytes(segment(2)))
    expectMismatch(h, 'foreign_segment')
  })

  test('a segment of another log, of the same node in an earlier life too', () => {
    const h = long('a')
    const other = long('b')
    h.disk.plant(segment(3), other.disk.bytes(segment(3)))
    expectMismatch(h, 'foreign_segment')
  })

  test('a new segment that was torn before anything in it was durable is removed', () => {
    const h = long()
    const last = h.disk.list().length
    const torn = h.disk.bytes(segment(last)).fill(0xee, 0, 700)
    h.disk.plant(segment(last), torn)

    const { recovered } = h.open()

    expect(recovered.last.index).toBe(12)
    expect(h.disk.list()).not.toContain(segment(last))
    h.write([entry(13, 1)])
    h.settle()
    h.crash()
    expect(h.open().recovered.last.index).toBe(13)
  })

  test('a segment whose name was not durable when the process died is, before it is used', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const h = new Harness({ seed })
      h.open()
      h.disk.failOn('sync_directory', { code: 'EIO' })
      h.allocate() // Renamed into place; the process ends before the name is synced.
      h.kill()
      h.open()
      for (let index = 1; index <= 9; index++) h.write([bigEntry(index, 0, 6_000)])
      while (h.done.length < 6) expect(h.step()).toBe(true)
      h.crash()
      expect(h.open().recovered.last.index).toBeGreaterThanOrEqual(6)
    }
  })

  test('a batch that follows by its number and not by its predecessor is not part of the log', () => {
    const [one, other] = ['one', 'other'].map((text) => {
      const h = new Harness()
      h.open({ newIncarnation: () => 'the same' })
      for (const index of [1, 2]) {
        h.write([entry(index, 0, `${text} ${index}`)])
        h.settle()
      }
      return h.disk.bytes(segment(1))
    }) as [Uint8Array, Uint8Array]
    one.set(other.subarray(2 * BLOCK, 3 * BLOCK), 2 * BLOCK)
    const h = new Harness()
    h.disk.plant(segment(1), one)

    expect(h.open().recovered.last.index).toBe(1)
    expect(
      h.disk
        .bytes(segment(1))
        .subarray(2 * BLOCK)
        .every((byte) => byte === 0),
    ).toBe(true)
  })

  test('an unfinished segment is thrown away, an empty one in reserve is used', () => {
    const h = long()
    const names = h.disk.list()
    h.disk.plant('wal-next.tmp', new Uint8Array(5_000).fill(7))
    h.disk.plant('state-12.db', new Uint8Array(10)) // Not ours: left alone.

    h.open()

    expect(h.disk.list()).toEqual(['state-12.db', ...names])
    expect(h.wal.stats().segments).toBe(names.length)
  })
})

describe('identity', () => {
  test('another --id is refused, none takes what is there', () => {
    const h = long()
    const error = refusal(h, { nodeId: 'n2' })
    expect(error).toMatchObject({ name: 'WalMismatch', reason: 'node_id', actual: '--id n1' })
    expect(h.open({ nodeId: null }).identity.nodeId).toBe('n1')
  })

  test('a witness’s log is none of a data node, and the other way round; nothing is changed', () => {
    for (const witness of [true, false]) {
      const h = new Harness()
      expect(h.open({ witness }).identity.witness).toBe(witness)
      h.kill()
      const error = refusal(h, { witness: !witness })
      const actual = witness ? 'a witness' : 'a data node'
      expect(error).toMatchObject({ name: 'WalMismatch', reason: 'member_kind', actual })
      expect(h.open({ witness }).identity.witness).toBe(witness)
    }
  })

  test('another format version is refused', () => {
    const h = new Harness()
    h.open()
    h.kill()
    const bytes = h.disk.bytes(segment(1))
    const view = new DataView(bytes.buffer)
    view.setUint16(8, 2, true)
    view.setUint32(4, crc32(bytes.subarray(8, 48 + view.getUint32(12, true))), true)
    h.disk.plant(segment(1), bytes)

    expectMismatch(h, 'format_version')
  })
})

describe('the applied index', () => {
  test('above the end of a whole log: refused', () => {
    expectMismatch(long(), 'applied_index', { appliedIndex: 13 })
    expect(long().open({ appliedIndex: 12 }).recovered.last.index).toBe(12)
  })

  test('without any log: refused, and no log is made', () => {
    const h = new Harness()
    expectMismatch(h, 'applied_index', { appliedIndex: 1 })
    expect(h.disk.list()).toEqual([])
  })

  test('of another term than the log: refused', () => {
    expectMismatch(long(), 'applied_index', { appliedIndex: 12, appliedTerm: 2 })
    expect(long().open({ appliedIndex: 12, appliedTerm: 1 }).recovered.last.index).toBe(12)
  })

  test('a cut that brings an overwritten entry back below it is damage', () => {
    const h = new Harness()
    h.open()
    h.write(run(1, 3, 1), hard(1))
    h.settle()
    h.write([entry(3, 2)], hard(2))
    h.settle()
    h.kill()
    const bytes = h.disk.bytes(segment(1))
    h.disk.plant(segment(1), bytes.fill(0xee, 2 * BLOCK + 60, 2 * BLOCK + 70))

    expect(refusal(h, { appliedIndex: 3, appliedTerm: 2 })).toMatchObject({
      name: 'WalDamaged',
      offset: 2 * BLOCK,
    })
  })
})
