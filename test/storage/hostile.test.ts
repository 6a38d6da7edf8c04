import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { crc32 } from '../../src/lib/crc32.ts'
import { WalDamaged, WalMismatch } from '../../src/storage/mod.ts'
import { bigEntry, BLOCK, hard, Harness, run, SEGMENT } from './harness.ts'

const FIRST = 'wal-0000000001.log'

/** Two segments and one in reserve, of known bytes. */
function files(): Map<string, Uint8Array> {
  const h = new Harness()
  h.open()
  h.write(run(1, 3, 1), hard(1))
  h.settle()
  for (let index = 4; index <= 9; index++) h.write([bigEntry(index, 1, 5_000)])
  h.settle()
  h.allocate()
  return h.disk.image()
}

const IMAGE = files()

/** Opens any directory: it works, or says in our words why not. A log that opens can be used. */
function expectTyped(image: ReadonlyMap<string, Uint8Array>): void {
  const h = new Harness()
  for (const [name, bytes] of image) h.disk.plant(name, bytes)
  try {
    h.open()
  } catch (error) {
    if (error instanceof WalDamaged || error instanceof WalMismatch) return
    throw error
  }
  h.entries()
  const { last, hardState } = h.wal.recovered
  h.write(run(last.index + 1, last.index + 1, hardState.term))
  h.settle()
  h.allocate()
  expect(h.failures).toEqual([])
  h.crash()
  expect(h.open().recovered.last.index).toBe(last.index + 1)
}

/** Makes the batch at `at` valid again after its bytes were changed. */
function reseal(bytes: Uint8Array, at: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at)
  const length = Math.min(view.getUint32(12, true), bytes.length - at - 48)
  view.setUint32(4, crc32(bytes.subarray(at + 8, at + 48 + length)), true)
}

describe('hostile content', () => {
  test('any bytes under the name of a segment', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 9_000 }), fc.boolean(), (bytes, magic) => {
        const file = bytes.slice()
        if (magic && file.length > 48) {
          file.set([0x52, 0x43, 0x57, 0x42])
          reseal(file, 0)
        }
        expectTyped(new Map([[FIRST, file]]))
      }),
    )
  })

  test('bytes changed anywhere in a log of several segments', () => {
    const change = fc.record({
      file: fc.nat({ max: IMAGE.size - 1 }),
      at: fc.nat({ max: SEGMENT - 1 }),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 20 }),
    })
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const image = new Map([...IMAGE].map(([name, bytes]) => [name, bytes.slice()]))
        const all = [...image.values()]
        for (const { file, at, bytes } of changes) {
          all[file]?.set(bytes.subarray(0, SEGMENT - at), at)
        }
        expectTyped(image)
      }),
      { numRuns: 300 },
    )
  })

  test('fields and records changed under a checksum that fits', () => {
    const blocks = [0, 1, 2, 4]
    fc.assert(
      fc.property(
        fc.constantFrom(...blocks),
        fc.nat({ max: 200 }),
        fc.uint8Array({ minLength: 1, maxLength: 9 }),
        (block, offset, bytes) => {
          const image = new Map(IMAGE)
          const file = (IMAGE.get(FIRST) as Uint8Array).slice()
          file.set(bytes, block * BLOCK + offset)
          reseal(file, block * BLOCK)
          image.set(FIRST, file)
          expectTyped(image)
        },
      ),
      { numRuns: 500 },
    )
  })

  test('segments shuffled, cut, copied and removed', () => {
    const names = [...IMAGE.keys()]
    const plan = fc.array(
      fc.record({
        from: fc.nat({ max: names.length - 1 }),
        to: fc.integer({ min: 1, max: 6 }),
        length: fc.nat({ max: SEGMENT }),
      }),
      { maxLength: 5 },
    )
    fc.assert(
      fc.property(plan, (steps) => {
        const image = new Map(IMAGE)
        for (const { from, to, length } of steps) {
          const bytes = IMAGE.get(names[from] as string) as Uint8Array
          image.set(`wal-000000000${to}.log`, bytes.subarray(0, length))
        }
        expectTyped(image)
      }),
      {
        numRuns: 200,
        // A first segment cut to the bytes of its only batch, with an empty one behind it.
        examples: [
          [
            [
              { from: 0, to: 2, length: 0 },
              { from: 0, to: 1, length: 137 },
            ],
          ],
        ],
      },
    )
  })

  test("a client's value that looks like a batch does not speak for the log", () => {
    const h = new Harness()
    h.open()
    h.write(run(1, 1, 0))
    h.settle()
    // A block-aligned copy of a real batch with a huge durableUpTo, inside a value.
    const value = new Uint8Array(3 * BLOCK).fill(1)
    const forged = h.disk.bytes(FIRST).slice(BLOCK, 2 * BLOCK)
    new DataView(forged.buffer).setUint32(28, 0x1234_5678, true) // It does not know the salt.
    new DataView(forged.buffer).setUint32(32, 1_000, true)
    reseal(forged, 0)
    const headers = 48 + 5 + 8 + 29 // Of batch, record, first index and entry.
    value.set(forged, BLOCK - headers)
    h.write([{ ...bigEntry(2, 0, 0), data: value }])
    h.settle()
    const image = h.disk.bytes(FIRST)
    expect([...image.subarray(3 * BLOCK, 3 * BLOCK + 4)]).toEqual([0x52, 0x43, 0x57, 0x42])
    image.fill(0, 2 * BLOCK, 3 * BLOCK) // The first page of the batch was never written.

    const again = new Harness()
    again.disk.plant(FIRST, image)
    expect(again.open().recovered.last.index).toBe(1)
  })
})
