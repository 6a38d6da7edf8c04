import { afterAll, expect, test } from 'bun:test'
import type { ValueFormat, ValueJob } from '../../src/http/config/value-checks.ts'
import { ValueWorker } from '../../src/runtime/value-worker.ts'

const script = new URL('../../src/value-worker.ts', import.meta.url)
const worker = new ValueWorker({ script, budgetMs: 1_000 })

afterAll(() => worker.close())

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

function value(format: ValueFormat, text: string, ...schemas: readonly object[]): ValueJob {
  const texts = schemas.map((schema) => ({ prefix: 'p', schema: bytes(JSON.stringify(schema)) }))
  return { type: 'value', format, value: bytes(text), schemas: texts }
}

/** Every level is tried in twenty ways, none of which fits. */
const EXPONENTIAL = {
  $defs: {
    a: {
      type: 'array',
      items: { anyOf: Array.from({ length: 20 }, () => ({ $ref: '#/$defs/a' })) },
    },
  },
  $ref: '#/$defs/a',
}
const DEEP = `${'['.repeat(25)}1${']'.repeat(25)}`

test('a check that takes longer than it may is ended, and the next one is answered', async () => {
  const [hostile, next] = await Promise.all([
    worker.run(value('json', DEEP, EXPONENTIAL)),
    worker.run(value('json', '1', { type: 'integer' })),
  ])

  expect(hostile.type).toBe('too_long')
  expect(next.type).toBe('fine')
}, 30_000)

test('a pattern that would backtrack for ever is matched in linear time', async () => {
  const text = JSON.stringify(`${'a'.repeat(50_000)}b`)
  for (const pattern of ['^(a+)+$', '^(.*)(.*)(.*)(.*)x$', '^(a|a)*$']) {
    expect((await worker.run(value('json', text, { pattern }))).type).toBe('violates')
  }
  const fits = JSON.stringify('a'.repeat(50_000))
  expect((await worker.run(value('json', fits, { pattern: '^(a+)+$' }))).type).toBe('fine')
}, 30_000)

test('patterns are told apart', async () => {
  const schema = { properties: { a: { pattern: '^x$' }, b: { pattern: '^y$' } } }
  const verdict = await worker.run(value('json', '{"a":"x","b":"x"}', schema))

  expect(verdict).toMatchObject({ type: 'violates', issues: [{ path: '/b' }] })
}, 30_000)

test('aliases that stand for gigabytes, and values that nest without end, are refused', async () => {
  const rows = [...'bcdefghi'].map((name, i) => {
    return `${name}: &${name} [${Array(9).fill(`*${'abcdefghi'[i]}`).join(',')}]`
  })
  const bomb = ['a: &a [x,x,x,x,x,x,x,x,x]', ...rows].join('\n')
  const verdict = await worker.run(value('yaml', bomb, {}))

  expect(['malformed', 'too_long']).toContain(verdict.type)
  const deep = await worker.run(value('json', '['.repeat(500_000), {}))
  expect(deep.type).toBe('malformed')
}, 30_000)

test('many jobs at once: those that find no place are told so, all others are answered', async () => {
  const jobs = Array.from({ length: 200 }, () => worker.run(value('yaml', 'a: 1')))
  const types = (await Promise.all(jobs)).map(({ type }) => type)

  expect(new Set(types)).toEqual(new Set(['fine', 'busy']))
  expect(types.filter((type) => type === 'fine').length).toBeGreaterThanOrEqual(64)
}, 30_000)

test('close() tells whoever waits', async () => {
  const other = new ValueWorker({ script, budgetMs: 1_000 })
  const waiting = other.run(value('yaml', 'a: 1'))
  other.close()

  expect((await waiting).type).toBe('busy')
})
