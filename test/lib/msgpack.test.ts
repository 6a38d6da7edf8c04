import { describe, expect, test } from 'bun:test'
import { Decoder, Encoder } from '@msgpack/msgpack'
import * as fc from 'fast-check'
import { CONTAINERS_MAX, decode, DEPTH_MAX, encode, MsgpackError } from '../../src/lib/msgpack.ts'

const hex = (text: string) => Uint8Array.fromHex(text.replaceAll(' ', ''))

const text = fc.string({ unit: 'binary', maxLength: 300 })
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(null, true, false),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true }).filter((n) => !Object.is(n, -0)),
    text,
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(
      text.filter((key) => key !== '__proto__'),
      tie('value'),
      { maxKeys: 20, noNullPrototype: true },
    ),
  ),
}))

/** `levels` arrays around `core`. */
function nested(levels: number, core: unknown): unknown {
  let value = core
  for (let i = 0; i < levels; i++) value = [value]
  return value
}

describe('encode() and decode()', () => {
  test('give back what went in', () => {
    fc.assert(
      fc.property(value, (given) => {
        expect(decode(encode(given))).toEqual(given)
      }),
      { numRuns: 500 },
    )
  })

  test('read what others write, in every form that a number can have', () => {
    const reference = new Decoder()
    for (const forms of [{}, { forceFloat32: true }, { forceIntegerToFloat: true }]) {
      const encoder = new Encoder(forms)
      fc.assert(
        fc.property(value, (given) => {
          const bytes = encoder.encode(given)
          expect(decode(bytes)).toEqual(reference.decode(bytes))
        }),
        { numRuns: 300 },
      )
    }
  })

  test.each([
    'cc ff',
    'cd ffff',
    'ce ffffffff',
    'cf 001fffffffffffff',
    'd0 80',
    'd1 8000',
    'd2 80000000',
    'd3 ffe0000000000001',
    'd3 ffffffffffffffff',
    'ca 3fc00000',
    'cb 3ff8000000000000',
    'e0',
    'ff',
    'd9 02 c3a9',
    'da 0001 61',
    'db 00000001 61',
    'c4 01 07',
    'c5 0001 07',
    'c6 00000001 07',
    'dc 0001 c2',
    'dd 00000001 c3',
    'de 0001 a161 c0',
    'df 00000001 a161 c0',
    '80',
    '90',
    'a0',
  ])('read %s as others do', (bytes) => {
    expect(decode(hex(bytes))).toEqual(new Decoder().decode(hex(bytes)))
  })

  test('write the bytes of the specification', () => {
    expect(encode([1, -1, null, 'a', new Uint8Array([7])])).toEqual(hex('95 01 ff c0 a161 c401 07'))
    expect(encode({ a: 300 })).toEqual(hex('81 a161 cd012c'))
    expect(encode(Number.MAX_SAFE_INTEGER)).toEqual(hex('cf 001fffffffffffff'))
    expect(decode(hex('d3 ffe0000000000001'))).toBe(Number.MIN_SAFE_INTEGER)
  })

  test('survive a value far larger than the encoder keeps room for', () => {
    const large = new Uint8Array(3 << 20).fill(9)

    expect(decode(encode([large]))).toEqual([large])
    expect(decode(encode([1]))).toEqual([1])
  })

  test('agree on the depth that they allow', () => {
    const deepest = nested(DEPTH_MAX - 1, 1)

    expect(decode(encode(deepest))).toEqual(deepest)
    expect(() => encode(nested(DEPTH_MAX, 1))).toThrow(MsgpackError)
    expect(() => decode(new Uint8Array(DEPTH_MAX).fill(0x91))).toThrow(MsgpackError)
    expect(() => decode(new Uint8Array([...new Uint8Array(DEPTH_MAX).fill(0x91), 1]))).toThrow(
      /deeper/,
    )
  })
})

describe('encode() refuses', () => {
  const cases: readonly (readonly [string, unknown])[] = [
    ['undefined', undefined],
    ['undefined inside', [undefined]],
    ['a bigint', [1n]],
    ['a function', () => 1],
    ['a date', new Date(0)],
    ['a map', new Map()],
    ['half a surrogate pair', '\ud800'],
    ['half a surrogate pair as a key', { ['\udc00']: 1 }],
    ['a key __proto__', JSON.parse('{"__proto__": 1}')],
  ]
  test.each(cases)('%s', (_, value) => {
    expect(() => encode(value)).toThrow(MsgpackError)
  })
})

describe('decode() refuses', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['nothing', ''],
    ['an array bomb', 'dd 07ffffff'],
    ['a larger array bomb', 'dd ffffffff'],
    ['a map bomb', 'df 07ffffff'],
    ['a map with too few values', '82 a161 01 a162'],
    ['a string bomb', 'db ffffffff'],
    ['a bin bomb', 'c6 ffffffff 00'],
    ['a bomb inside', '92 01 dd 7fffffff'],
    ['a length that is cut', 'dd 07ff'],
    ['a scalar that is cut', 'cb 00000000'],
    ['bytes after the value', '01 01'],
    ['uint64 2^53', 'cf 0020000000000000'],
    ['uint64 max', 'cf ffffffffffffffff'],
    ['int64 −2^53', 'd3 ffe0000000000000'],
    ['int64 min', 'd3 8000000000000000'],
    ['the reserved type', 'c1'],
    ['ext', 'c7 01 05 00'],
    ['fixext', 'd4 05 00'],
    ['a timestamp', 'd6 ff 00000000'],
    ['a number as a key', '81 01 01'],
    ['a key __proto__', '81 a9 5f5f70726f746f5f5f 80'],
    ['bad UTF-8', 'a2 c328'],
    ['a string cut inside a letter', '92 a1 c3 a1 a9'],
  ]
  test.each(cases)('%s', (_, bytes) => {
    expect(() => decode(hex(bytes))).toThrow(MsgpackError)
  })

  test('a declared length before it looks at what follows', () => {
    expect(() => decode(hex('dd 07ffffff'))).toThrow('more values than there are bytes')
    expect(() => decode(hex('df 00000002 a161 01'))).toThrow('more values than there are bytes')
    expect(() => decode(hex('92 c6 00000003 0000'))).toThrow('more bytes than there are')
  })

  test('more containers than its bound', () => {
    const bytes = new Uint8Array(5 + CONTAINERS_MAX).fill(0x90)
    bytes.set(hex('dd 00040000'))

    expect(() => decode(bytes)).toThrow(/more than/)
  })

  test('anything else with its own error, whatever the bytes', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      // Mostly valid: one byte of a good text is changed.
      fc.tuple(value, fc.nat(), fc.nat(255)).map(([given, at, byte]) => {
        const bytes = encode(given)
        bytes[at % bytes.length] = byte
        return bytes
      }),
    )
    fc.assert(
      fc.property(bytes, (bytes) => {
        try {
          encode(decode(bytes)) // What it accepts, it can write again.
        } catch (error) {
          expect(error).toBeInstanceOf(MsgpackError)
        }
      }),
      { numRuns: 3_000 },
    )
  })

  test('every truncation of a good text', () => {
    const bytes = encode([1, 'four', { key: [true, null, 70_000, -5.5] }, new Uint8Array(40)])

    for (let length = 0; length < bytes.length; length++) {
      expect(() => decode(bytes.subarray(0, length))).toThrow(MsgpackError)
    }
  })
})
