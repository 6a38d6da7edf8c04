import { describe, expect, test } from 'bun:test'
import { formatStageRule, isStagedFor, parseStageRule } from '../../src/state/mod.ts'
import { bucketOf } from '../../src/state/stages/rule.ts'

const NAME = { ns: 'default', key: 'app/db', stage: 'canary' }

function canonical(text: string): string {
  const rule = parseStageRule(text)
  return typeof rule === 'string' ? `refused: ${rule}` : formatStageRule(rule)
}

const labels = (text: string) =>
  new Map(
    text
      .split(',')
      .filter((part) => part !== '')
      .map((part) => part.split('=') as [string, string]),
  )

test.each([
  ['zone=eu', 'zone=eu'],
  [' zone = eu , us ; percent = 10 ', 'zone=eu,us;percent=10'],
  ['zone=us,eu,us', 'zone=eu,us'],
  ['percent=10;instance=i-1;cluster=a', 'cluster=a;instance=i-1;percent=10'],
  ['percent=0', 'percent=0'],
  ['percent=100', 'percent=100'],
  ['percent=12.50', 'percent=12.5'],
  ['percent=0.07', 'percent=0.07'],
])('the canonical text of %j is %j', (text, expected) => {
  expect(canonical(text)).toBe(expected)
  expect(canonical(expected)).toBe(expected)
})

test.each([
  ['', 'must be conditions'],
  ['zone', 'must be conditions'],
  ['zone=eu;', 'must be conditions'],
  ['=eu', 'has a label that must not be empty'],
  ['zone=', 'has a value of "zone" that must not be empty'],
  ['zone=eu,', 'has a value of "zone" that must not be empty'],
  ['zone=e/u', 'U+002F'],
  ['zone=eu;zone=us', 'two conditions on "zone"'],
  ['percent=1;percent=2', 'two conditions on "percent"'],
  ['percent=101', 'from 0 to 100'],
  ['percent=100.01', 'from 0 to 100'],
  ['percent=1.234', 'from 0 to 100'],
  ['percent=-1', 'from 0 to 100'],
  ['percent=1e1', 'from 0 to 100'],
  [`zone=${'x'.repeat(129)}`, 'longer than 128'],
  [`zone=${'x,'.repeat(1_100)}x`, 'longer than 2048'],
])('the rule %j is refused', (text, why) => {
  expect(canonical(text)).toContain(why)
})

test.each([
  ['zone=eu', 'zone=eu', true],
  ['zone=eu', 'zone=us', false],
  ['zone=eu', '', false],
  ['zone=eu,us', 'zone=us,x=y', true],
  ['cluster=a;zone=eu', 'zone=eu', false],
  ['cluster=a;zone=eu', 'zone=eu,cluster=a', true],
  ['instance=i-1,i-2', 'instance=i-2', true],
  ['percent=100', 'instance=i-1', true],
  ['percent=0', 'instance=i-1', false],
  ['percent=100', 'zone=eu', false], // Nobody knows in which share it is.
])('rule %j is met by %j: %p', (rule, given, expected) => {
  expect(isStagedFor(rule, NAME, labels(given))).toBe(expected)
})

describe('shares', () => {
  const callers = Array.from({ length: 5_000 }, (_, i) => `i-${i}`)
  const inShare = (percent: number, name = NAME): string[] =>
    callers.filter((caller) =>
      isStagedFor(`percent=${percent}`, name, labels(`instance=${caller}`)),
    )

  /** What another program computes: murmur3("default\napp/db\ncanary\ni-1") mod 10000. */
  test('the bucket of a caller is the same for ever', () => {
    expect(['i-1', 'i-2', 'web-7f9'].map((caller) => bucketOf(NAME, caller))).toEqual([
      4054, 1399, 8855,
    ])
  })

  test('raising the share keeps those who were in', () => {
    let before: readonly string[] = []
    for (const percent of [0, 0.5, 1, 5, 10, 50, 99.99, 100]) {
      const now = inShare(percent)
      expect(before.filter((caller) => !now.includes(caller))).toEqual([])
      expect(Math.abs(now.length / callers.length - percent / 100)).toBeLessThan(0.03)
      before = now
    }
    expect(before).toEqual(callers)
  })

  test.each([
    ['stages', { ...NAME, stage: 'blue' }],
    ['keys', { ...NAME, key: 'app/d' }],
    ['namespaces', { ...NAME, ns: 'prod' }],
  ])('shares of different %s are independent', (_what, other) => {
    const [one, two] = [new Set(inShare(50)), inShare(50, other)]
    const both = two.filter((caller) => one.has(caller)).length
    expect(Math.abs(both / callers.length - 0.25)).toBeLessThan(0.03)
  })
})
