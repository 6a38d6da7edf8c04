/**
 * Persist before you speak (DESIGN §1.4): messages, and the writes they wait for.
 *
 * A message leaves once the write it depends on is durable. "Now" means: once the newest hard
 * state is; nothing is ever said under a term, a vote or a promise that a crash could undo.
 * Only a leader's own entries may travel ahead of its disk (Thesis §10.2.1), and a pre-vote,
 * which promises nothing.
 */
import { assert } from '../lib/assert.ts'
import type { HardState, LogIndex, LogWrite, Message } from './types.ts'
import type { RaftLog } from './log.ts'

interface PendingWrite {
  readonly write: number
  /** Once it is durable, the log is up to here; 0 where it brought no entries. */
  end: LogIndex
  readonly sinceMs: number
}

export class Outbox {
  readonly #log: RaftLog
  readonly #heldMax: number
  #held: { readonly after: number; readonly message: Message }[] = []
  #pending: PendingWrite[] = []
  #lastWrite = 0
  #persistedWrite = 0
  /** The write that carries the newest hard state. */
  #hardStateWrite = 0
  #hardStateDirty = false

  constructor(log: RaftLog, heldMax: number) {
    assert(heldMax > 0, 'a message can wait for the disk')
    this.#log = log
    this.#heldMax = heldMax
  }

  /** Term, vote or promise changed: the next write carries them. */
  markHardState(): void {
    this.#hardStateDirty = true
  }

  /** Leaves once term, vote and promise are durable. */
  send(message: Message): void {
    this.#hold(this.#hardStateDirty ? this.#lastWrite + 1 : this.#hardStateWrite, message)
  }

  /** Leaves once all that is in the log now is durable as well. */
  sendAfterLog(message: Message): void {
    const dirty = this.#hardStateDirty || this.#log.hasUnwritten
    this.#hold(dirty ? this.#lastWrite + 1 : this.#lastWrite, message)
  }

  #hold(after: number, message: Message): void {
    if (this.#held.length >= this.#heldMax) this.#held.shift() // A hung disk: peers ask again.
    this.#held.push({ after, message })
  }

  /** Whether term, vote and promise, as they are now, survive a crash. */
  get isHardStateDurable(): boolean {
    return !this.#hardStateDirty && this.#hardStateWrite <= this.#persistedWrite
  }

  /** What must be written now, or null. */
  takeWrite(hardState: HardState, nowMs: number): LogWrite | null {
    const dirty = this.#hardStateDirty
    if (!dirty && !this.#log.hasUnwritten) return null
    const entries = this.#log.takeUnwritten()
    const end = entries.at(-1)?.index ?? 0
    this.#lastWrite += 1
    if (dirty) this.#hardStateWrite = this.#lastWrite
    this.#hardStateDirty = false
    this.#pending.push({ write: this.#lastWrite, end, sinceMs: nowMs })
    return { write: this.#lastWrite, hardState: dirty ? hardState : null, entries }
  }

  /** All writes up to `write` are durable. */
  persisted(write: number): void {
    assert(write > this.#persistedWrite, 'writes become durable once')
    assert(write <= this.#lastWrite, 'only what was handed out becomes durable')
    this.#persistedWrite = write
    while ((this.#pending[0]?.write ?? Infinity) <= write) {
      const { end } = this.#pending.shift() as PendingWrite
      if (end > 0) this.#log.persistedTo(end)
    }
  }

  /**
   * Entries from `index` on were dropped from the log. Writes under way that hold them say nothing
   * about what will stand there, not even if the very same entry comes back: a write between may
   * replace it on disk first (ABA, etcd `async_storage_writes_append_aba_race`).
   */
  truncated(index: LogIndex): void {
    for (const pending of this.#pending) pending.end = Math.min(pending.end, index - 1)
  }

  /** Messages that may leave, in the order in which they were made. */
  takeMessages(): readonly Message[] {
    if (this.#held.length === 0) return []
    const free: Message[] = []
    let kept = 0
    for (const held of this.#held) {
      if (held.after <= this.#persistedWrite) free.push(held.message)
      else this.#held[kept++] = held
    }
    this.#held.length = kept
    return free
  }

  /** Forgets what was to be said in a term that is over. */
  dropHeld(): void {
    this.#held = []
  }

  /**
   * Forgets the campaign that is over: from a slow disk its requests would go out long after,
   * even by a node that votes no more.
   */
  dropVoteRequests(): void {
    this.#held = this.#held.filter(({ message }) => message.type !== 'vote_request')
  }

  /** Since when the oldest unfinished write is under way; null where none is. */
  get pendingSinceMs(): number | null {
    return this.#pending[0]?.sinceMs ?? null
  }
}
