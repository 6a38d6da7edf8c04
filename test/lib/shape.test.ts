import { expect, test } from 'bun:test'
import { shapeOf } from '../../src/lib/shape.ts'

interface Point {
  x: number
  label: string | null
}

test('values become the fields in the order of the names, and back', () => {
  const { make, values } = shapeOf<Point>(['label', 'x'])

  expect(make(['here', 3])).toEqual({ label: 'here', x: 3 })
  expect(Object.keys(make([null, 1]))).toEqual(['label', 'x'])
  expect(values({ x: 3, label: 'here' })).toEqual(['here', 3])
  expect(values(make([null, 1]))).toEqual([null, 1])
})

test('a shape without fields is an empty object', () => {
  const { make, values } = shapeOf<object>([])
  expect(make([])).toEqual({})
  expect(values({})).toEqual([])
})

test('a name that is no plain identifier never becomes source', () => {
  for (const name of ['', 'a b', 'a: 1', '__proto__', '1st', 'a}', 'größe']) {
    expect(() => shapeOf([name as never])).toThrow('plain name')
  }
  expect(() => shapeOf<Point>(['x', 'x'])).toThrow('once')
})
