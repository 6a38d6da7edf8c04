/**
 * What clients saw of configuration keys, and the model it is held against (RELIABILITY §5.2):
 * each key is a register with a version that goes on after a deletion.
 */
import { linearizable, type Model, type Timed, type Verdict } from './linearizable.ts'

/** What a write expects to find: nothing in particular, no value, or this very version. */
export type Expectation = null | 'absent' | number

export type ConfigCall =
  | { readonly type: 'put'; readonly value: string; readonly expect: Expectation }
  | { readonly type: 'delete'; readonly expect: Expectation }
  | { readonly type: 'get' }

/** A write's new version, a read's value and version; `mismatch`: the expectation did not hold. */
export type ConfigAnswer =
  | { readonly type: 'written'; readonly version: number }
  | { readonly type: 'deleted' }
  | { readonly type: 'mismatch' }
  | { readonly type: 'found'; readonly value: string; readonly version: number }
  | { readonly type: 'not_found' }

/** `answer` is null where the outcome is unknown. Reads without an answer are not recorded. */
export interface ConfigOperation extends Timed {
  readonly key: string
  readonly client: string
  readonly call: ConfigCall
  readonly answer: ConfigAnswer | null
}

interface Stored {
  readonly version: number
  readonly value: string | null
}

export const CONFIG_MODEL: Model<Stored, ConfigOperation> = {
  initial: { version: 0, value: null },
  key: ({ version, value }) => `${version} ${value}`,
  isRead: ({ call }) => call.type === 'get',
  kind: kindOf,
  step: (stored, { call, answer }) => {
    if (call.type === 'get') return isSeen(stored, answer) ? stored : null
    const holds = isMet(stored, call.expect)
    if (answer?.type === 'mismatch') return holds ? null : stored
    if (!holds) return null // With an unknown outcome: as if it had never come.
    if (call.type === 'delete') {
      return answer === null || answer.type === 'deleted' ? { ...stored, value: null } : null
    }
    const version = stored.version + 1
    const isRight = answer === null || (answer.type === 'written' && answer.version === version)
    return isRight ? { version, value: call.value } : null
  },
}

function kindOf({ call }: ConfigOperation): string {
  if (call.type === 'get') return 'get'
  return call.type === 'put' ? `put ${call.expect} ${call.value}` : `delete ${call.expect}`
}

/** What a value is to the model that nobody ever saw. */
const UNSEEN = 'a value that nobody saw'

/**
 * The same history with what can be said of its unknown writes: values are unique, so whoever read
 * one tells that the write took effect, as which version, and by when. Without this a search over
 * a few dozen of them would not end.
 */
export function settled(history: readonly ConfigOperation[]): readonly ConfigOperation[] {
  const seen = new Map<string, { readonly version: number; readonly by: number }>()
  for (const { answer, returned } of history) {
    if (answer?.type !== 'found' || returned === null) continue
    const by = Math.min(returned, seen.get(answer.value)?.by ?? Infinity)
    seen.set(answer.value, { version: answer.version, by })
  }
  return history.map((operation) => {
    const { call, returned, called } = operation
    if (call.type !== 'put' || returned !== null) return operation
    const sight = seen.get(call.value)
    if (sight === undefined) return { ...operation, call: { ...call, value: UNSEEN } }
    // Read before it was called: the call's own time stands, and the search will say no.
    const by = Math.max(called, sight.by)
    return { ...operation, returned: by, answer: { type: 'written', version: sight.version } }
  })
}

function isSeen({ version, value }: Stored, answer: ConfigAnswer | null): boolean {
  if (answer?.type === 'not_found') return value === null
  return answer?.type === 'found' && answer.value === value && answer.version === version
}

function isMet({ version, value }: Stored, expect: Expectation): boolean {
  if (expect === null) return true
  return expect === 'absent' ? value === null : value !== null && version === expect
}

export interface ConfigVerdict {
  readonly key: string
  readonly operations: number
  readonly verdict: Verdict<ConfigOperation>
}

/** Every key on its own: no call here touches two (P-compositionality). Values are unique a key. */
export function judgeConfig(history: readonly ConfigOperation[]): readonly ConfigVerdict[] {
  const byKey = Map.groupBy(history, ({ key }) => key)
  return [...byKey].map(([key, operations]) => ({
    key,
    operations: operations.length,
    verdict: linearizable(CONFIG_MODEL, settled(operations)),
  }))
}
