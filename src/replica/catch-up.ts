/**
 * A follower whose leader's log starts beyond its own: fetches the snapshot that it is offered,
 * and puts it in the place of its state and log. The core says what is wanted; offers that are
 * late, repeated or no longer needed are dropped there.
 */
import type { InstallSnapshot, Raft } from '../raft/mod.ts'
import type { Logger } from '../lib/logger.ts'
import type { StorePort } from './ports.ts'

export interface CatchUpHost {
  readonly raft: Raft
  readonly store: StorePort
  readonly logger: Logger
  /** There is nothing to fetch: what is offered is all that a witness keeps. */
  readonly isWitness: boolean
  nowMs(): number
  /** Where that node is reached; null where nobody knows. */
  urlOf(id: string): string | null
  /** Whether the files may be changed now. */
  mayInstall(): boolean
  turnSoon(): void
  /** State and log on disk are the snapshot's now. */
  installed(offer: InstallSnapshot): void
}

interface Fetch {
  readonly offer: InstallSnapshot
  readonly cancel: () => void
  state: 'fetching' | 'whole' | 'over'
  bytes: number
  totalBytes: number
}

/** After a snapshot that could not be had, before the next offer is taken up. */
const RETRY_MS = 500

export class CatchUp {
  readonly #host: CatchUpHost
  #fetch: Fetch | null = null
  #notBeforeMs = 0
  #installs = 0
  #bytes = 0

  constructor(host: CatchUpHost) {
    this.#host = host
  }

  /** How far it is; null where nothing is being fetched. */
  get progress(): { readonly bytes: number; readonly totalBytes: number } | null {
    return this.#fetch
  }

  metrics(): readonly (readonly [string, number])[] {
    return [
      ['rollcall_snapshots_installed_total', this.#installs],
      ['rollcall_snapshot_fetched_bytes_total', this.#bytes],
    ]
  }

  endOfTurn(): void {
    const { raft, store } = this.#host
    const wanted = raft.wantedSnapshot
    if (this.#fetch !== null && !isSame(this.#fetch.offer, wanted)) this.#end()
    if (wanted === null) return
    if (this.#host.isWitness) {
      if (!this.#host.mayInstall()) return
      store.installPlace(wanted)
      return this.#installed(wanted)
    }
    if (this.#fetch === null) return this.#begin(wanted)
    if (this.#fetch.state === 'over') return this.#later()
    if (this.#fetch.state !== 'whole' || !this.#host.mayInstall()) return
    this.#fetch = null
    if (!store.install(wanted)) {
      this.#notBeforeMs = this.#host.nowMs() + RETRY_MS
      return
    }
    this.#installed(wanted)
  }

  #installed(offer: InstallSnapshot): void {
    this.#installs += 1
    this.#host.installed(offer)
  }

  stop(): void {
    this.#end()
  }

  #begin(offer: InstallSnapshot): void {
    const { logger, store } = this.#host
    if (this.#host.nowMs() < this.#notBeforeMs) return
    const url = this.#host.urlOf(offer.from)
    if (url === null) {
      logger.warn('a snapshot is needed from a node without an address', { from: offer.from })
      this.#notBeforeMs = this.#host.nowMs() + 10 * RETRY_MS
      return
    }
    const { index, term } = offer.snapshot
    logger.info('fetching a snapshot', { from: offer.from, index, term })
    const cancel = store.fetch(offer, url, {
      progress: (bytes, totalBytes) => {
        this.#bytes += Math.max(0, bytes - fetch.bytes)
        fetch.bytes = bytes
        fetch.totalBytes = totalBytes
      },
      done: (result) => {
        fetch.state = result === 'whole' ? 'whole' : 'over'
        this.#host.turnSoon()
      },
    })
    const fetch: Fetch = { offer, cancel, state: 'fetching', bytes: 0, totalBytes: 0 }
    this.#fetch = fetch
  }

  #later(): void {
    this.#host.logger.warn('the snapshot cannot be had; waiting for another offer', {})
    this.#end()
    this.#notBeforeMs = this.#host.nowMs() + RETRY_MS
  }

  #end(): void {
    this.#fetch?.cancel()
    this.#fetch = null
  }
}

function isSame(a: InstallSnapshot, b: InstallSnapshot | null): boolean {
  if (b === null || a.from !== b.from) return false
  return a.snapshot.index === b.snapshot.index && a.snapshot.term === b.snapshot.term
}
