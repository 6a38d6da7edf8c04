import { expect, test } from 'bun:test'
import { assert, property, uint8Array } from 'fast-check'
import { fromBase64, fromBase64Url, toBase64, toBase64Url } from '../../src/lib/base64.ts'

/** The prototype of bytes on Node before 25. */
const OLDER = new Proxy(Uint8Array.prototype, {
  has: (target, name) => name !== 'toBase64' && Reflect.has(target, name),
})

test('toBase64() is the standard alphabet, with and without a native one', () => {
  assert(
    property(uint8Array({ maxLength: 20_000 }), (bytes) => {
      const expected = Buffer.from(bytes).toString('base64')
      const older = Object.setPrototypeOf(Uint8Array.from(bytes), OLDER) as Uint8Array
      expect(toBase64(bytes)).toBe(expected)
      expect('toBase64' in older).toBe(false)
      expect(toBase64(older)).toBe(expected)
    }),
    { numRuns: 50 },
  )
})

test('toBase64Url() and fromBase64Url() are inverse, and safe in a URL', () => {
  assert(
    property(uint8Array({ maxLength: 100 }), (bytes) => {
      const text = toBase64Url(bytes)
      expect(text).toMatch(/^[A-Za-z0-9_-]*$/)
      expect(text).toBe(Buffer.from(bytes).toString('base64url'))
      expect(fromBase64Url(text)).toEqual(Uint8Array.from(bytes))
    }),
  )
})

test('fromBase64() undoes toBase64()', () => {
  assert(
    property(uint8Array({ maxLength: 100 }), (bytes) => {
      expect(fromBase64(toBase64(bytes))).toEqual(Uint8Array.from(bytes))
    }),
  )
  expect(fromBase64(' YQ\n ==')).toEqual(Uint8Array.of(97))
  for (const text of ['a', 'a-', 'ab_d', '====', 'é']) {
    expect([text, fromBase64(text)]).toEqual([text, null])
  }
})

test.each(['a', 'a+', 'a/b=', 'ab c', '====', 'é'])('fromBase64Url(%j) is null', (text) => {
  expect(fromBase64Url(text)).toBeNull()
})
