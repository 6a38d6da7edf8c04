import { expect, test } from 'bun:test'
import { fitted, table, widthOf } from '../../src/cli/text.ts'

test.each([
  ['abc', 3],
  ['é', 1],
  ['e\u0301', 1], // The mark stands over its letter.
  ['漢字', 4],
  ['🙂', 2],
  ['', 0],
] as const)('widthOf(%p) is %p columns', (text, columns) => {
  expect(widthOf(text)).toBe(columns)
})

test('table() aligns what is wide with what is narrow', () => {
  expect(
    table([
      ['漢字', 'x'],
      ['ab', 'y'],
    ]),
  ).toBe('漢字  x\nab    y')
})

test('fitted() cuts the widest column, and says so; without a width it cuts nothing', () => {
  const rows = [
    ['KEY', 'COMMENT'],
    ['app/motd', 'a comment that is much too long for this terminal'],
  ]

  expect(fitted(rows, null)).toEqual(rows)
  expect(fitted(rows, 80)).toEqual(rows)
  expect(fitted(rows, 30)).toEqual([
    ['KEY', 'COMMENT'],
    ['app/motd', 'a comment that is m…'],
  ])
  for (const line of table(fitted(rows, 30)).split('\n'))
    expect(widthOf(line)).toBeLessThanOrEqual(30)
})
