/**
 * What one node's disk must hold, seen from outside: every write on its way to the log and every
 * end of one is noted here, and survives the node's crashes.
 */
import type { HardState, LogIndex, LogWrite, Term } from '../../src/raft/mod.ts'
import type { Recovered } from '../../src/storage/mod.ts'
import { insist } from './violation.ts'

interface Pending {
  readonly write: number
  readonly hardState: HardState | null
  /** Up to where the log, as it stands now, is durable once this write is. */
  end: LogIndex
}

const EMPTY: HardState = { term: 0, votedFor: null, promiseMs: 0 }

export class LogView {
  /** The term of each entry handed to the disk; entry `index` stands at `index - 1`. */
  readonly terms: Term[] = []
  /** Up to here the log is durable for certain. */
  durable: LogIndex = 0
  /** Durable for certain. */
  hardState: HardState = EMPTY
  #pending: Pending[] = []

  get last(): LogIndex {
    return this.terms.length
  }

  termAt(index: LogIndex): Term | null {
    return index === 0 ? 0 : (this.terms[index - 1] ?? null)
  }

  holdsDurably(index: LogIndex, term: Term): boolean {
    return index <= this.durable && this.termAt(index) === term
  }

  wrote({ write, hardState, entries }: LogWrite): void {
    const first = entries[0]?.index
    if (first !== undefined) {
      insist(first <= this.last + 1, 'log view', () => `a write leaves a gap before ${first}`)
      this.terms.length = first - 1
      this.durable = Math.min(this.durable, first - 1)
      for (const pending of this.#pending) pending.end = Math.min(pending.end, first - 1)
      for (const entry of entries) this.terms.push(entry.term)
    }
    this.#pending.push({ write, hardState, end: first === undefined ? 0 : this.last })
  }

  persisted(write: number): void {
    const done = this.#pending.shift()
    insist(done?.write === write, 'log view', () => `write ${write} is done out of order`)
    if (done === undefined) return
    if (done.hardState !== null) this.hardState = done.hardState
    this.durable = Math.max(this.durable, done.end)
  }

  /** A snapshot of `last` takes the place of the log; `terms` are those of the committed log. */
  installing(terms: readonly Term[]): void {
    this.terms.splice(0, this.terms.length, ...terms)
    this.durable = terms.length
    for (const pending of this.#pending) pending.end = 0
  }

  /**
   * The node came back with this: all that was durable must be in it (promise W2). Entries that it
   * let go of, or that a snapshot took the place of, are those of the `committed` log.
   */
  recovered(recovered: Recovered, committed: readonly Term[]): void {
    const { hardState, last, terms, snapshot } = recovered
    const rule = 'what was durable survives'
    insist(
      last.index >= this.durable,
      rule,
      () => `the log ends at ${last.index}, ${this.durable} was durable`,
    )
    insist(
      snapshot.index <= committed.length,
      'only what is committed leaves the log',
      () => `the log starts after ${snapshot.index}, ${committed.length} are committed`,
    )
    const found: Term[] = committed.slice(0, snapshot.index)
    for (const [i, run] of terms.entries()) {
      const end = terms[i + 1]?.from ?? last.index + 1
      for (let index = run.from; index < end; index++) found.push(run.term)
    }
    for (let index = 1; index <= this.durable; index++) {
      const [was, is] = [this.termAt(index), found[index - 1]]
      insist(was === is, rule, () => `entry ${index} was of term ${was}, is of ${is}`)
    }
    const { term, votedFor, promiseMs } = this.hardState
    insist(hardState.term >= term, rule, () => `term ${term} became ${hardState.term}`)
    insist(hardState.promiseMs >= promiseMs, rule, () => `promise ${promiseMs} was shortened`)
    insist(
      hardState.term > term || votedFor === null || hardState.votedFor === votedFor,
      rule,
      () => `the vote for ${votedFor} in term ${term} became one for ${hardState.votedFor}`,
    )
    this.terms.splice(0, this.terms.length, ...found)
    this.durable = last.index
    this.hardState = hardState
    this.#pending = []
  }
}
