import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import {
  decodeEntries,
  encodeEntries,
  encodeEntriesInto,
  ENTRY_HEADER_BYTES,
  entryBytes,
  EntryCodecError,
} from '../../src/raft/entry-codec.ts'
import type { Entry } from '../../src/raft/types.ts'

const safeInt = fc.nat({ max: Number.MAX_SAFE_INTEGER })
const someEntries = fc
  .tuple(
    fc.integer({ min: 1, max: 2 ** 40 }),
    fc.array(
      fc.record({
        type: fc.constantFrom('noop' as const, 'command' as const, 'membership' as const),
        term: safeInt,
        clusterMs: safeInt,
        wallMs: safeInt,
        data: fc.uint8Array({ maxLength: 40 }),
      }),
      { maxLength: 6 },
    ),
  )
  .map(([first, bodies]): Entry[] => bodies.map((body, i) => ({ ...body, index: first + i })))

function noop(index: number): Entry {
  return { type: 'noop', term: 1, index, clusterMs: 0, wallMs: 0, data: new Uint8Array([7]) }
}

describe('entry codec', () => {
  test('decodeEntries() gives back what encodeEntries() was given', () => {
    fc.assert(
      fc.property(someEntries, (entries) => {
        expect(decodeEntries(encodeEntries(entries), entries[0]?.index ?? 1)).toEqual(entries)
      }),
    )
  })

  test('encodeEntries() lays an entry out as documented', () => {
    const data = new Uint8Array([0xaa, 0xbb])
    const entry = { type: 'command', term: 3, index: 9, clusterMs: 258, wallMs: 2 ** 32, data }

    const bytes = encodeEntries([entry as Entry])

    expect([...bytes]).toEqual(
      [
        [1],
        [3, 0, 0, 0, 0, 0, 0, 0],
        [2, 1, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 1, 0, 0, 0],
        [2, 0, 0, 0],
        [0xaa, 0xbb],
      ].flat(),
    )
    expect(bytes.length).toBe(ENTRY_HEADER_BYTES + 2)
  })

  test('encodeEntriesInto() writes a part into the middle of a buffer and nothing else', () => {
    const bytes = new Uint8Array(100).fill(0xee)

    const end = encodeEntriesInto([noop(1), noop(2), noop(3)], { bytes, at: 10, from: 1, to: 3 })

    expect(end).toBe(10 + 2 * entryBytes(noop(2)))
    expect(decodeEntries(bytes.subarray(10, end), 2)).toEqual([noop(2), noop(3)])
    expect(bytes.subarray(0, 10).every((byte) => byte === 0xee)).toBe(true)
    expect(bytes.subarray(end).every((byte) => byte === 0xee)).toBe(true)
  })

  test('decodeEntries() refuses every cut but those between entries', () => {
    const data = new Uint8Array([1, 2, 3])
    const entry: Entry = { type: 'noop', term: 1, index: 1, clusterMs: 0, wallMs: 0, data }
    const bytes = encodeEntries([entry, { ...entry, index: 2 }])

    for (let length = 0; length <= bytes.length; length++) {
      const decode = (): Entry[] => decodeEntries(bytes.subarray(0, length), 1)
      if (length % 32 === 0) expect(decode()).toHaveLength(length / 32)
      else expect(decode).toThrow(EntryCodecError)
    }
  })

  test('decodeEntries() refuses an unknown type, numbers that are no safe integers, huge lengths', () => {
    const data = new Uint8Array(0)
    const entry: Entry = { type: 'noop', term: 1, index: 1, clusterMs: 0, wallMs: 0, data }
    for (const at of [0, 7, 15, 23, 28]) {
      const bytes = encodeEntries([entry])
      bytes[at] = 0xff
      expect(() => decodeEntries(bytes, 1)).toThrow(EntryCodecError)
    }
  })

  test('decodeEntries() throws nothing but EntryCodecError on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeEntries(bytes, 1)
        } catch (error) {
          expect(error).toBeInstanceOf(EntryCodecError)
        }
      }),
    )
  })
})
