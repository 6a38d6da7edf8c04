/**
 * A follower whose leader's log starts beyond its own: fetches the snapshot that it is offered,
 * and puts it in the place of its state and log. The core says what is wanted; offers that are
 * late, repeated or no longer needed are dropped there.
 *
 * And a fenced one (`fence.ts`), whose log is whole: it replaces its state alone. What it fetches
 * is looked into first, lest it trade one bad state for another.
 */
import type { Raft } from '../../raft/mod.ts'
import type { Logger } from '../../lib/logger.ts'
import type { StateOffer } from '../../mesh/peer.ts'
import type { Fence } from './fence.ts'
import type { StorePort } from '../ports.ts'

export interface CatchUpHost {
  readonly raft: Raft
  readonly fence: Fence
  readonly store: StorePort
  readonly logger: Logger
  /** There is nothing to fetch: what is offered is all that a witness keeps. */
  readonly isWitness: boolean
  nowMs(): number
  /** Where that node is reached, without a url by asking it to dial; null: it was never met. */
  placeOf(id: string): { readonly url: string | null } | null
  /** Whether the files may be changed now. */
  mayInstall(): boolean
  turnSoon(): void
  /** State and log on disk are the snapshot's now. */
  installed(offer: StateOffer): void
  /** The state alone is; the log on disk is as it was. */
  replaced(offer: StateOffer): void
}

interface Fetch {
  readonly offer: StateOffer
  readonly cancel: () => void
  state: 'fetching' | 'whole' | 'examining' | 'sound' | 'over'
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
    const { raft, fence, store, isWitness } = this.#host
    const wanted = raft.wantedSnapshot ?? fence.wanted
    if (this.#fetch !== null && !isSame(this.#fetch.offer, wanted)) this.#end()
    if (wanted === null) return
    if (isWitness) {
      if (!this.#host.mayInstall()) return
      store.installPlace(wanted)
      this.#installs += 1
      return this.#host.installed(wanted)
    }
    if (this.#fetch === null) return this.#begin(wanted)
    if (this.#fetch.state === 'over') return this.#later()
    if (this.#fetch.state === 'whole' && fence.reason !== null) {
      return this.#examine(this.#fetch)
    }
    const isReady = this.#fetch.state === 'whole' || this.#fetch.state === 'sound'
    if (isReady && this.#host.mayInstall()) this.#install(wanted, this.#fetch)
  }

  /** Who was sent a bad state once looks before it trusts another one. */
  #examine(fetch: Fetch): void {
    fetch.state = 'examining'
    this.#host.store.examineFetched((finding) => {
      fetch.state = finding === null ? 'sound' : 'over'
      if (finding !== null) {
        const { from, snapshot } = fetch.offer
        const fields = { from, index: snapshot.index, finding }
        this.#host.logger.error('the snapshot of another node is damaged, too', fields)
      }
      this.#host.turnSoon()
    })
  }

  #install(wanted: StateOffer, { state }: Fetch): void {
    const { raft, store, fence } = this.#host
    const isForCore = raft.wantedSnapshot !== null
    if (!isForCore && !fence.holds(wanted)) return // The log is on its way there.
    this.#fetch = null
    if (!store.install(wanted, isForCore ? 'restart' : 'keep')) {
      this.#notBeforeMs = this.#host.nowMs() + RETRY_MS
      return fence.refused()
    }
    this.#installs += 1
    if (isForCore) this.#host.installed(wanted)
    else this.#host.replaced(wanted)
    if (state === 'sound') fence.lifted()
  }

  stop(): void {
    this.#end()
  }

  #begin(offer: StateOffer): void {
    const { logger, store } = this.#host
    if (this.#host.nowMs() < this.#notBeforeMs) return
    const place = this.#host.placeOf(offer.from)
    if (place === null) {
      logger.warn('a snapshot is needed from a node that was never met', { from: offer.from })
      this.#notBeforeMs = this.#host.nowMs() + 10 * RETRY_MS
      return
    }
    const { index, term } = offer.snapshot
    logger.info('fetching a snapshot', { from: offer.from, index, term })
    const cancel = store.fetch(offer, place.url, {
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
    this.#host.fence.refused()
    this.#notBeforeMs = this.#host.nowMs() + RETRY_MS
  }

  #end(): void {
    this.#fetch?.cancel()
    this.#fetch = null
  }
}

function isSame(a: StateOffer, b: StateOffer | null): boolean {
  if (b === null || a.from !== b.from) return false
  return a.snapshot.index === b.snapshot.index && a.snapshot.term === b.snapshot.term
}
