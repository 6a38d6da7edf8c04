/** The judge is judged: known histories, and histories of a true register with one answer bent. */
import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import {
  CONFIG_MODEL,
  type ConfigAnswer,
  type ConfigCall,
  type ConfigOperation,
  settled,
} from './config-history.ts'
import { linearizable } from './linearizable.ts'

const put = (value: string): ConfigCall => ({ type: 'put', value, expect: null })
const get: ConfigCall = { type: 'get' }
const cas = (value: string): ConfigCall => ({ type: 'put', value, expect: 1 })
const written = (version: number): ConfigAnswer => ({ type: 'written', version })
const found = (value: string, version: number): ConfigAnswer => ({ type: 'found', value, version })
const NOT_FOUND: ConfigAnswer = { type: 'not_found' }

function operation(
  called: number,
  returned: number | null,
  call: ConfigCall,
  answer: ConfigAnswer | null,
): ConfigOperation {
  return { key: 'k', client: 'c', called, returned, call, answer }
}

function verdict(...history: readonly ConfigOperation[]): string {
  return linearizable(CONFIG_MODEL, history).type
}

function judge(...history: readonly ConfigOperation[]): string {
  return linearizable(CONFIG_MODEL, settled(history)).type
}

test('linearizable: one after the other, each read sees the last write', () => {
  expect(
    verdict(
      operation(0, 1, put('a'), written(1)),
      operation(2, 3, get, found('a', 1)),
      operation(4, 5, { type: 'delete', expect: 1 }, { type: 'deleted' }),
      operation(6, 7, get, NOT_FOUND),
      operation(8, 9, put('b'), written(2)),
    ),
  ).toBe('linearizable')
})

test('linearizable: a stale read is a violation, and names what cannot follow', () => {
  const stale = operation(4, 5, get, found('a', 1))
  const history = [
    operation(0, 1, put('a'), written(1)),
    operation(2, 3, put('b'), written(2)),
    stale,
  ]
  expect(linearizable(CONFIG_MODEL, history)).toEqual({
    type: 'violation',
    order: history.slice(0, 2),
    stuck: [stale],
  })
})

test('linearizable: reads that overlap a write may see either, but never go back', () => {
  const write = operation(0, 10, put('a'), written(1))
  const before = operation(1, 2, get, NOT_FOUND)
  const after = operation(3, 4, get, found('a', 1))
  const back = operation(5, 6, get, NOT_FOUND)
  expect(verdict(write, before, after)).toBe('linearizable')
  expect(verdict(write, before, after, back)).toBe('violation')
})

test('linearizable: answers at the same moment count as overlapping', () => {
  expect(verdict(operation(0, 1, put('a'), written(1)), operation(1, 2, get, NOT_FOUND))).toBe(
    'linearizable',
  )
})

test('linearizable: an unknown write happens late, never, or once', () => {
  const unknown = operation(0, null, put('a'), null)
  const seen = operation(8, 9, get, found('a', 1))
  expect(verdict(unknown, operation(5, 6, get, NOT_FOUND))).toBe('linearizable')
  expect(verdict(unknown, operation(5, 6, get, NOT_FOUND), seen)).toBe('linearizable')
  expect(verdict(unknown, seen, operation(10, 11, get, NOT_FOUND))).toBe('violation')
  expect(verdict(unknown, seen, operation(10, 11, get, found('a', 2)))).toBe('violation')
  const early = operation(-2, -1, get, found('a', 1))
  expect(verdict(early, unknown)).toBe('violation')
})

test('linearizable: of two conditional writes on one version one succeeds', () => {
  const first = operation(0, 1, put('a'), written(1))
  const won = operation(2, 9, cas('b'), written(2))
  const lost = operation(2, 9, cas('c'), { type: 'mismatch' })
  expect(verdict(first, won, lost)).toBe('linearizable')
  expect(verdict(first, won, operation(2, 9, cas('c'), written(2)))).toBe('violation')
  expect(verdict(first, lost)).toBe('violation')
})

test('linearizable: a search that is given up says so', () => {
  const history = [operation(0, 1, put('a'), written(1)), operation(2, 3, get, NOT_FOUND)]
  expect(linearizable(CONFIG_MODEL, history, 1)).toEqual({ type: 'undecided', steps: 1 })
})

/** Clients of a true register: each call takes effect at a moment between its two ends. */
const trueHistories = fc
  .array(
    fc.record({
      at: fc.nat(200),
      before: fc.nat(15),
      after: fc.nat(15),
      kind: fc.constantFrom('put', 'get', 'cas', 'delete'),
      isLost: fc.nat(9),
    }),
    { minLength: 1, maxLength: 40 },
  )
  .map((calls) => {
    let stored: { version: number; value: string | null } = { version: 0, value: null }
    const history: ConfigOperation[] = []
    const ordered = calls.map((call, i) => ({ ...call, moment: call.at * 100 + i }))
    ordered.sort((a, b) => a.moment - b.moment)
    for (const [i, { moment, before, after, kind, isLost }] of ordered.entries()) {
      const call: ConfigCall =
        kind === 'get'
          ? get
          : kind === 'delete'
            ? { type: 'delete', expect: null }
            : { type: 'put', value: `v${i}`, expect: kind === 'cas' ? i % 4 : null }
      const fails = call.type === 'put' && call.expect !== null && !holds(stored, call.expect)
      if (!fails && call.type === 'put') stored = { version: stored.version + 1, value: call.value }
      if (call.type === 'delete') stored = { ...stored, value: null }
      const answer = answerOf(call, stored, fails)
      const times = { called: moment - before * 100, returned: moment + after * 100 }
      const isUnknown = isLost === 0 && call.type !== 'get'
      history.push({
        ...operation(times.called, times.returned, call, answer),
        ...(isUnknown ? { returned: null, answer: null } : {}),
      })
    }
    return history
  })

function holds({ version, value }: { version: number; value: string | null }, expected: unknown) {
  return value !== null && version === expected
}

function answerOf(
  call: ConfigCall,
  stored: { version: number; value: string | null },
  fails: boolean,
): ConfigAnswer {
  if (fails) return { type: 'mismatch' }
  if (call.type === 'put') return written(stored.version)
  if (call.type === 'delete') return { type: 'deleted' }
  return stored.value === null ? NOT_FOUND : found(stored.value, stored.version)
}

test('linearizable: property: what a true register answered is always explained', () => {
  fc.assert(
    fc.property(trueHistories, (history) => {
      expect(linearizable(CONFIG_MODEL, history).type).toBe('linearizable')
      expect(linearizable(CONFIG_MODEL, settled(history)).type).toBe('linearizable')
    }),
    { numRuns: 300, seed: 7 },
  )
})

test('linearizable: dozens of unknown writes do not stop the search', () => {
  const unknown = Array.from({ length: 40 }, (_, i) => operation(i, null, put(`lost ${i}`), null))
  const version = unknown.length + 1
  const last = operation(100, 101, put('last'), written(version))
  const early = operation(50, 51, get, found('lost 7', 20))
  expect(judge(...unknown, early, last, operation(102, 103, get, found('last', version)))).toBe(
    'linearizable',
  )
  expect(judge(...unknown, early, last, operation(102, 103, get, found('lost 7', 20)))).toBe(
    'violation',
  )
  expect(judge(...unknown, operation(100, 101, put('last'), written(version + 1)))).toBe(
    'violation',
  )
})

test('linearizable: property: it agrees with trying every order', () => {
  let violations = 0
  fc.assert(
    fc.property(trueHistories, fc.nat(), fc.nat(3), (history, which, version) => {
      const few = history.slice(0, 6)
      const at = which % few.length
      const one = few[at] as ConfigOperation
      const bends = one.call.type === 'get' && one.answer !== null
      const wrong = { ...one, answer: found(`v${which % 7}`, version) }
      const bent = bends ? few.with(at, wrong) : few
      const expected = byEveryOrder(bent) ? 'linearizable' : 'violation'
      if (expected === 'violation') violations += 1
      expect(linearizable(CONFIG_MODEL, bent).type).toBe(expected)
      expect(linearizable(CONFIG_MODEL, settled(bent)).type).toBe(expected)
    }),
    { numRuns: 3_000, seed: 11 },
  )
  expect(violations).toBeGreaterThan(50) // Else this would have tried nothing.
})

test('linearizable: however many read at once around a deletion, it is decided in a few steps', () => {
  const reads = Array.from({ length: 40 }, (_, i) =>
    operation(1 + i / 100, 9, get, i % 2 === 0 ? found('a', 1) : NOT_FOUND),
  )
  const history = [
    operation(0, 0.5, put('a'), written(1)),
    operation(1, 9, { type: 'delete', expect: null }, { type: 'deleted' }),
    operation(1, null, put('b'), null),
    ...reads,
  ]
  expect(linearizable(CONFIG_MODEL, history, 1_000).type).toBe('linearizable')

  const late = operation(10, 11, get, found('a', 1))
  expect(linearizable(CONFIG_MODEL, [...history, late], 10_000).type).toBe('violation')
})

/** The definition itself, for a handful of operations. */
function byEveryOrder(history: readonly ConfigOperation[], state = CONFIG_MODEL.initial): boolean {
  const open = history.filter(({ returned }) => returned !== null)
  if (open.length === 0) return true
  return history.some((one) => {
    if (open.some((other) => other !== one && (other.returned as number) < one.called)) return false
    const next = CONFIG_MODEL.step(state, one)
    return (
      next !== null &&
      byEveryOrder(
        history.filter((other) => other !== one),
        next,
      )
    )
  })
}
