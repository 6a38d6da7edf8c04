import { expect, test } from 'bun:test'

import { Drain } from '../../src/lib/drain.ts'

test('what is done at once is inside no longer, whether it answers or throws', async () => {
  const drain = new Drain()
  expect(drain.run(() => 1)).toBe(1)
  expect(() =>
    drain.run(() => {
      throw new Error('no')
    }),
  ).toThrow('no')
  await drain.close()
  expect(drain.closed).toBe(true)
})

test('the end waits for what is under way, however it ends', async () => {
  const drain = new Drain()
  const one = Promise.withResolvers<number>()
  const other = Promise.withResolvers<number>()
  const results = [drain.run(() => one.promise), drain.run(() => other.promise)]
  const settled = Promise.allSettled(results)
  let isClosed = false
  const closed = drain.close().then(() => (isClosed = true))

  one.resolve(7)
  await results[0]
  expect(isClosed).toBe(false)
  other.reject(new Error('lost'))
  await closed

  expect((await settled).map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
})
