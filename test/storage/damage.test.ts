import { describe, expect, test } from 'bun:test'
import { sameBytes } from '../../src/lib/bytes.ts'
import { WalDamaged } from '../../src/storage/mod.ts'
import { bigEntry, BLOCK, entry, hard, Harness, run } from './harness.ts'

const FILE = 'wal-0000000001.log'
/** Of the header of a batch; the payload follows. */
const HEADER = 48

interface Layout {
  readonly at: number
  /** Where the payload ends; behind it is padding. */
  readonly end: number
  /** Last index of the log up to and with this batch. */
  readonly last: number
}

/**
 * One segment: the opening, entries 1–2, entry 3 (a middle batch), entry 4, entry 5 over two
 * blocks, entry 6. Every batch was durable before the next was written.
 */
function example(): { readonly image: Uint8Array; readonly batches: readonly Layout[] } {
  const h = new Harness()
  h.open()
  for (const entries of [run(1, 2, 1), run(3, 3, 1), run(4, 4, 1), [bigEntry(5, 1, 4_500)]]) {
    h.write(entries, entries[0]?.index === 1 ? hard(1, 'n1') : null)
    h.settle()
  }
  h.write([entry(6, 1)])
  h.settle()
  const image = h.disk.bytes(FILE)
  const batches: Layout[] = []
  const view = new DataView(image.buffer)
  for (let at = 0, i = 0; i < 6; i++) {
    const payload = view.getUint32(at + 12, true)
    expect(payload).toBeGreaterThan(0)
    const last = [0, 2, 3, 4, 5, 6][i] as number
    batches.push({ at, end: at + HEADER + payload, last })
    at += Math.ceil((HEADER + payload) / BLOCK) * BLOCK
  }
  return { image, batches }
}

function opened(image: Uint8Array): Harness {
  const h = new Harness()
  h.disk.plant(FILE, image)
  h.open()
  return h
}

/** A log that is refused stays as it was, byte for byte. */
function expectRefused(image: Uint8Array): WalDamaged {
  const h = new Harness()
  h.disk.plant(FILE, image)
  let error: unknown = null
  try {
    h.open()
  } catch (thrown) {
    error = thrown
  }
  expect(error).toBeInstanceOf(WalDamaged)
  expect(h.disk.list()).toEqual([FILE])
  expect(sameBytes(h.disk.bytes(FILE), image)).toBe(true)
  expect(h.disk.counts.writes).toBe(0)
  return error as WalDamaged
}

/** The last index that must be left when everything from `at` on is gone. */
function lastBefore(batches: readonly Layout[], at: number): number {
  return batches.findLast((batch) => batch.end <= at)?.last ?? 0
}

describe('a torn tail', () => {
  test('cut at every byte of the last three batches: all whole batches before it are there', () => {
    const { image, batches } = example()
    const third = batches[3] as Layout
    for (let at = third.at; at < (batches[5] as Layout).at + BLOCK; at++) {
      const h = opened(image.subarray(0, at))
      expect(h.wal.recovered.last.index).toBe(lastBefore(batches, at))
    }
  }, 60_000)

  test('zeroed from every byte of the last three batches on', () => {
    const { image, batches } = example()
    const third = batches[3] as Layout
    for (let at = third.at; at < (batches[5] as Layout).at + BLOCK; at++) {
      const zeroed = image.slice().fill(0, at)
      expect(opened(zeroed).wal.recovered.last.index).toBe(lastBefore(batches, at))
    }
  }, 60_000)

  test('garbled at every byte of the last batch: it is gone, or only its padding was hit', () => {
    const { image, batches } = example()
    const last = batches[5] as Layout
    for (let at = last.at; at < last.at + BLOCK; at++) {
      const garbled = image.slice()
      garbled[at] = (garbled[at] as number) ^ 0x41
      const expected = at < last.end ? 5 : 6
      expect(opened(garbled).wal.recovered.last.index).toBe(expected)
    }
  }, 60_000)

  test('the cut is durable: nothing of it comes back after a power cut', () => {
    const { image, batches } = example()
    const last = batches[5] as Layout
    for (let at = last.at; at < last.end; at += 7) {
      const garbled = image.slice()
      garbled[at] = (garbled[at] as number) ^ 0x41
      const h = opened(garbled)
      h.crash()
      expect(
        h.disk
          .bytes(FILE)
          .subarray(last.at)
          .every((byte) => byte === 0),
      ).toBe(true)
      expect(h.open().recovered.last.index).toBe(5)
    }
  })

  test('a cut inside a torn batch, restarted, written and cut again never revives the old one', () => {
    const { image, batches } = example()
    const big = batches[4] as Layout // Over two blocks; behind it lies the batch of entry 6.
    for (const tear of [big.at + 1, big.at + HEADER, big.at + BLOCK, big.at + BLOCK + 9]) {
      // The kernel wrote all pages but some of the torn batch; the one behind it is whole. It
      // was written before its predecessor was durable, as its durableUpTo says.
      const torn = image.slice()
      torn.fill(0, tear, big.end)
      torn.fill(0, (batches[5] as Layout).at)
      const h = opened(torn)
      expect(h.wal.recovered.last.index).toBe(4)

      h.write([bigEntry(5, 1, 4_499)]) // Of the same length in blocks, other bytes.
      h.settle()
      const again = h.disk.bytes(FILE)
      for (const cut of [big.at + 2, big.at + HEADER + 5, big.at + BLOCK, big.at + BLOCK + 3]) {
        expect(opened(again.slice().fill(0, cut)).wal.recovered.last.index).toBe(4)
        expect(opened(again.subarray(0, cut)).wal.recovered.last.index).toBe(4)
      }
    }
  })

  test('valid batches behind the torn one are cut with it where none of them was durable', () => {
    const h = new Harness()
    h.open()
    h.write(run(1, 2, 0))
    h.settle()
    h.write(run(3, 3, 0)) // Written, its fdatasync under way …
    h.wal.setClusterId('c-1') // … and a batch right behind it.
    const image = h.disk.bytes(FILE)
    image.fill(0xee, 2 * BLOCK, 2 * BLOCK + 30)

    const again = opened(image)

    expect(again.wal.recovered.last.index).toBe(2)
    expect(again.wal.identity.clusterId).toBeNull()
    expect(
      again.disk
        .bytes(FILE)
        .subarray(2 * BLOCK)
        .every((byte) => byte === 0),
    ).toBe(true)
    // The same place is filled again, and cut again: the old batch behind it stays dead.
    again.write(run(3, 3, 0))
    again.settle()
    const cut = again.disk.bytes(FILE)
    expect(opened(cut).wal.identity.clusterId).toBeNull()
    expect(opened(cut.fill(0, 2 * BLOCK + 10)).wal.recovered.last.index).toBe(2)
  })

  test('after a cut the log goes on and keeps what it then holds', () => {
    const { image, batches } = example()
    for (let at = (batches[4] as Layout).at; at < (batches[5] as Layout).end; at += 211) {
      const h = opened(image.subarray(0, at))
      const last = h.wal.recovered.last.index
      h.write(run(last + 1, last + 3, 2), hard(2))
      h.settle()
      h.crash()
      expect(h.open().recovered.last).toEqual({ index: last + 3, term: 2 })
    }
  })
})

describe('damage before the end of what was durable', () => {
  test('garbled at every byte of a middle batch: refused, nothing changed', () => {
    const { image, batches } = example()
    const middle = batches[2] as Layout
    for (let at = middle.at; at < middle.end; at++) {
      const garbled = image.slice()
      garbled[at] = (garbled[at] as number) ^ 0x41
      const error = expectRefused(garbled)
      expect(error.file).toBe(FILE)
      expect(error.offset).toBe(middle.at)
    }
  }, 60_000)

  test('garbled at every byte of the batch before the last: refused', () => {
    const { image, batches } = example()
    const big = batches[4] as Layout
    for (let at = big.at; at < big.end; at++) {
      const garbled = image.slice()
      garbled[at] = (garbled[at] as number) ^ 0x41
      expect(expectRefused(garbled).offset).toBe(big.at)
    }
  }, 60_000)

  test('a zeroed page in the middle, and the first batch of all: refused', () => {
    const { image, batches } = example()
    for (const batch of batches.slice(0, 5)) {
      expect(expectRefused(image.slice().fill(0, batch.at, batch.at + BLOCK)).offset).toBe(batch.at)
    }
  })

  test('says what it found and how to rejoin', () => {
    const { image, batches } = example()
    const middle = batches[2] as Layout
    image[middle.end - 1] = (image[middle.end - 1] as number) ^ 1

    const error = expectRefused(image)

    expect(error.expected).toMatch(/^checksum 0x[0-9a-f]{8}$/)
    expect(error.actual).toMatch(/^0x[0-9a-f]{8}$/)
    expect(error.message).toContain(`${FILE} at byte ${middle.at}`)
    expect(error.message).toContain('move its data directory away')
  })

  test('the last batch is no torn tail where the database has applied its entry', () => {
    const { image, batches } = example()
    const last = batches[5] as Layout
    image[last.end - 1] = (image[last.end - 1] as number) ^ 1
    const h = new Harness()
    h.disk.plant(FILE, image)

    expect(() => h.open({ appliedIndex: 6 })).toThrow(WalDamaged)
    expect(sameBytes(h.disk.bytes(FILE), image)).toBe(true)
    expect(h.open({ appliedIndex: 5 }).recovered.last.index).toBe(5)
  })
})
