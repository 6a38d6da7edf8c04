/**
 * What clients saw of single keys, judged without trusting any revision: some order of the
 * operations of a key, each between its call and its answer, must explain every answer
 * (`../../support/linearizable.ts`). The revision checker of `promises.ts` is faster and stricter where
 * revisions are right; this one would see it where they are not.
 *
 * A write whose outcome stayed unknown is left out where the log of the whole run does not hold it.
 * Keys with more operations than the search is meant for are left to the other checker.
 */
import { linearizable, type Model, type Timed } from '../../support/linearizable.ts'
import type { CommandOf, Outcome } from '../../../src/state/mod.ts'
import { Violation } from '../violation.ts'
import type { History } from './history.ts'
import { unexpected } from './expect.ts'

export type KeyWrite = CommandOf<'config_put'> | CommandOf<'config_delete'>

/** A key: how often it was written, and by which write, null while it is deleted. */
interface Value {
  readonly version: number
  readonly by: string | null
}

interface KeyOperation extends Timed {
  readonly called: number
  returned: number | null
  readonly write: KeyWrite | null
  /** Of a write with an answer. */
  outcome: Outcome | null
  /** Of a read: the version and who wrote it, null where there was none. */
  readonly seen: { readonly version: number; readonly by: string } | null
}

const OPERATIONS_MAX = 400
const UNKNOWN_MAX = 12
const STEPS_MAX = 200_000

const KEY: Model<Value, KeyOperation> = {
  initial: { version: 0, by: null },
  step(value, { write, outcome, seen }) {
    if (write === null) return isSeen(value, seen) ? value : null
    const refusal = unexpected(write.expect, value.by === null ? null : value.version, 0)
    if (refusal !== null) return outcome === null || isRefusal(outcome, refusal) ? value : null
    if (outcome !== null && !outcome.ok) return null
    if (write.type === 'config_delete') return { version: value.version, by: null }
    const version = value.version + 1
    const isRight = outcome?.result?.type !== 'config' || outcome.result.config.version === version
    return isRight ? { version, by: write.by } : null
  },
  key: ({ version, by }) => `${version} ${by}`,
  isRead: ({ write }) => write === null,
  kind: ({ write }) => write?.by ?? '',
}

function isSeen(value: Value, seen: KeyOperation['seen']): boolean {
  if (value.by === null || seen === null) return value.by === seen
  return value.by === seen.by && value.version === seen.version
}

function isRefusal(outcome: Outcome, refusal: Outcome): boolean {
  if (outcome.ok || refusal.ok) return false
  if (outcome.code !== 'version_mismatch' || refusal.code !== 'version_mismatch') return false
  return outcome.current === refusal.current
}

export class KeyHistories {
  readonly #byKey = new Map<string, KeyOperation[]>()
  readonly counts = { 'keys searched': 0, 'keys too long to search': 0, 'searches given up': 0 }

  /** A write leaves its client. Null where it is about no key of the clients'. */
  begun(write: KeyWrite, nowMs: number): KeyOperation | null {
    const operation = { called: nowMs, returned: null, write, outcome: null, seen: null }
    return this.#add(write.key, operation)
  }

  answered(operation: KeyOperation | null, outcome: Outcome, nowMs: number): void {
    if (operation === null) return
    operation.returned = nowMs
    operation.outcome = outcome
  }

  /** It was refused for certain: it never was. */
  refused(operation: KeyOperation | null): void {
    if (operation === null || operation.write === null) return
    const operations = this.#byKey.get(operation.write.key) ?? []
    operations.splice(operations.indexOf(operation), 1)
  }

  read(key: string, seen: KeyOperation['seen'], calledMs: number, nowMs: number): void {
    this.#add(key, { called: calledMs, returned: nowMs, write: null, outcome: null, seen })
  }

  #add(key: string, operation: KeyOperation): KeyOperation | null {
    if (!/^k\d+$/.test(key)) return null
    const operations = this.#byKey.get(key)
    if (operations === undefined) this.#byKey.set(key, [operation])
    else operations.push(operation)
    return operation
  }

  settle(history: History): void {
    const happened = new Set<string | null>()
    for (const { command } of history.entries) {
      if (command?.type === 'config_put' || command?.type === 'config_delete') {
        happened.add(command.by)
      }
    }
    for (const [key, operations] of this.#byKey) {
      this.#search(
        key,
        operations.filter(({ returned, write }) => {
          return returned !== null || (write !== null && happened.has(write.by))
        }),
      )
    }
  }

  #search(key: string, operations: readonly KeyOperation[]): void {
    const unknown = operations.filter(({ returned }) => returned === null).length
    if (operations.length > OPERATIONS_MAX || unknown > UNKNOWN_MAX) {
      this.counts['keys too long to search'] += 1
      return
    }
    this.counts['keys searched'] += 1
    const verdict = linearizable(KEY, operations, STEPS_MAX)
    if (verdict.type === 'undecided') this.counts['searches given up'] += 1
    if (verdict.type !== 'violation') return
    const [after, stuck] = [verdict.order.at(-1), verdict.stuck].map((part) => JSON.stringify(part))
    throw new Violation(
      'what is said of a key has an order (W1, R1, R2)',
      `${key}: after ${after} none of ${stuck} may come next`,
    )
  }
}
