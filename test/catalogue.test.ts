import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Every test's name stands in a source; templates in it match anything. */
const sources = [...new Bun.Glob('**/*.test.ts').scanSync(import.meta.dirname)].map((file) =>
  readFileSync(join(import.meta.dirname, file), 'utf8'),
)
const readme = readFileSync(join(import.meta.dirname, 'README.md'), 'utf8')
const rows = readme.split('\n').filter((line) => /^\| [^|-]+ \|/.test(line) && line.includes('`'))

test.each(rows)('catalogue: %s', (row) => {
  for (const [, name = ''] of row.matchAll(/`([^`]+)`/g)) {
    if (!/[ :]/.test(name.trim())) continue // A folder or a file.
    const found = sources.some((source) => source.includes(name))
    expect(found, `a test whose name holds "${name}"`).toBe(true)
  }
})

test('catalogue: every one of the 60 scenarios has a row', () => {
  const numbers = [...readme.matchAll(/^\| (\d+)(?:–(\d+))? *\|/gm)].flatMap(([, from, to]) => {
    const first = Number(from)
    return Array.from({ length: Number(to ?? from) - first + 1 }, (_, i) => first + i)
  })

  expect(numbers).toEqual(Array.from({ length: 60 }, (_, i) => i + 1))
})
