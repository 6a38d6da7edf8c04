import { expect, test } from 'bun:test'
import { fewer, putsMissing } from './loaders.ts'

test('fewer() finds fault only below the least', () => {
  expect(fewer('writes done', { found: 10, least: 10 })).toEqual([])
  expect(fewer('writes done', { found: 9, least: 10 })).toEqual([
    'writes done: 9, and there must be 10',
  ])
})

test('fewer() takes no number for none', () => {
  expect(fewer('writes done', { found: Number.NaN, least: 0 })).toHaveLength(1)
})

test('putsMissing() wants each answered put, and none that was not sent', () => {
  const load = { count: 100, started: 164 }

  // Those in flight at the end may have been written or not.
  for (const grown of [100, 132, 164]) expect(putsMissing(load, grown)).toEqual([])
  expect(putsMissing(load, 99)).toEqual(['writes done: 99, and there must be 100'])
  expect(putsMissing(load, 165)).toEqual(['etcd wrote 165, and only 164 were sent'])
})
