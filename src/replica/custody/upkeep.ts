/**
 * What keeps the disk bounded: checkpoints of the database, the log's front let go behind them,
 * and copies of the state for followers that need what is gone (DESIGN §4).
 *
 * ```
 *            enough is dirty              too much is            complete
 *   idle ──────────────────► passive ──────────────────► reset ───────────► idle
 *    │                          └── else ──► idle          ▲ │ (apply pauses)
 *    └── a copy is wanted ────► passive ───────────────────┘ └► copy ─────► idle
 * ```
 * Nothing is done where nothing was applied: an idle node is silent on disk.
 */
import type { Entry, EntryId, Input, LogIndex, Raft, SnapshotMeta } from '../../raft/mod.ts'
import type { StateMachine } from '../../state/mod.ts'
import type { LogPort, StorePort } from '../ports.ts'
import { Saving } from './saving.ts'

export interface UpkeepConfig {
  /** Written to the database and not in its own file: past it a checkpoint begins. */
  readonly checkpointBytes: number
  /** Past it apply pauses for the rest of it, so that the file beside the database starts anew. */
  readonly resetBytes: number
  /** Of the log, kept for followers that were away for a moment. */
  readonly tailBytes: number
  /** Of the log: past it live followers, too, are left to a snapshot. */
  readonly logBytesMax: number
  /** A follower that was not heard for so long is left to a snapshot. */
  readonly followerGoneMs: number
}

export interface UpkeepHost {
  readonly raft: Raft
  readonly state: StateMachine
  readonly log: LogPort
  readonly store: StorePort
  nowMs(): number
  setTimer(ms: number, run: () => void): () => void
  /** What is committed waits while apply is off. */
  setApplying(on: boolean): void
  /** What is copied is not what it should be. */
  wrong(finding: string): void
  /** At once: the core must know before it reads the log again. */
  step(input: Input): void
}

/** Between two looks at how much is dirty. */
const LOOK_MS = 100
/** After a copy that was not made: the disk was full, or a checkpoint did not get through. */
const RETRY_MS = 1_000
/** A copy that nobody asked for so long is dropped. */
const UNUSED_MS = 60_000

/** Somebody waits for a copy; `byHand`: it stays until the next one. */
interface Taker {
  readonly byHand: boolean
  readonly done: (meta: SnapshotMeta | null) => void
}

export class Upkeep {
  readonly #host: UpkeepHost
  readonly #config: UpkeepConfig
  #busy = false
  /** Applied, and durable in the database. */
  #durable: LogIndex
  /** Of the log, when that was found. */
  #logBytes = 0
  #dirtyBefore = 0
  #lookedAt: LogIndex = 0
  #nextLookMs = 0
  #nextCopyMs = 0
  #kept: SnapshotMeta | null = null
  /** It was taken by hand: it stays. */
  #keptByHand = false
  #usedMs = 0
  #takers: Taker[] = []
  #checkpoints = 0
  #copies = 0
  readonly #saving: Saving

  constructor(host: UpkeepHost, config: UpkeepConfig) {
    this.#host = host
    this.#saving = new Saving(host)
    this.#config = config
    this.#durable = host.raft.compacted
  }

  /** Whether files are being worked on: nothing may be put in their place meanwhile. */
  get busy(): boolean {
    return this.#busy
  }

  /** The copy that others may fetch. */
  get snapshot(): EntryId | null {
    return this.#kept?.snapshot ?? null
  }

  metrics(): readonly (readonly [string, number])[] {
    return [
      ['rollcall_durable_applied_index', this.#durable],
      ['rollcall_log_compacted_index', this.#host.raft.compacted],
      ['rollcall_checkpoints_total', this.#checkpoints],
      ['rollcall_snapshots_made_total', this.#copies],
    ]
  }

  /** Takes a copy now, whoever needs it. Null: it could not be made. */
  take(done: (snapshot: EntryId | null) => void): void {
    this.#takers.push({ byHand: true, done: (meta) => done(meta?.snapshot ?? null) })
  }

  /** A copy of what was applied after `after`, for a member that cannot trust its state. */
  offer(after: LogIndex, done: (meta: SnapshotMeta | null) => void): void {
    this.#usedMs = this.#host.nowMs()
    if (this.#kept !== null && this.#kept.snapshot.index > after) done(this.#kept)
    else this.#takers.push({ byHand: false, done })
  }

  /** A batch was applied. */
  applied(entries: readonly Entry[]): void {
    this.#saving.applied(entries)
  }

  stop(): void {
    this.#saving.stop()
  }

  /** Another database is in place, and durable. */
  installed(index: LogIndex): void {
    this.#durable = index
    this.#dirtyBefore = 0
    this.#logBytes = this.#host.log.stats().bytesWritten
  }

  /** Looks for something to do. Cheap: it is called at the end of each turn. */
  endOfTurn(): void {
    if (this.#busy) return
    const nowMs = this.#host.nowMs()
    if (this.#wantsCopy(nowMs)) return this.#copy()
    const { revision } = this.#host.state
    if (revision === this.#lookedAt || revision === this.#durable || nowMs < this.#nextLookMs)
      return
    this.#nextLookMs = nowMs + LOOK_MS
    this.#lookedAt = revision
    if (this.#isDue()) this.#checkpoint()
  }

  #isDue(): boolean {
    const { store, log } = this.#host
    const { dirtyBytes } = store
    if (dirtyBytes < this.#dirtyBefore) this.#dirtyBefore = 0 // The file was begun anew.
    if (dirtyBytes - this.#dirtyBefore >= this.#config.checkpointBytes) return true
    // No less is ever let go, so that little needs no checkpoint either.
    return log.stats().bytesWritten - this.#logBytes >= this.#config.tailBytes
  }

  /** *Durable applied index*: the one read before a checkpoint that was complete. */
  #checkpoint(): void {
    const { state, store, log } = this.#host
    this.#busy = true
    state.save() // A checkpoint moves what is committed, and no more.
    const index = state.savedIndex
    const { bytesWritten } = log.stats()
    store.checkpoint('passive', (complete) => {
      this.#dirtyBefore = store.dirtyBytes
      if (complete) this.#becameDurable(index, bytesWritten)
      if (this.#dirtyBefore < this.#config.resetBytes) this.#busy = false
      else this.#reset(() => (this.#busy = false))
    })
  }

  /** The rest, with apply paused: under constant writes nothing else ends. */
  #reset(then: (complete: boolean) => void): void {
    const { state, store, log } = this.#host
    this.#host.setApplying(false)
    state.save()
    const index = state.savedIndex
    const { bytesWritten } = log.stats()
    store.checkpoint('reset', (complete) => {
      this.#dirtyBefore = store.dirtyBytes
      if (complete) this.#becameDurable(index, bytesWritten)
      then(complete)
      this.#host.setApplying(true)
    })
  }

  #becameDurable(index: LogIndex, logBytes: number): void {
    this.#checkpoints += 1
    this.#durable = Math.max(this.#durable, index)
    this.#logBytes = logBytes
    const { tailBytes, logBytesMax } = this.#config
    const { raft, log, store } = this.#host
    // Who fetches a snapshot, or has just installed it, must not need another one by then.
    const bytesMax = logBytesMax + (this.#kept === null ? 0 : store.snapshotBytes)
    const bounds = { durable: this.#durable, needed: this.#needed(), tailBytes, bytesMax }
    const at = log.compact(bounds)
    if (at.index > raft.compacted) this.#host.step({ type: 'compacted', at })
  }

  /** What live followers that replicate hold, and where a snapshot on its way ends. */
  #needed(): LogIndex {
    const { raft } = this.#host
    const nowMs = this.#host.nowMs()
    let needed = Infinity
    for (const { match, state, lastAckMs, witness } of raft.progress) {
      if (witness) continue // What it lacks is made up for by an offer of a few bytes.
      if (nowMs - lastAckMs > this.#config.followerGoneMs) continue
      if (state !== 'snapshot') needed = Math.min(needed, match)
      else if (this.#kept !== null) needed = Math.min(needed, this.#kept.snapshot.index)
    }
    return needed
  }

  #wantsCopy(nowMs: number): boolean {
    const { raft, state, store } = this.#host
    if (state.membershipBytes === null) {
      for (const { done } of this.#takers.splice(0)) done(null)
      return false
    }
    if (this.#takers.length > 0) return true
    if (this.#isAskedForCopy(nowMs)) {
      this.#usedMs = nowMs
      const isUsable = this.#kept !== null && this.#kept.snapshot.index >= raft.compacted
      return !isUsable && nowMs >= this.#nextCopyMs
    }
    if (this.#kept !== null && !this.#keptByHand && nowMs - this.#usedMs > UNUSED_MS) {
      this.#host.step({ type: 'snapshot_ready', meta: null })
      this.#kept = null
      store.dropSnapshot()
    }
    return false
  }

  #isAskedForCopy(nowMs: number): boolean {
    return this.#host.raft.progress.some(({ state, witness, lastAckMs }) => {
      return state === 'snapshot' && !witness && nowMs - lastAckMs <= this.#config.followerGoneMs
    })
  }

  /** What is long is done first, while apply goes on: the pause is for the rest. */
  #copy(): void {
    this.#busy = true
    const takers = this.#takers.splice(0)
    this.#host.state.save()
    this.#host.store.checkpoint('passive', () => {
      this.#reset((complete) => this.#copyWhole(complete, takers))
    })
  }

  /** Nothing checkpoints while it is copied: so the database's own file stays as it is. */
  #copyWhole(complete: boolean, takers: readonly Taker[]): void {
    const { state, store } = this.#host
    const { membershipBytes: membership, membershipIndex } = state
    if (!complete || membership === null) return this.#copied(null, takers)
    const snapshot = { index: state.appliedIndex, term: state.appliedTerm }
    const meta = { snapshot, membershipIndex, membership }
    // The one before is dropped: nobody may be sent there any more.
    this.#host.step({ type: 'snapshot_ready', meta: null })
    this.#kept = null
    store.keepSnapshot(snapshot, (result) => {
      this.#copied(result === 'kept' ? meta : null, takers)
      if (typeof result === 'object') this.#host.wrong(result.wrong)
    })
  }

  #copied(meta: SnapshotMeta | null, takers: readonly Taker[]): void {
    this.#busy = false
    this.#usedMs = this.#host.nowMs()
    if (meta === null) {
      this.#nextCopyMs = this.#usedMs + RETRY_MS
    } else {
      this.#kept = meta
      this.#keptByHand = takers.some(({ byHand }) => byHand)
      this.#copies += 1
      this.#host.step({ type: 'snapshot_ready', meta })
    }
    for (const { done } of takers) done(meta)
  }
}
