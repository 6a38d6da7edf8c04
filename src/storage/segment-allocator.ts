import { assert } from '../lib/assert.ts'
import type { Disk, DiskFile } from './disk.ts'
import { asError, isOutOfSpace } from './errors.ts'
import { segmentName, segmentOf, UNFINISHED_SEGMENT, ZEROS } from './segment.ts'
import type { Segment } from './segment.ts'

/** How long a full disk is left alone. */
const RETRY_MS = 1_000

interface Options {
  readonly disk: Disk
  /** How much of the segment in use is used up, 0 to 1: the next one keeps ahead of it. */
  used(): number
  onReady(): void
  /** Any error but "no space": the process ends. */
  onFailure(error: Error): void
}

interface Filling {
  readonly number: number
  readonly bytes: number
  readonly file: DiskFile
  at: number
  syncing: boolean
}

/**
 * Makes the next segment before it is needed: zeros in small chunks, each synced before the next
 * is written, so that neither the event loop nor the log's own fdatasync ever waits for a whole
 * segment. Then it gets its name, and the name is made durable.
 *
 * What cannot be had whole is not begun: as it grew it would take the last of the room, if only for
 * a moment, and the database ends the process when it finds none. So as much as a segment is spared
 * for the database, as long as no write waits for this one.
 *
 * ```
 *   idle ──request──▶ filling ──last chunk synced──▶ ready ──take──▶ idle
 *                       │  ▲
 *              no space ▼  │ RETRY_MS later
 *                      paused (failing)
 * ```
 */
export class SegmentAllocator {
  readonly #options: Options
  #wanted: { readonly number: number; readonly bytes: number } | null = null
  #filling: Filling | null = null
  #ready: Segment | null = null
  #failing = false
  #paused = false
  #retryMs: number | null = null
  #urgent = false
  #closed = false

  constructor(options: Options, ready: Segment | null) {
    this.#options = options
    this.#ready = ready
  }

  get ready(): Segment | null {
    return this.#ready
  }

  /** Whether the last attempt found no space, until one succeeds. */
  get failing(): boolean {
    return this.#failing
  }

  /** Whether there is something to do now, so that `tick` wants to be called. */
  get busy(): boolean {
    return this.#wanted !== null && (this.#paused || this.#isDue())
  }

  /** Asks for segment `number` of `bytes`; the work is done by `step`. */
  request(number: number, bytes: number): void {
    assert(bytes > 0, 'a segment has a size')
    assert(this.#wanted === null, 'one segment is made at a time')
    if (this.#ready === null) this.#wanted = { number, bytes }
  }

  /** Hands out the segment that is ready. */
  take(): Segment {
    const segment = this.#ready
    assert(segment !== null, 'a segment is ready')
    this.#ready = null
    this.#urgent = false
    return segment
  }

  /** Forgets what was asked for; a segment that is ready stays. */
  reset(): void {
    if (this.#filling !== null) this.#abandon()
    this.#wanted = null
    this.#urgent = false
  }

  /** A write waits for the segment: no pause between the chunks. */
  hurry(): void {
    this.#urgent = true
    this.step()
  }

  tick(nowMs: number): void {
    if (this.#paused) {
      this.#retryMs ??= nowMs + RETRY_MS
      if (nowMs < this.#retryMs) return
      this.#paused = false
      this.#retryMs = null
    }
    this.step()
  }

  /** Writes one chunk, unless there is nothing to do or the last one is still on its way. */
  step(): void {
    if (this.#wanted === null || this.#paused || this.#closed) return
    if (this.#filling?.syncing === true || !(this.#urgent || this.#isDue())) return
    try {
      if (!this.#hasRoom(this.#wanted.bytes)) return this.#pause()
      const filling = (this.#filling ??= this.#begin(this.#wanted))
      const left = filling.bytes - filling.at
      const chunk = ZEROS.subarray(0, Math.min(ZEROS.length, left))
      filling.file.write(filling.at, chunk)
      filling.at += chunk.length
      filling.syncing = true
      filling.file.sync((error) => this.#onSynced(filling, error))
    } catch (error) {
      this.#fail(asError(error))
    }
  }

  /**
   * The next segment is filled twice as fast as the one in use is used up: never all at once,
   * which would hold up the log's own syncs, and always in time.
   */
  #isDue(): boolean {
    if (this.#wanted === null) return false
    return (this.#filling?.at ?? 0) <= 2 * this.#options.used() * this.#wanted.bytes
  }

  /** For what is left to fill and, while no write waits for it, for as much again. */
  #hasRoom(bytes: number): boolean {
    const left = bytes - (this.#filling?.at ?? 0)
    return this.#options.disk.freeBytes() >= left + (this.#urgent ? 0 : bytes)
  }

  #begin({ number, bytes }: { readonly number: number; readonly bytes: number }): Filling {
    const file = this.#options.disk.open(UNFINISHED_SEGMENT, { create: true })
    assert(file !== null, 'a created file is open')
    file.truncate(0)
    return { number, bytes, file, at: 0, syncing: false }
  }

  #onSynced(filling: Filling, error: Error | null): void {
    if (this.#closed) return
    if (this.#filling !== filling) {
      // Nobody needs that file any more; but a disk that fails is heard, whatever it failed at.
      if (error !== null && !isOutOfSpace(error)) this.#options.onFailure(error)
      return
    }
    filling.syncing = false
    if (error !== null) return this.#fail(error)
    if (filling.at < filling.bytes) {
      if (this.#urgent) this.step()
      return
    }
    try {
      this.#finish(filling)
    } catch (thrown) {
      return this.#fail(asError(thrown))
    }
    this.#options.onReady()
  }

  #finish({ number, bytes, file }: Filling): void {
    const { disk } = this.#options
    disk.rename(UNFINISHED_SEGMENT, segmentName(number))
    disk.syncDirectory()
    this.#filling = null
    this.#wanted = null
    this.#failing = false
    this.#ready = segmentOf(number, file)
    assert(this.#ready.capacity === bytes, 'a segment is as large as asked')
  }

  #fail(error: Error): void {
    if (isOutOfSpace(error)) this.#pause()
    else this.#options.onFailure(error)
  }

  #pause(): void {
    this.#abandon()
    this.#failing = true
    this.#paused = true
  }

  /** Gives the space back: the database needs it more. */
  #abandon(): void {
    this.#filling?.file.close()
    this.#filling = null
    try {
      this.#options.disk.remove(UNFINISHED_SEGMENT)
    } catch {
      // There may be no such file; the next attempt, or the next start, takes care of it.
    }
  }

  close(): void {
    this.#closed = true
    if (this.#filling !== null) this.#abandon()
    this.#ready?.file.close()
  }
}
