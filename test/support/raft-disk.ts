/**
 * The disk under one Raft core, in memory. What was written is not durable before `complete`, and
 * a crash may lose any suffix of what was not: the contract of `LogWrite`, and nothing beyond.
 */
import { assert } from '../../src/lib/assert.ts'
import type {
  Entry,
  EntryId,
  HardState,
  LogIndex,
  LogReader,
  LogWrite,
  StoredLog,
  Term,
  TermRun,
} from '../../src/raft/mod.ts'

const START: EntryId = { term: 0, index: 0 }

const VOID: Entry = {
  type: 'noop',
  term: 0,
  index: 0,
  clusterMs: 0,
  wallMs: 0,
  data: new Uint8Array(0),
}

export class RaftDisk implements LogReader {
  /** Durable. */
  hardState: HardState
  /** Durable; entry `index` stands at `index - 1`. */
  readonly #entries: Entry[]
  #pending: LogWrite[] = []

  constructor(hardState: HardState, entries: readonly Entry[] = []) {
    this.hardState = hardState
    this.#entries = [...entries]
    assert(
      entries.every((entry, i) => entry.index === i + 1),
      'a log begins at 1 and has no gaps',
    )
  }

  get last(): LogIndex {
    return this.#entries.length
  }

  get entries(): readonly Entry[] {
    return this.#entries
  }

  get pending(): readonly LogWrite[] {
    return this.#pending
  }

  termAt(index: LogIndex): Term | null {
    return index === 0 ? 0 : (this.#entries[index - 1]?.term ?? null)
  }

  /** A snapshot of `at` was installed: what stood before it is never read again. */
  restart(at: EntryId): void {
    this.#entries.length = 0
    for (let index = 1; index <= at.index; index++) {
      this.#entries.push({ ...VOID, term: at.term, index })
    }
  }

  write(write: LogWrite): void {
    this.#pending.push(write)
  }

  /** The oldest `count` writes become durable; returns the number of the newest of them. */
  complete(count: number): number {
    assert(count >= 1 && count <= this.#pending.length, 'there are writes to complete')
    const done = this.#pending.splice(0, count)
    for (const write of done) this.#apply(write)
    return (done.at(-1) as LogWrite).write
  }

  /** Power fails: of what was under way the oldest `kept` writes had reached the disk. */
  crash(kept: number): void {
    if (kept > 0) this.complete(kept)
    this.#pending = []
  }

  #apply(write: LogWrite): void {
    if (write.hardState !== null) this.hardState = write.hardState
    const first = write.entries[0]
    if (first === undefined) return
    assert(first.index <= this.#entries.length + 1, 'a write leaves no gap')
    this.#entries.length = first.index - 1
    this.#entries.push(...write.entries)
  }

  read(from: LogIndex, to: LogIndex, bytesMax: number): readonly Entry[] {
    assert(from >= 1 && from <= to && to <= this.last, 'only what is durable is read')
    const found: Entry[] = []
    let bytes = 0
    for (let index = from; index <= to; index++) {
      const entry = this.#entries[index - 1] as Entry
      bytes += entry.data.length
      if (found.length > 0 && bytes > bytesMax) break
      found.push(entry)
    }
    return found
  }

  /** What a node finds when it starts. */
  stored(): StoredLog {
    const terms: TermRun[] = []
    for (const { term, index } of this.#entries) {
      if (terms.at(-1)?.term !== term) terms.push({ term, from: index })
    }
    const last = this.#entries.at(-1)
    return {
      compacted: START,
      last: last === undefined ? START : { term: last.term, index: last.index },
      terms,
      reader: this,
    }
  }
}
