import { expect, test } from 'bun:test'
import { putRequest, rangeRequest, varint } from './grpc.ts'

/** Spaces are for the eye. */
const bytes = (hex: string): Uint8Array => Uint8Array.fromHex(hex.replaceAll(' ', ''))

test('varint() puts seven bits into a byte, the lowest first', () => {
  const known: readonly (readonly [number, readonly number[]])[] = [
    [0, [0x00]],
    [127, [0x7f]],
    [128, [0x80, 0x01]],
    [200, [0xc8, 0x01]],
    [16_383, [0xff, 0x7f]],
    [16_384, [0x80, 0x80, 0x01]],
    [2 ** 32, [0x80, 0x80, 0x80, 0x80, 0x10]],
  ]

  for (const [value, encoded] of known) expect(varint(value)).toEqual([...encoded])
})

test('putRequest() is a message of gRPC with key and value', () => {
  // Not compressed, 8 bytes: field 1 of 3 bytes, then field 2 of 1 byte.
  expect(putRequest({ key: 'a/b', value: 'x' })).toEqual(bytes('0000000008 0a03612f62 120178'))
})

test('putRequest() of a value of 200 bytes has a length of two', () => {
  const request = putRequest({ key: 'k', value: 'x'.repeat(200) })

  expect(request.length).toBe(5 + 3 + 3 + 200)
  expect(request.subarray(0, 11)).toEqual(bytes('00000000ce 0a016b 12c801'))
})

test('putRequest() counts bytes, not characters', () => {
  expect(putRequest({ key: 'é', value: '' })).toEqual(bytes('0000000006 0a02c3a9 1200'))
})

test('rangeRequest() asks for one key, or for those before its end', () => {
  expect(rangeRequest({ key: 'a' })).toEqual(bytes('0000000003 0a0161'))
  expect(rangeRequest({ key: 'a', end: 'b' })).toEqual(bytes('0000000006 0a0161 120162'))
})
