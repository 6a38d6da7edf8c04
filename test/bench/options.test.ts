import { expect, test } from 'bun:test'
import { parseOptions, usage } from './options.ts'

const CATALOGUE = {
  scenarios: ['put', 'read', 'idle'],
  groups: { compared: ['put', 'read'] },
  quick: 'compared',
}

const parse = (line: string) => parseOptions(line === '' ? [] : line.split(' '), CATALOGUE)

test('parseOptions() runs everything, three rounds each, where nothing is said', () => {
  expect(parse('')).toEqual({
    type: 'options',
    options: { scenarios: ['put', 'read', 'idle'], seconds: 5, rounds: 3, json: false },
  })
})

test('parseOptions() takes scenarios and groups, each once, in their order', () => {
  const named = parse('--scenario idle --scenario compared --scenario put --json --rounds 7')

  expect(named).toEqual({
    type: 'options',
    options: { scenarios: ['put', 'read', 'idle'], seconds: 5, rounds: 7, json: true },
  })
})

test('parseOptions() makes --quick short, and lets what is said count', () => {
  const quick = { scenarios: ['put', 'read'], seconds: 2, rounds: 1, json: false }

  expect(parse('--quick')).toEqual({ type: 'options', options: quick })
  expect(parse('--quick --scenario idle --seconds 9 --rounds 2')).toEqual({
    type: 'options',
    options: { ...quick, scenarios: ['idle'], seconds: 9, rounds: 2 },
  })
})

test.each([
  ['--scenario nope', 'there is no scenario "nope"'],
  ['--scenario toString', 'there is no scenario "toString"'],
  ['--seconds 0', '--seconds takes a whole number from 1 to 60, not "0"'],
  ['--seconds 61', '--seconds takes a whole number from 1 to 60, not "61"'],
  ['--seconds 1.5', '--seconds takes a whole number from 1 to 60, not "1.5"'],
  ['--rounds many', '--rounds takes a whole number from 1 to 100, not "many"'],
])('parseOptions() says what is wrong with %s', (line, error) => {
  expect(parse(line)).toEqual({ type: 'usage', error })
})

test.each(['--nope', 'put', '--scenario', '--quick=yes'])('parseOptions() refuses %s', (line) => {
  const { type, error } = parse(line) as { type: string; error: string }

  expect(type).toBe('usage')
  expect(error).not.toBe('')
})

test('usage() names every option, scenario and group', () => {
  const text = usage(CATALOGUE)

  for (const word of ['--scenario', '--quick', '--rounds', '--seconds', '--json', 'idle']) {
    expect(text).toContain(word)
  }
  expect(text).toContain('compared: put, read')
  expect(parse('--help')).toEqual({ type: 'usage', error: null })
})
