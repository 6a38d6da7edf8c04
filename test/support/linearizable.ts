/**
 * Whether a history can be put in one order that explains every answer: linearizability by search
 * (Wing & Gong 1993), where a set of operations that led to a state once is not tried again (Lowe
 * 2017). It trusts no revision and no index: only what clients sent, what they were told, and when.
 *
 * An operation whose outcome is unknown may take effect at any time after its call, or never. The
 * search is exponential in those: they are tried last, and of several that cannot be told apart
 * only the one that was called first. A read that fits is put next and nothing else is tried.
 */
import { assert } from '../../src/lib/assert.ts'

/** When an operation was called and answered, on one clock. `null`: its outcome is unknown. */
export interface Timed {
  readonly called: number
  readonly returned: number | null
}

export interface Model<State, Operation> {
  readonly initial: State
  /** The state after the operation, or null where its answer is impossible in `state`. */
  step(state: State, operation: Operation): State | null
  /** Two states are the same where their keys are. */
  key(state: State): string
  /** Whether it leaves every state as it is, but for what its answer tells of it. */
  isRead(operation: Operation): boolean
  /** Of operations without an answer: those of one kind have the same effect in every state. */
  kind(operation: Operation): string
}

export type Verdict<Operation> =
  | { readonly type: 'linearizable' }
  /** `order` explains as much as any order can; none of `stuck` may come next. */
  | {
      readonly type: 'violation'
      readonly order: readonly Operation[]
      readonly stuck: readonly Operation[]
    }
  /** The search was given up after `steps`: this says nothing, and is never counted as a pass. */
  | { readonly type: 'undecided'; readonly steps: number }

/** Steps that suffice for thousands of operations of ten clients, and end within seconds. */
const STEPS_MAX = 30_000_000

interface Place<State> {
  readonly state: State
  /** What may come next, the likeliest last. */
  readonly candidates: number[]
  /** The operation that led here, -1 at the start. */
  readonly operation: number
}

export function linearizable<State, Operation extends Timed>(
  model: Model<State, Operation>,
  history: readonly Operation[],
  stepsMax = STEPS_MAX,
): Verdict<Operation> {
  const done = new Done(history, (operation) => model.kind(operation))
  const seen = new Set<string>()
  /** A read that may come next need not wait: whatever order there is holds with it here, too. */
  const candidates = (state: State): number[] => {
    const all = done.candidates()
    const read = all.findLast((at) => {
      const operation = done.operations[at] as Operation
      return model.isRead(operation) && model.step(state, operation) !== null
    })
    return read === undefined ? all : [read]
  }
  const path: Place<State>[] = [
    { state: model.initial, candidates: candidates(model.initial), operation: -1 },
  ]
  let longest: Verdict<Operation> = { type: 'violation', order: [], stuck: [] }
  let longestLength = -1
  for (let steps = 0; ; steps++) {
    if (done.isComplete) return { type: 'linearizable' }
    if (steps >= stepsMax) return { type: 'undecided', steps }
    const place = path.at(-1) as Place<State>
    if (path.length > longestLength) {
      longestLength = path.length
      const order = path.slice(1).map(({ operation }) => done.operations[operation] as Operation)
      const stuck = place.candidates.map((at) => done.operations[at] as Operation)
      longest = { type: 'violation', order, stuck }
    }
    const next = place.candidates.pop()
    if (next === undefined) {
      path.pop()
      if (path.length === 0) return longest
      done.undo(place.operation)
      continue
    }
    const state = model.step(place.state, done.operations[next] as Operation)
    if (state === null) continue
    done.do(next)
    const key = `${model.key(state)}|${done.key()}`
    if (seen.has(key)) {
      done.undo(next)
      continue
    }
    seen.add(key)
    path.push({ state, candidates: candidates(state), operation: next })
  }
}

/** Operations without an answer that cannot be told apart: they are used up in one order. */
interface Kind {
  readonly first: number
  readonly end: number
  /** The first that has not been used. */
  next: number
}

/** Which operations have been put in order so far, and which may follow. */
class Done<Operation extends Timed> {
  /** Those with an answer first, by their calls; then those without, kind by kind. */
  readonly operations: readonly Operation[]
  readonly #answered: number
  readonly #isDone: Uint8Array
  readonly #kinds: readonly Kind[]
  /** All answered operations before this one are done. */
  #low = 0
  #left: number

  constructor(history: readonly Operation[], kindOf: (operation: Operation) => string) {
    const byCall = [...history].sort((a, b) => a.called - b.called)
    const answered = byCall.filter(({ returned }) => returned !== null)
    for (const { called, returned } of answered) {
      assert(called <= (returned as number), 'an answer comes after its call')
    }
    const unknown = byCall.filter(({ returned }) => returned === null)
    const kinds: Kind[] = []
    const operations = answered.slice()
    for (const alike of Map.groupBy(unknown, kindOf).values()) {
      const first = operations.length
      kinds.push({ first, end: first + alike.length, next: first })
      operations.push(...alike)
    }
    this.operations = operations
    this.#answered = answered.length
    this.#isDone = new Uint8Array(answered.length)
    this.#kinds = kinds
    this.#left = answered.length
  }

  /** Those without an answer need not have happened. */
  get isComplete(): boolean {
    return this.#left === 0
  }

  do(at: number): void {
    if (at >= this.#answered) {
      const kind = this.#kindAt(at)
      assert(at === kind.next, 'an operation takes effect once, in the order of its kind')
      kind.next += 1
      return
    }
    assert(this.#isDone[at] === 0, 'an operation takes effect once')
    this.#isDone[at] = 1
    this.#left -= 1
    while (this.#low < this.#answered && this.#isDone[this.#low] === 1) this.#low += 1
  }

  undo(at: number): void {
    if (at >= this.#answered) {
      const kind = this.#kindAt(at)
      kind.next -= 1
      assert(at === kind.next, 'what was done last is undone first')
      return
    }
    assert(this.#isDone[at] === 1, 'only what was done is undone')
    this.#isDone[at] = 0
    this.#left += 1
    this.#low = Math.min(this.#low, at)
  }

  /** Whoever was called before the first answer that is still to be explained; earliest last. */
  candidates(): number[] {
    let firstReturn = Infinity
    const open: number[] = []
    for (let at = this.#low; at < this.#answered; at++) {
      const { called, returned } = this.operations[at] as Operation
      if (called > firstReturn) break
      if (this.#isDone[at] === 1) continue
      open.push(at)
      firstReturn = Math.min(firstReturn, returned as number)
    }
    const isCalled = (at: number) => (this.operations[at] as Operation).called <= firstReturn
    const unknown = this.#kinds.filter(({ next, end }) => next < end && isCalled(next))
    return [...unknown.map(({ next }) => next), ...open.filter(isCalled).toReversed()]
  }

  /** The same for the same set, and for no other. */
  key(): string {
    let key = this.#kinds.map(({ next, first }) => next - first).join()
    key += `|${this.#low}`
    for (let at = this.#low, end = this.#horizon(); at < end; at++) {
      if (this.#isDone[at] === 1) key += `,${at}`
    }
    return key
  }

  /** Behind the first operation that began after the lowest open one ended, none is done. */
  #horizon(): number {
    if (this.#low >= this.#answered) return this.#low
    const end = (this.operations[this.#low] as Operation).returned as number
    let at = this.#low
    while (at < this.#answered && (this.operations[at] as Operation).called <= end) at += 1
    return at
  }

  #kindAt(at: number): Kind {
    const kind = this.#kinds.find(({ first, end }) => first <= at && at < end)
    assert(kind !== undefined, 'an operation without an answer has a kind')
    return kind
  }
}
