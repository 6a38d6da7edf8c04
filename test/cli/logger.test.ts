import { expect, test } from 'bun:test'
import { createLogger } from '../../src/cli/nodes/logger.ts'
import type { LoggerOptions } from '../../src/cli/nodes/logger.ts'

const NOON = Date.UTC(2026, 0, 2, 12, 0, 0, 7)

function lines(options: Partial<LoggerOptions>) {
  const written: string[] = []
  const write = (line: string) => written.push(line)
  const logger = createLogger({
    level: 'debug',
    format: 'text',
    write,
    now: () => NOON,
    ...options,
  })
  return { logger, written }
}

test('createLogger() writes one line of text with its fields', () => {
  const { logger, written } = lines({})

  logger.info('started', {
    url: 'http://a:1',
    n: 3,
    on: true,
    none: null,
    text: 'two words',
    e: '',
  })

  expect(written).toEqual([
    '12:00:00.007 INFO  started url=http://a:1 n=3 on=true none=null text="two words" e=""\n',
  ])
})

test('createLogger() writes one line of JSON, whose own keys no field can take', () => {
  const { logger, written } = lines({ format: 'json', fields: { node: 'n1' } })

  logger.warn('hm', { time: 'never', node: 'n2', n: 1 })

  expect(written).toEqual([
    '{"time":"2026-01-02T12:00:00.007Z","level":"warn","message":"hm","node":"n1","time_":"never","node_":"n2","n":1}\n',
  ])
})

test.each(['text', 'json'] as const)('createLogger() escapes control characters (%s)', (format) => {
  const { logger, written } = lines({ format })
  const hostile = 'a\nb\u001b[2Jc\u0085d\u2028e\u202ef"g\\h'

  logger.error(hostile, { [hostile]: hostile })

  const line = written.join('')
  expect(line.slice(0, -1)).not.toMatch(/[\p{Cc}\u2028\u202e]/u)
  if (format === 'json')
    expect(JSON.parse(line)).toMatchObject({ message: hostile, [hostile]: hostile })
})

test('createLogger() drops what is below its level, and cuts what is too long', () => {
  const { logger, written } = lines({ level: 'warn' })

  logger.debug('no')
  logger.info('no')
  logger.warn('x'.repeat(10_000))

  expect(written).toHaveLength(1)
  expect(written[0]?.length).toBeLessThan(2_100)
})
