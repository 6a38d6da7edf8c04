import { assert, present } from '../lib/assert.ts'
import type { Entry, EntryId, LogIndex, LogReader, LogWrite, StoredLog } from '../raft/mod.ts'
import { entryBytes } from '../raft/mod.ts'
import { Appender } from './appender.ts'
import { createLog, createSegment } from './create.ts'
import type { Disk } from './disk.ts'
import { commandBytesMax, entryBytesMax } from './entry-bounds.ts'
import { asError } from './errors.ts'
import { EMPTY_BYTES } from '../lib/bytes.ts'
import { BLOCK_BYTES, FORMAT_VERSION } from './layout.ts'
import { LogFiles } from './log-files.ts'
import type { Identity } from './records.ts'
import { judge } from './recovery.ts'
import type { Verdict } from './recovery.ts'
import { markVoid } from './replay.ts'
import type { Recovered } from './replay.ts'
import { droppable } from './compaction.ts'
import type { CompactionBounds, SegmentInUse } from './compaction.ts'
import { SegmentAllocator } from './segment-allocator.ts'
import { firstSegmentBytes, nextSegmentBytes, segmentName } from './segment.ts'
import type { Segment } from './segment.ts'
import type { WalOptions, WalStats } from './wal-options.ts'
import { OPENING_BYTES_MAX, WriteQueue } from './write-queue.ts'

/** After so long without a write the end of the log is recorded, once. */
const QUIET_MS = 1_000
/** A full disk is announced while a quarter of the segment is left, for votes and the like. */
const RESERVE = 4

interface Flight {
  readonly sequence: number
  readonly dones: readonly (() => void)[]
}

/** 16 MiB: small enough to be made in no time, large enough that fsync of a directory is rare. */
export const SEGMENT_BYTES = 16 * 1024 * 1024

/**
 * The log on disk: batches in pre-zeroed segments, one fdatasync for all writes that came while
 * the last one was under way (DESIGN §3). Synchronous but for that fdatasync, over the `Disk`
 * port: the simulator runs this class.
 */
export class Wal implements LogReader {
  #recovered: Recovered
  readonly #disk: Disk
  readonly #options: WalOptions
  readonly #appender: Appender
  readonly #allocator: SegmentAllocator
  readonly #files: LogFiles
  readonly #queue = new WriteQueue()
  /** Index of the last entry handed to `write`. */
  #last: LogIndex
  /** Whose writes are covered by the fdatasync that is under way. */
  #flight: Flight | null = null
  #state: 'open' | 'failed' | 'closed' = 'open'
  #syncs = 0
  /** In order; the last one is written on. */
  #segments: SegmentInUse[]
  /** When the last write was seen by `tick`; null: since the last tick. */
  #lastWriteMs: number | null = null

  /**
   * Opens the log in `disk`, or makes a new one where there is none. When it returns, all that
   * was recovered is durable, and the identity too. Throws `WalDamaged` and `WalMismatch` with
   * nothing changed on disk, and errors of the disk.
   */
  static open(disk: Disk, options: WalOptions): Wal {
    assert(options.segmentBytes % BLOCK_BYTES === 0, 'a segment is a number of whole blocks')
    assert(options.segmentBytes >= 4 * OPENING_BYTES_MAX, 'a segment holds more than its opening')
    const { appliedTerm = null, installed = null, foundedAnew = null, witness = false } = options
    const expected = { ...options, appliedTerm, installed, witness }
    let verdict = judge(disk, expected)
    if (verdict === null) {
      const nodeId = options.nodeId ?? options.newNodeId()
      const identity = {
        nodeId,
        incarnation: options.newIncarnation(),
        clusterId: null,
        formatVersion: FORMAT_VERSION,
        witness,
      }
      const { segmentBytes } = options
      createLog(disk, { identity, segmentBytes, secret: options.newIncarnation() })
      verdict = judge(disk, expected)
    }
    assert(verdict !== null, 'a log that was made can be opened')
    verdict.repair()
    const wal = new Wal(disk, options, verdict)
    if (verdict.restartAt !== null) wal.restart(verdict.restartAt, foundedAnew)
    return wal
  }

  private constructor(disk: Disk, options: WalOptions, verdict: Verdict) {
    const { replay, segments, spare } = verdict
    const segment = segments.at(-1)
    assert(segment !== undefined, 'a log has a segment')
    for (const older of segments.slice(0, -1)) older.file.close()
    this.#recovered = replay.recovered()
    this.#disk = disk
    this.#options = options
    this.#last = this.#recovered.last.index
    this.#segments = segments.map(({ capacity }, i) => {
      const { number, after, isVoid } = present(replay.openings[i], 'a segment in use was opened')
      return { number, after, isVoid, capacity }
    })
    this.#appender = new Appender({
      ...this.#recovered,
      marker: replay.marker,
      identity: replay.identity,
      index: replay.index,
      segment,
      end: verdict.end,
      chain: verdict.chain,
    })
    this.#files = new LogFiles(disk, replay.index)
    const onReady = (): void => this.#flush()
    const onFailure = (error: Error): void => this.#fail(error)
    this.#allocator = new SegmentAllocator(
      { disk, used: () => this.#used, onReady, onFailure },
      spare,
    )
    this.#requestNext()
  }

  /** What was found at the start, or what `restart` left. */
  get recovered(): Recovered {
    return this.#recovered
  }

  get identity(): Identity {
    return this.#appender.identity
  }

  /** What the core starts from. */
  get storedLog(): StoredLog {
    const { snapshot, last, terms } = this.#recovered
    return { compacted: snapshot, last, terms, reader: this }
  }

  /**
   * False where the log is about to run out of disk: whoever would write is refused (429), reads
   * go on. Turns true again when space was freed. What is written anyway still finds the reserve;
   * behind that, writes wait.
   */
  get acceptsWrites(): boolean {
    if (this.#state !== 'open') return false
    if (this.#allocator.ready !== null || !this.#allocator.failing) return true
    const reserve = this.#appender.segment.capacity / RESERVE
    return this.#appender.freeBytes - this.#queue.bytes > reserve
  }

  /**
   * Makes `write` durable and then calls `done`; in call order. Entries at and behind the first
   * one given replace those stored before. After a failure, or after `close`, nothing happens and
   * `done` is never called.
   */
  write(write: LogWrite, done: () => void): void {
    if (this.#state !== 'open') return
    this.#checkWrite(write.entries)
    this.#last = write.entries.at(-1)?.index ?? this.#last
    this.#queue.push(write, done)
    this.#lastWriteMs = null
    this.#flush()
  }

  #checkWrite(entries: readonly Entry[]): void {
    const first = entries[0]?.index
    if (first === undefined) return
    assert(first <= this.#last + 1, 'the log has no gap')
    assert(first > this.start.index, 'the log is not written before its start')
    const bytesMax = entryBytesMax(this.#options.segmentBytes)
    for (const entry of entries) assert(entryBytes(entry) <= bytesMax, 'an entry fits in a segment')
  }

  /** The largest command that fits into the log. */
  get commandBytesMax(): number {
    return commandBytesMax(this.#options.segmentBytes)
  }

  /** Binds the log to its cluster, once in its life. Durable when it returns. */
  setClusterId(clusterId: string): void {
    assert(this.#state === 'open', 'the log is open')
    if (this.identity.clusterId === clusterId) return
    assert(this.identity.clusterId === null, 'a log belongs to one cluster')
    try {
      const written = this.#appender.appendIdentity({ ...this.identity, clusterId })
      if (!written) throw new Error('no room in the log for the name of the cluster')
      this.#syncNow()
    } catch (error) {
      this.#fail(asError(error))
      throw error
    }
    this.#lastWriteMs = null
  }

  /**
   * Entries that were persisted, from `from` to at most `to`, about `bytesMax` at most and one at
   * least. Throws `WalDamaged` where the disk gives back something else than was written.
   */
  read(from: LogIndex, to: LogIndex, bytesMax: number): readonly Entry[] {
    assert(this.#state !== 'closed', 'the log is open')
    return this.#files.read({ from, to, bytesMax }, this.#appender.segment)
  }

  /** The entry that the log starts after. */
  get start(): EntryId {
    return (this.#segments[0] as SegmentInUse).after
  }

  /**
   * Removes segments from the front, as far as `bounds` allow. Returns the entry that the log
   * starts after now. What is left stands on its own: every segment says where it begins.
   */
  compact(bounds: CompactionBounds): EntryId {
    if (this.#state !== 'open') return this.start
    try {
      for (let count = this.#droppable(bounds); count > 0; count = this.#droppable(bounds)) {
        for (let i = 0; i < count; i++) this.#dropOldest()
      }
    } catch (error) {
      this.#fail(asError(error))
    }
    return this.start
  }

  #droppable(bounds: CompactionBounds): number {
    const { isOpeningDurable } = this.#appender
    return droppable(this.#segments, bounds, { usedBytes: this.#usedBytes, isOpeningDurable })
  }

  /** Durable before the next one goes, so that no power cut leaves a gap. */
  #dropOldest(): void {
    const oldest = present(this.#segments.shift(), 'there is an oldest segment')
    const { number } = present(this.#segments[0], 'the segment in use stays')
    this.#files.drop(number)
    this.#disk.remove(segmentName(oldest.number))
    this.#disk.syncDirectory()
  }

  get #usedBytes(): number {
    let bytes = -this.#appender.freeBytes
    for (const { capacity } of this.#segments) bytes += capacity
    return bytes
  }

  /**
   * The database is a snapshot of `at`, which this log does not hold: it starts anew after that
   * entry, with its hard state kept (DESIGN §4). What waits to be written loses its entries.
   * Durable when it returns; it blocks. `foundedAnew`: as in `WalOptions`.
   */
  restart(at: EntryId, foundedAnew: string | null = null): void {
    assert(this.#state === 'open', 'the log is open')
    assert(at.index > this.start.index, 'a log restarts ahead')
    try {
      this.#restart(at, foundedAnew ?? this.identity.clusterId)
    } catch (error) {
      this.#fail(asError(error))
      throw error
    }
  }

  #restart(at: EntryId, clusterId: string | null): void {
    // A write on its way stays that, and holds up the next: that its sync failed must be heard.
    this.#syncNow()
    this.#queue.restart(at.term)
    const old = this.#appender.segment
    const next = this.#nextSegmentNow(old.number + 1)
    this.#appender.restart(next, at, clusterId)
    this.#syncNow()
    old.file.close()
    this.#addSegment(next, at)
    while (this.#segments.length > 1) this.#dropOldest()
    this.#last = at.index
    const { hardState } = this.#appender
    const nothing = { first: null, terms: [], memberships: [] }
    this.#recovered = { ...nothing, hardState, last: at, snapshot: at }
    this.#requestNext()
    this.#lastWriteMs = null
    this.#flush()
  }

  #nextSegmentNow(number: number): Segment {
    this.#allocator.reset()
    if (this.#allocator.ready !== null) return this.#allocator.take()
    const bytes = firstSegmentBytes(this.#options.segmentBytes)
    return createSegment(this.#disk, { number, bytes, opening: EMPTY_BYTES })
  }

  /** Whether time has to pass for something to happen: then `tick` wants to be called. */
  get busy(): boolean {
    if (this.#state !== 'open') return false
    return this.#allocator.busy || this.#appender.owesRecord || !this.#queue.isEmpty
  }

  /** Time passes. Wants to be called a few times a second, on any monotonic clock. */
  tick(nowMs: number): void {
    if (this.#state !== 'open') return
    this.#allocator.tick(nowMs)
    this.#flush()
    this.#lastWriteMs ??= nowMs
    if (nowMs - this.#lastWriteMs >= QUIET_MS) this.#recordEnd()
  }

  /**
   * Writes what is waiting, records the end and closes. The `done`s of what was waiting are not
   * called: nobody is there any more to be told.
   */
  close(): void {
    if (this.#state === 'closed') return
    try {
      if (this.#state === 'open') this.#finish()
    } catch (error) {
      this.#fail(asError(error))
    }
    this.#state = 'closed'
    this.#allocator.close()
    this.#files.close()
    this.#appender.segment.file.close()
  }

  stats(): WalStats {
    const spare = this.#allocator.ready?.capacity ?? 0
    const { batches, bytesWritten } = this.#appender
    return {
      walBytes: this.#usedBytes + this.#appender.freeBytes + spare,
      segments: this.#segments.length + (spare > 0 ? 1 : 0),
      batches,
      syncs: this.#syncs,
      bytesWritten,
    }
  }

  /**
   * The next batch with all that waits, unless one is on its way. Invariant: at most one batch is
   * written and not durable, so a power cut tears at most the last one (`setClusterId` apart).
   */
  #flush(): void {
    if (this.#flight !== null || this.#queue.isEmpty || this.#state !== 'open') return
    try {
      const dones = this.#appendQueued()
      if (dones !== null) this.#sync(dones)
    } catch (error) {
      this.#fail(asError(error))
    }
  }

  /** Null where the writes have to wait for the next segment. */
  #appendQueued(): readonly (() => void)[] | null {
    let taken = this.#appender.appendFrom(this.#queue)
    if (taken === null) {
      if (!this.#roll()) return null
      taken = this.#appender.appendFrom(this.#queue)
    }
    const { runs, dones } = present(taken, 'any write fits in a new segment')
    for (const { first } of runs) markVoid(this.#segments, first)
    return dones
  }

  #roll(): boolean {
    if (this.#allocator.ready === null) {
      this.#allocator.hurry()
      return false
    }
    const { segment, last } = this.#appender
    const next = this.#allocator.take()
    this.#appender.roll(next)
    this.#addSegment(next, last)
    segment.file.close()
    this.#requestNext()
    return true
  }

  #addSegment({ number, capacity }: Segment, after: EntryId): void {
    this.#segments.push({ number, after, isVoid: false, capacity })
  }

  #requestNext(): void {
    const { number, capacity } = this.#appender.segment
    this.#allocator.request(number + 1, nextSegmentBytes(capacity, this.#options.segmentBytes))
  }

  /** How much of the segment in use is used up, with what waits to be written. */
  get #used(): number {
    const { segment, freeBytes } = this.#appender
    return (segment.capacity - freeBytes + this.#queue.bytes) / segment.capacity
  }

  #sync(dones: readonly (() => void)[]): void {
    const { sequence, segment } = this.#appender
    const flight = { sequence, dones }
    this.#flight = flight
    this.#syncs += 1
    segment.file.sync((error) => {
      this.#onSynced(flight, error)
    })
  }

  #onSynced(flight: Flight, error: Error | null): void {
    if (this.#state !== 'open') return
    assert(this.#flight === flight, 'one write is on its way')
    this.#flight = null
    if (error !== null) return this.#fail(error)
    this.#appender.confirm(flight.sequence)
    this.#flush() // First, so that the disk works while the writes are answered.
    for (const done of flight.dones) {
      if (!this.#isOpen()) return
      done()
    }
    if (this.#isOpen()) this.#allocator.step()
  }

  /** A function, since the state changes behind the compiler's back. */
  #isOpen(): boolean {
    return this.#state === 'open'
  }

  #syncNow(): void {
    const { sequence, segment } = this.#appender
    segment.file.syncNow()
    this.#syncs += 1
    this.#appender.confirm(sequence)
  }

  /** One empty batch says that all before it is durable. Then the disk is silent. */
  #recordEnd(): void {
    if (!this.#appender.owesRecord || this.#flight !== null || !this.#queue.isEmpty) return
    try {
      if (!this.#appender.appendEmpty() && !(this.#roll() && this.#appender.appendEmpty())) return
      this.#sync([])
    } catch (error) {
      this.#fail(asError(error))
    }
  }

  /** All that waits, as far as there is room, and the record of the end. */
  #finish(): void {
    this.#syncNow()
    while (!this.#queue.isEmpty && this.#appendQueued() !== null) this.#syncNow()
    if (this.#appender.owesRecord && this.#appender.appendEmpty()) this.#syncNow()
  }

  /** Never tried again: what the kernel could not write it may have forgotten (fsyncgate). */
  #fail(error: Error): void {
    if (this.#state !== 'open') return
    this.#state = 'failed'
    this.#queue.clear()
    this.#options.onFailure(error)
  }
}
