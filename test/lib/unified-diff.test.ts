import { expect, test } from 'bun:test'
import { array, assert, constantFrom, property } from 'fast-check'
import { unifiedDiff } from '../../src/lib/unified-diff.ts'

const diff = (a: string, b: string) => unifiedDiff({ name: 'a', text: a }, { name: 'b', text: b })

test('unifiedDiff() of equal texts is nothing', () => {
  expect(diff('', '')).toBe('')
  expect(diff('x\n', 'x\n')).toBe('')
})

test('unifiedDiff() shows a change with three lines around it', () => {
  const before = '1\n2\n3\n4\n5\n6\n7\n8\n9\n'

  expect(diff(before, before.replace('5', 'five'))).toBe(
    '--- a\n+++ b\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n',
  )
})

test('unifiedDiff() names an empty side by the line before it', () => {
  expect(diff('', 'x\n')).toBe('--- a\n+++ b\n@@ -0,0 +1,1 @@\n+x\n')
  expect(diff('x\n', '')).toBe('--- a\n+++ b\n@@ -1,1 +0,0 @@\n-x\n')
})

test('unifiedDiff() keeps what is far apart in hunks of their own', () => {
  const lines = Array.from({ length: 30 }, (_, i) => `${i + 1}`)
  const after = lines.with(2, 'x').with(25, 'y')
  const hunks = diff(`${lines.join('\n')}\n`, `${after.join('\n')}\n`).match(/^@@.*$/gm)

  expect(hunks).toEqual(['@@ -1,6 +1,6 @@', '@@ -23,7 +23,7 @@'])
})

test('unifiedDiff() tells a missing line end from one that is there', () => {
  expect(diff('x', 'x\n')).toBe(
    '--- a\n+++ b\n@@ -1,1 +1,1 @@\n-x\n\\ No newline at end of file\n+x\n',
  )
})

test('unifiedDiff() leaves lines alone that look like its header', () => {
  expect(diff('-- x\t\n', '++ y\t\n')).toBe('--- a\n+++ b\n@@ -1,1 +1,1 @@\n--- x\t\n+++ y\t\n')
})

test('unifiedDiff() of texts that are too far apart replaces all', () => {
  const [gone, come] = ['a', 'b'].map((name) =>
    Array.from({ length: 6_000 }, (_, i) => `${name}${i}`).join('\n'),
  )
  const lines = diff(`${gone}\n`, come ?? '').split('\n')

  expect(lines.slice(2, 4)).toEqual(['@@ -1,6000 +1,6000 @@', '-a0'])
  expect(lines.slice(-3)).toEqual(['+b5999', '\\ No newline at end of file', ''])
  expect(lines).toHaveLength(3 + 12_000 + 2)
})

const texts = array(constantFrom('a', 'b', 'c', ''), { maxLength: 40 }).map((lines) =>
  lines.map((line) => `${line}\n`).join(''),
)

test('unifiedDiff() turns one text into the other, with the fewest lines', () => {
  assert(
    property(texts, texts, (a, b) => {
      const lines = diff(a, b).split('\n').slice(2, -1)

      expect(patched(a, lines)).toBe(b)
      const edits = lines.filter((line) => /^[-+]/.test(line)).length
      const [before, after] = [linesOf(a), linesOf(b)]
      expect(edits).toBe(before.length + after.length - 2 * common(before, after))
    }),
    { numRuns: 500 },
  )
})

function linesOf(text: string): readonly string[] {
  return text.split('\n').slice(0, -1)
}

/** What patch(1) does, believing the numbers of the hunks. */
function patched(text: string, lines: readonly string[]): string {
  const from = linesOf(text)
  const to: string[] = []
  let at = 0
  for (const line of lines) {
    const [, start = '', count = '1'] = /^@@ -(\d+)(?:,(\d+))? /.exec(line) ?? []
    if (start === '') {
      if (!line.startsWith('+')) expect(from[at++]).toBe(line.slice(1))
      if (!line.startsWith('-')) to.push(line.slice(1))
      continue
    }
    const first = count === '0' ? Number(start) : Number(start) - 1
    to.push(...from.slice(at, first))
    at = first
  }
  return [...to, ...from.slice(at)].map((line) => `${line}\n`).join('')
}

/** The length of the longest common subsequence, by the table. */
function common(a: readonly string[], b: readonly string[]): number {
  let last = Array.from({ length: b.length + 1 }, () => 0)
  for (const line of a) {
    const row = [0]
    for (const [j, other] of b.entries()) {
      const best = Math.max(last[j + 1] ?? 0, row[j] ?? 0)
      row.push(line === other ? (last[j] ?? 0) + 1 : best)
    }
    last = row
  }
  return last.at(-1) ?? 0
}
