/**
 * When what was applied is committed to the database: not batch by batch, since a page that several
 * of them change is then written once. Until then a crash loses it, and the log replays it.
 */
import type { Entry } from '../../raft/mod.ts'
import type { StateMachine } from '../../state/mod.ts'

/** A transaction stays open for so long at most, */
const SAVE_MS = 50
/** and holds about so much: what a restart has to replay, and a commit to write at once. */
const SAVE_ENTRIES = 1_000
const SAVE_BYTES = 4 * 1024 * 1024

export interface SavingHost {
  readonly state: StateMachine
  setTimer(ms: number, run: () => void): () => void
}

export class Saving {
  readonly #host: SavingHost
  #entries = 0
  #bytes = 0
  #cancelTimer: (() => void) | null = null

  constructor(host: SavingHost) {
    this.#host = host
  }

  applied(entries: readonly Entry[]): void {
    this.#entries += entries.length
    for (const { data } of entries) this.#bytes += data.length
    const isMuch = this.#entries >= SAVE_ENTRIES || this.#bytes >= SAVE_BYTES
    // A database that knows its cluster shows that a log is gone; it is to know as soon as it can.
    if (isMuch || entries.some(({ type }) => type === 'membership')) return this.#save()
    this.#cancelTimer ??= this.#host.setTimer(SAVE_MS, () => this.#save())
  }

  /** What is open stays so: whoever closes the state saves it. */
  stop(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = null
  }

  #save(): void {
    this.stop()
    this.#entries = 0
    this.#bytes = 0
    this.#host.state.save()
  }
}
