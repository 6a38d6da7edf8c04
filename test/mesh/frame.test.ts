import { expect, test } from 'bun:test'
import { FrameError, decodeFrame, encodeFrame, PROTOCOL_VERSION } from '../../src/mesh/frame.ts'

const payload = new TextEncoder().encode('twelve bytes')
const MAX = 1_000

test('decodeFrame() gives back what encodeFrame() was given, from any place in a buffer', () => {
  const frame = encodeFrame('messages', [payload.subarray(0, 5), payload.subarray(5)])
  const buffer = new Uint8Array(frame.length + 7)
  buffer.set(frame, 7)

  const decoded = decodeFrame(buffer.subarray(7), MAX)

  expect(decoded).toEqual({ version: PROTOCOL_VERSION, type: 'messages', payload })
})

test('encodeFrame() writes the documented header', () => {
  const frame = encodeFrame('ping', [])

  expect(frame.subarray(0, 8)).toEqual(new Uint8Array([0x52, 0x63, 1, 6, 0, 0, 0, 0]))
  expect(frame.length).toBe(12)
})

test('decodeFrame() refuses every frame with one flipped bit', () => {
  for (const type of ['hello', 'refuse', 'messages', 'ping'] as const) {
    const frame = encodeFrame(type, [payload])
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const damaged = frame.slice()
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(() => decodeFrame(damaged, MAX)).toThrow(FrameError)
    }
  }
})

test('decodeFrame() refuses every truncation and anything appended', () => {
  const frame = encodeFrame('messages', [payload])

  for (let length = 0; length < frame.length; length++) {
    expect(() => decodeFrame(frame.subarray(0, length), MAX)).toThrow(FrameError)
  }
  expect(() => decodeFrame(new Uint8Array([...frame, 0]), MAX)).toThrow(FrameError)
})

test('decodeFrame() refuses a length over the bound before it looks at anything else', () => {
  const frame = encodeFrame('messages', [payload])
  new DataView(frame.buffer).setUint32(4, 0xffff_ffff)

  expect(() => decodeFrame(frame, MAX)).toThrow('a frame over 1000 bytes')
  expect(() => decodeFrame(encodeFrame('messages', [payload]), 11)).toThrow('over 11 bytes')
})

test('decodeFrame() reads hello and refuse of other versions, and nothing else of them', () => {
  expect(decodeFrame(encodeFrame('hello', [payload], 9), MAX).version).toBe(9)
  expect(decodeFrame(encodeFrame('refuse', [payload], 9), MAX).version).toBe(9)
  expect(() => decodeFrame(encodeFrame('proof', [payload], 9), MAX)).toThrow('another version')
  expect(() => decodeFrame(encodeFrame('messages', [payload], 9), MAX)).toThrow('another version')
})
