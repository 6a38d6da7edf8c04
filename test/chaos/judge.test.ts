/** The judge of chaos is judged: what each of its rules is for, and that it finds just that. */
import { expect, test } from 'bun:test'
import type { ConfigAnswer, ConfigCall } from '../support/config-history.ts'
import { judge } from './judge.ts'
import type { Consistency, Kind, Seen } from './seen.ts'

interface Bit {
  readonly at: readonly [number, number | null]
  readonly call: ConfigCall
  readonly answer: ConfigAnswer | null
  readonly revision: number | null
  readonly consistency?: Consistency
  readonly key?: string
  readonly kind?: Kind
}

function seen(bit: Bit): Seen {
  const { at, call, answer, revision, consistency = null, key = 'k', kind = 'config' } = bit
  const [called, returned] = at
  return {
    kind,
    key,
    client: 'c',
    node: 'n1',
    called,
    returned,
    call,
    answer,
    revision,
    consistency,
  }
}

const put = (value: string): ConfigCall => ({ type: 'put', value, expect: null })
const get: ConfigCall = { type: 'get' }
const found = (value: string, version: number): ConfigAnswer => ({ type: 'found', value, version })
const written = (version: number): ConfigAnswer => ({ type: 'written', version })

const A = seen({ at: [0, 1], call: put('a'), answer: written(1), revision: 10 })
const B = seen({ at: [2, 3], call: put('b'), answer: written(2), revision: 12 })

function read(
  at: readonly [number, number],
  answer: ConfigAnswer,
  revision: number,
  consistency: Consistency = 'lease',
): Seen {
  return seen({ at, call: get, answer, revision, consistency })
}

test('judge() finds nothing in a history that holds', () => {
  const history = [
    A,
    seen({ at: [1, null], call: put('lost'), answer: null, revision: null }),
    B,
    seen({
      at: [4, 5],
      call: { ...put('c'), expect: 1 } as ConfigCall,
      answer: { type: 'mismatch' },
      revision: 13,
    }),
    read([6, 7], found('b', 2), 13),
    read([8, 9], found('a', 1), 11, 'stale'),
    seen({
      at: [10, 11],
      call: { type: 'delete', expect: 2 },
      answer: { type: 'deleted' },
      revision: 14,
    }),
    read([12, 13], { type: 'not_found' }, 14, 'linearizable'),
  ]

  expect(judge(history)).toEqual([])
})

test('judge() finds an acknowledged write that a node does not hold in the end', () => {
  expect(judge([A, B, read([8, 9], found('a', 1), 12, 'linearizable')])).not.toEqual([])
  expect(judge([A, read([8, 9], { type: 'not_found' }, 12, 'linearizable')])).not.toEqual([])
})

test('judge() finds the value of a write that was refused', () => {
  expect(judge([A, read([4, 5], found('refused', 2), 12)])).not.toEqual([])
})

test('judge() finds a write that took effect twice', () => {
  expect(judge([A, read([4, 5], found('a', 2), 12)])).not.toEqual([])
})

test('judge() finds a stale lease read whose revision admits it, and one that lies about it', () => {
  expect(judge([A, B, read([4, 5], found('a', 1), 11)])).not.toEqual([])
  expect(judge([A, B, read([4, 5], found('a', 1), 12)])).not.toEqual([])
})

test('judge() finds a stale read that is not what stood at its revision', () => {
  expect(judge([A, B, read([4, 5], found('a', 1), 12, 'stale')])).not.toEqual([])
  expect(judge([A, B, read([4, 5], found('b', 2), 11, 'stale')])).not.toEqual([])
  expect(judge([A, B, read([4, 5], { type: 'not_found' }, 12, 'stale')])).not.toEqual([])
  expect(judge([A, B, read([4, 5], found('x', 1), 11, 'stale')])).not.toEqual([])
})

test('judge() finds revisions that go back over keys, and one that is given twice', () => {
  const other = { call: put('o'), answer: written(1), key: 'other' }

  expect(judge([A, B, seen({ ...other, at: [4, 5], revision: 11 })])).not.toEqual([])
  expect(judge([A, seen({ ...other, at: [0, 1], revision: 10 })])).not.toEqual([])
  expect(judge([A, seen({ ...other, at: [0, 1], revision: 11 })])).toEqual([])
})

test('judge() finds an answer without a revision', () => {
  expect(judge([{ ...A, revision: Number.NaN }])).not.toEqual([])
})

test('judge() knows instances, whose version is their revision', () => {
  const instance = { kind: 'instance', key: 'i' } as const
  const born = seen({ ...instance, at: [0, 1], call: put('a'), answer: written(10), revision: 10 })
  const unknown = seen({ ...instance, at: [1, null], call: put('b'), answer: null, revision: null })
  const look = (at: readonly [number, number], answer: ConfigAnswer, revision: number): Seen =>
    seen({ ...instance, at, call: get, answer, revision, consistency: 'lease' })

  expect(judge([born, unknown, look([2, 3], found('b', 12), 12)])).toEqual([])
  expect(judge([born, look([2, 3], found('a', 11), 12)])).not.toEqual([])
  expect(judge([born, look([2, 3], { type: 'not_found' }, 12)])).not.toEqual([])
  const back = look([4, 5], found('a', 10), 12)
  expect(judge([born, unknown, look([2, 3], found('b', 12), 12), back])).not.toEqual([])
})
