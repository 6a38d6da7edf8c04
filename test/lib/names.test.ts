import { expect, test } from 'bun:test'

import { keyProblem, nameProblem, prefixProblem } from '../../src/lib/names.ts'

test.each(['a', 'web-1', 'A.b_c:d@e~f+g', '...', '.hidden', 'x'.repeat(128)])(
  'nameProblem() has nothing against %s',
  (name) => {
    expect(nameProblem(name)).toBeNull()
  },
)

test.each([
  ['', 'empty'],
  ['x'.repeat(129), 'longer than 128'],
  ['a b', 'U+0020'],
  ['a/b', 'U+002F'],
  ['a%b', 'U+0025'],
  ['a\u0000', 'U+0000'],
  ['a\n', 'U+000A'],
  ['e\u0301', 'U+0301'],
  ['é', 'U+00E9'],
  ['💥', 'U+1F4A5'],
  ['.', 'dot segment'],
  ['..', 'dot segment'],
] as const)('nameProblem() of %j says "%s"', (name, problem) => {
  expect(nameProblem(name)).toContain(problem)
})

test.each(['app/db/url', 'a', 'app/.env', 'a/...', 'k'.repeat(512)])(
  'keyProblem() has nothing against %s',
  (key) => {
    expect(keyProblem(key)).toBeNull()
  },
)

test.each([
  ['', 'empty'],
  ['/a', 'empty segment'],
  ['a//b', 'empty segment'],
  ['a/', 'end in "/"'],
  ['a/../b', 'dot segment'],
  ['./a', 'dot segment'],
  ['a/..', 'dot segment'],
  ['k'.repeat(513), 'longer than 512'],
  ['a\\b', 'U+005C'],
] as const)('keyProblem() of %j says "%s"', (key, problem) => {
  expect(keyProblem(key)).toContain(problem)
})

test.each(['', 'app/', 'app', 'app/.', 'app/..'])('prefixProblem() allows "%s"', (prefix) => {
  expect(prefixProblem(prefix)).toBeNull()
})

test.each(['/', 'a//', '../a', 'a b'])('prefixProblem() refuses "%s"', (prefix) => {
  expect(prefixProblem(prefix)).not.toBeNull()
})
