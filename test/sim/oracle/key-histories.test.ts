import { expect, test } from 'bun:test'
import { KEY_RULES, type Outcome } from '../../../src/state/mod.ts'
import { History } from './history.ts'
import { KeyHistories, type KeyWrite } from './key-histories.ts'

const put = (by: string): KeyWrite => ({
  type: 'config_put',
  ns: 'default',
  key: 'k1',
  contentType: 'text/plain',
  value: new TextEncoder().encode(by),
  comment: null,
  by,
  lease: null,
  expect: null,
})
const done: Outcome = { ok: true, revision: 1, created: true, result: null }
const nothing = new History(() => {}, KEY_RULES)

function written(...writes: readonly (readonly [string, number, number])[]): KeyHistories {
  const keys = new KeyHistories()
  for (const [by, from, to] of writes) keys.answered(keys.begun(put(by), from), done, to)
  return keys
}

test('sim: a key is read as some order of its writes leaves it', () => {
  const keys = written(['a', 0, 10], ['b', 5, 15])
  keys.read('k1', { version: 2, by: 'a' }, 20, 21)
  keys.settle(nothing)

  expect(keys.counts['keys searched']).toBe(1)
})

test('sim: a stale read of a key has no place in any order', () => {
  const keys = written(['a', 0, 10], ['b', 12, 15])
  keys.read('k1', { version: 1, by: 'a' }, 20, 21)

  expect(() => keys.settle(nothing)).toThrow('k1')
})

test('sim: a write that was refused for certain is seen by nobody', () => {
  const keys = new KeyHistories()
  keys.refused(keys.begun(put('a'), 0))
  keys.read('k1', { version: 1, by: 'a' }, 20, 21)

  expect(() => keys.settle(nothing)).toThrow('k1')
})
