/**
 * S1 and G1 to G3: a write with a key is applied once, and whoever asks again within the window,
 * through whatever node and leader, is told the same. Judged by the log alone: within the window the
 * first entry of a key decides, and every answer must be that entry's.
 *
 * The window is the cluster's clock between two entries, so a repeat that lay in a frozen process for
 * longer is a new request, as API.md says of those that come later.
 */
import { sameBytes } from '../../../src/lib/bytes.ts'
import type { CommandOf, KeyRules, Outcome } from '../../../src/state/mod.ts'
import type { Sometimes } from '../sometimes/situations.ts'
import { insist } from '../violation.ts'
import type { Committed, History } from './history.ts'
import type { Promises } from './promises.ts'

export type Keyed = CommandOf<'keyed'>

/** One request, and all that was said of it. */
export interface Repeated {
  readonly command: Keyed
  /** The largest revision that anybody had been told of before it was first sent. */
  readonly floor: number
  /** Some try may have been appended. */
  uncertain: boolean
  /** How often an outcome was told, decided or not. */
  answers: number
  /** Where it was decided, by each answer. */
  readonly told: number[]
}

export class Repeats {
  readonly #history: History
  readonly #promises: Promises
  readonly #sometimes: Sometimes
  readonly #rules: KeyRules
  readonly #all: Repeated[] = []
  readonly counts = { 'keyed writes': 0, 'keyed answers': 0 }

  constructor(
    world: {
      readonly history: History
      readonly promises: Promises
      readonly sometimes: Sometimes
    },
    rules: KeyRules,
  ) {
    this.#history = world.history
    this.#promises = world.promises
    this.#sometimes = world.sometimes
    this.#rules = rules
  }

  begun(command: Keyed, nowMs: number): Repeated {
    const { floor } = this.#promises.call(nowMs)
    const repeated = { command, floor, uncertain: false, answers: 0, told: [] }
    this.#all.push(repeated)
    this.counts['keyed writes'] += 1
    return repeated
  }

  /** Returns whether that was the last word. */
  answered(repeated: Repeated, outcome: Outcome): boolean {
    const { revision } = outcome
    const name = `the key ${repeated.command.key}`
    const known = this.#history.at(revision)
    const expected = known?.effect?.outcome
    this.counts['keyed answers'] += 1
    repeated.answers += 1
    insist(
      known?.command?.type === 'keyed' && isSame(known.command, repeated.command),
      'a write with a key is answered by its entry (S1)',
      () => `${name} was told revision ${revision}, where the log has another request`,
    )
    insist(
      Bun.deepEquals(outcome, expected),
      'a write with a key is answered by its entry (S1)',
      () => `${name}: ${JSON.stringify(outcome)}, not ${JSON.stringify(expected)}`,
    )
    insist(
      revision > repeated.floor,
      'writes are linearizable (W1)',
      () => `${name} got revision ${revision}, though ${repeated.floor} was known before it began`,
    )
    this.#promises.learnt(revision)
    if (!isKept(outcome)) return false
    repeated.told.push(revision)
    if (repeated.told.length > 1) this.#sometimes.met('a repeat was told the first outcome')
    return true
  }

  /** `definite`: that try was not appended. */
  failed(repeated: Repeated, definite: boolean): void {
    if (!definite) repeated.uncertain = true
  }

  settle(): void {
    const deciding = this.#deciding()
    for (const { command, told, uncertain, floor } of this.#all) {
      const at = deciding.get(nameOf(command)) ?? []
      for (const revision of told) {
        insist(
          at.some(({ entry }) => entry.index === revision),
          'within its window a key is applied once (S1)',
          () => `the key ${command.key} was told ${revision}, and an entry before it decided`,
        )
      }
      insist(
        told.length > 0 ||
          uncertain ||
          !at.some((one) => one.entry.index > floor && isOf(one, command)),
        'a definite failure never appears (W3)',
        () => `the key ${command.key} was refused for certain, and is in the log`,
      )
    }
  }

  /** By key: the entries that were decided for themselves, each a window after the one before. */
  #deciding(): ReadonlyMap<string, readonly Committed[]> {
    const deciding = new Map<string, Committed[]>()
    for (const committed of this.#history.entries) {
      const { command, effect, entry } = committed
      if (command?.type !== 'keyed' || effect === null) continue
      const before = deciding.get(nameOf(command)) ?? []
      const last = before.at(-1)
      const isLive =
        last !== undefined && entry.clusterMs - last.entry.clusterMs <= this.#rules.windowMs
      if (isLive) {
        if (isOf(last, command)) this.#sometimes.met('a key stood in the log more than once')
        continue
      }
      if (last !== undefined) this.#sometimes.met('a key came back after its window')
      if (effect.outcome.ok || isKept(effect.outcome)) {
        deciding.set(nameOf(command), [...before, committed])
      } else if (effect.outcome.code === 'too_many_requests') {
        const { detail } = effect.outcome
        const ofBytes = detail.startsWith('what is kept under')
        if (ofBytes) this.#sometimes.met('the outcomes of keys took all their room')
        else this.#sometimes.met('the table of keys was full')
      }
    }
    return deciding
  }
}

function nameOf({ caller, key }: Keyed): string {
  return `${caller}/${key}`
}

function isSame(a: Keyed, b: Keyed): boolean {
  return nameOf(a) === nameOf(b) && sameBytes(a.requestHash, b.requestHash)
}

function isOf({ command }: Committed, keyed: Keyed): boolean {
  return command?.type === 'keyed' && isSame(command, keyed)
}

/** Nothing is kept of what was not decided: it may be asked again under the same key. */
function isKept(outcome: Outcome): boolean {
  const passing = ['too_many_requests', 'schema_changed', 'idempotency_key_reused']
  return outcome.ok || !passing.includes(outcome.code)
}
