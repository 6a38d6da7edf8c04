/**
 * The files under the state machine (DESIGN §4): the live database, what makes it durable, copies
 * of it for others, and those that others gave. Everything slow is done beside the loop.
 *
 * @module
 */
import { closeSync, openSync, read, renameSync, rmSync, statSync } from 'node:fs'
import { open as openFile } from 'node:fs/promises'
import { join } from 'node:path'
import { assert } from '../lib/assert.ts'
import { sameBytes } from '../lib/bytes.ts'
import type { Logger } from '../lib/logger.ts'
import { setTimer } from '../lib/timer.ts'
import { SnapshotFetch, type SnapshotSource, type Stream, type StreamEvents } from '../mesh/mod.ts'
import type { StateOffer } from '../mesh/peer.ts'
import type { EntryId, NodeId } from '../raft/types.ts'
import type { FetchEvents, StorePort } from '../replica/ports.ts'
import { examineState, readApplied, StateMachine, type Sql } from '../state/mod.ts'
import { FetchFile } from './fetch-file.ts'
import type { SqlFactory } from './sqlite.ts'
import type { SqlInMemory } from './sqlite-sqljs.ts'
import { guarded, isDamage, StateDamaged } from './sqlite-guard.ts'
import {
  installedIn,
  makeCurrent,
  openStateFile,
  placeStateFile,
  readFence,
  removeOtherFiles,
  writeFence,
} from './state-file.ts'
import type { StateFile } from './state-file.ts'
import { writePlace } from './witness-state.ts'
import { jobRunner, type JobRunner } from './state-worker.ts'
import type { StateJob, StateJobResult } from './state-jobs.ts'

export interface StateStoreOptions {
  /** The data directory, which this process has locked. */
  readonly dir: string
  readonly sql: SqlFactory
  /** The worker's entry point. */
  readonly worker: URL
  /** Of a copy: a whole disk's worth at once would hold the log up. */
  readonly copyBytesPerSecond: number
  readonly logger: Logger
  openStream(to: NodeId, url: string | null, events: StreamEvents): Stream
  /** As `Wal.restart`. */
  restartLog(at: EntryId): void
  /** A checkpoint failed: the process must end (DESIGN §1.4). */
  onFailure(error: Error): void
}

interface Kept {
  readonly source: SnapshotSource
  readonly path: string
  readonly fd: number
}

export class StateStore implements StorePort {
  readonly state: StateMachine
  readonly #options: StateStoreOptions
  readonly #jobs: JobRunner
  #file: StateFile
  #sql: Sql
  #kept: Kept | null = null
  #fetched: FetchFile | null = null
  #fenced: string | null
  #closed = false

  /**
   * Opens the live database. Throws `StateFileError`, `StateDamaged`, `SchemaError` and errors of
   * the system.
   */
  constructor(options: StateStoreOptions) {
    this.#options = options
    this.#file = openStateFile(options.dir)
    this.#fenced = readFence(options.dir, this.#file)
    this.#sql = this.#open(this.#file.path)
    this.state = StateMachine.open(this.#guarded(this.#sql, this.#file.path))
    this.#jobs = jobRunner(options.sql.driver, options.worker)
  }

  #open(path: string): Sql {
    try {
      return this.#options.sql.open(path)
    } catch (error) {
      throw isDamage(error) ? new StateDamaged(path, error.message, { cause: error }) : error
    }
  }

  #guarded(sql: Sql, path: string): Sql {
    return guarded(sql, path, (error) => this.#fail(error))
  }

  /** The snapshot that the database still is, exactly: what an install would have left. */
  get installed(): EntryId | null {
    const { appliedIndex: index, appliedTerm: term } = this.state
    return installedIn(this.#file, { index, term })
  }

  /** The cluster that was founded anew with that snapshot; null: none was. */
  get foundedAnew(): string | null {
    return this.#file.foundedAnew
  }

  /** Once the directory is known to be in order: removes what earlier processes left behind. */
  tidy(): void {
    removeOtherFiles(this.#options.dir, this.#file)
  }

  get stateBytes(): number {
    return sizeOf(this.#file.path) + sizeOf(`${this.#file.path}-wal`)
  }

  get dirtyBytes(): number {
    return this.#inMemory ? 0 : sizeOf(`${this.#file.path}-wal`)
  }

  get snapshotBytes(): number {
    return this.#kept?.source.bytes ?? 0
  }

  get #inMemory(): boolean {
    return this.#options.sql.driver === 'sql.js'
  }

  checkpoint(kind: 'passive' | 'reset', done: (complete: boolean) => void): void {
    if (this.#inMemory) {
      this.#writeImage().then(
        () => done(true),
        (error: Error) => this.#fail(error),
      )
      return
    }
    const { path } = this.#file
    this.#run({ type: 'checkpoint', path, reset: kind === 'reset' }, (result) => {
      if (!result.ok) return this.#fail(checkpointError(path, result))
      done(result.complete)
    })
  }

  /** Without a file of its own the state is written as one, under a new name. */
  async #writeImage(): Promise<void> {
    const { dir } = this.#options
    const { appliedIndex: index } = this.state
    if (index === this.#file.index) return
    const temporary = join(dir, `state-${index}.tmp`)
    // It was opened by the factory for sql.js, which makes nothing else.
    const image = (this.#sql as SqlInMemory).image()
    await using file = await openFile(temporary, 'w', 0o600)
    await file.writeFile(image)
    await file.sync()
    if (this.#closed || index < this.#file.index) return // A snapshot was installed meanwhile.
    placeStateFile(dir, temporary, index)
    this.#file = makeCurrent(dir, index)
    if (this.#fenced !== null) writeFence(dir, this.#file, this.#fenced) // It is the same state.
    this.#removeOthers()
  }

  #removeOthers(): void {
    removeOtherFiles(this.#options.dir, this.#file, this.#kept?.path ?? null)
  }

  keepSnapshot(at: EntryId, done: Parameters<StorePort['keepSnapshot']>[1]): void {
    const { dir, copyBytesPerSecond: bytesPerSecond } = this.#options
    this.dropSnapshot()
    const to = join(dir, `snapshot-${at.index}.tmp`)
    this.#run({ type: 'copy', from: this.#file.path, to, bytesPerSecond }, (result) => {
      if (!result.ok) {
        rmSync(to, { force: true })
        if (result.code !== 'ENOSPC' && result.code !== 'EDQUOT') {
          return this.#fail(new Error(`a snapshot could not be written: ${result.message}`))
        }
        this.#options.logger.warn('no room for a snapshot', { index: at.index })
        return done('no_room')
      }
      this.#examine(to, (wrong) => {
        if (wrong !== null) {
          rmSync(to, { force: true })
          return done({ wrong })
        }
        this.#keep(at, to, result)
        done('kept')
      })
    })
  }

  #keep(snapshot: EntryId, temporary: string, made: { bytes: number; sha256: string }): void {
    const path = join(this.#options.dir, `snapshot-${snapshot.index}.db`)
    renameSync(temporary, path)
    const fd = openSync(path, 'r')
    const source: SnapshotSource = {
      snapshot,
      bytes: made.bytes,
      sha256: Uint8Array.from(Buffer.from(made.sha256, 'hex')),
      read(at, length, done) {
        const bytes = new Uint8Array(length)
        read(fd, bytes, 0, length, at, (error, count) => {
          done(error === null && count === length ? bytes : null)
        })
      },
    }
    this.#kept = { source, path, fd }
  }

  dropSnapshot(): void {
    if (this.#kept === null) return
    closeSync(this.#kept.fd)
    rmSync(this.#kept.path, { force: true })
    this.#kept = null
  }

  /** What a peer may fetch from here. */
  find(snapshot: EntryId): SnapshotSource | null {
    const source = this.#kept?.source
    if (source?.snapshot.index !== snapshot.index || source.snapshot.term !== snapshot.term) {
      return null
    }
    return source
  }

  get fenced(): string | null {
    return this.#fenced
  }

  fence(reason: string): void {
    this.#fenced = reason
    writeFence(this.#options.dir, this.#file, reason)
  }

  examine(done: (finding: string | null) => void): void {
    if (this.#inMemory) {
      this.state.save() // The look is a transaction of its own, on the same connection.
      return done(examineState(this.#sql))
    }
    const { path } = this.#file
    this.#examine(path, (finding) => done(this.#file.path === path ? finding : null))
  }

  examineFetched(done: (finding: string | null) => void): void {
    const fetched = this.#fetched
    assert(fetched?.isWhole === true, 'only a whole snapshot is looked into')
    this.#examine(fetched.path, done)
  }

  /** What cannot be looked into is no worse than before: it was whole by its checksum. */
  #examine(path: string, done: (finding: string | null) => void): void {
    this.#run({ type: 'examine', path }, (result) => {
      if (!result.ok) {
        this.#options.logger.warn('a database could not be examined', { path, why: result.message })
      }
      done(result.ok ? result.finding : null)
    })
  }

  fetch(offer: StateOffer, url: string | null, events: FetchEvents): () => void {
    const { dir, logger, openStream } = this.#options
    const { snapshot, from } = offer
    this.#fetched?.close()
    const file = new FetchFile(dir, snapshot, (path) => this.#seal(path))
    this.#fetched = file
    const fetching = new SnapshotFetch(
      snapshot,
      file,
      { open: (stream) => openStream(from, url, stream), setTimer },
      {
        ...events,
        trouble: (reason) => logger.warn('fetching a snapshot is interrupted', { from, reason }),
      },
    )
    return () => fetching.cancel()
  }

  async #seal(path: string): Promise<string | null> {
    const result = await this.#jobs.run({ type: 'seal', path })
    return result.ok ? result.sha256 : null
  }

  install(offer: StateOffer, log: 'restart' | 'keep'): boolean {
    const fetched = this.#fetched
    assert(fetched?.isWhole === true, 'only a whole snapshot is installed')
    this.#fetched = null
    fetched.close()
    return this.#putInPlace(fetched.path, offer, log)
  }

  installPlace(offer: StateOffer): void {
    const { dir, sql } = this.#options
    const isTaken = this.#putInPlace(writePlace(dir, sql, offer), offer, 'restart')
    assert(isTaken, 'what was made from an offer is what was offered')
  }

  /** The finished file `from` becomes the state; the log starts anew after it, or holds it. */
  #putInPlace(from: string, offer: StateOffer, log: 'restart' | 'keep'): boolean {
    const { dir, sql: factory, logger, restartLog } = this.#options
    const { snapshot } = offer
    const path = placeStateFile(dir, from, snapshot.index)
    const raw = factory.open(path)
    const sql = this.#guarded(raw, path)
    const found = readApplied(sql)
    if (found?.index !== snapshot.index || found.term !== snapshot.term) {
      logger.error('a snapshot is not what was offered', {
        offered: snapshot.index,
        found: found?.index ?? null,
      })
      sql.close()
      rmSync(path, { force: true })
      return false
    }
    // From here on it is installed: where the process ends, the next one finishes it (DESIGN §4).
    this.#file = makeCurrent(dir, snapshot.index)
    this.#fenced = null // It was said of the other file.
    if (log === 'restart') restartLog(snapshot)
    this.state.replace(sql)
    this.#sql = raw
    assert(
      sameBytes(this.state.membershipBytes ?? new Uint8Array(0), offer.membership),
      'a snapshot holds the membership that was offered with it',
    )
    this.#removeOthers()
    return true
  }

  /** Lets go of what workers hold, so that closing the database tidies its files. */
  async close(): Promise<void> {
    this.#closed = true
    this.#fetched?.close()
    this.dropSnapshot()
    await this.#jobs.close()
  }

  #run(job: StateJob, done: (result: StateJobResult) => void): void {
    this.#jobs.run(job).then(
      (result) => {
        if (!this.#closed) done(result)
      },
      (error: Error) => this.#fail(error),
    )
  }

  #fail(error: Error): void {
    if (!this.#closed) this.#options.onFailure(error)
  }
}

function checkpointError(
  path: string,
  { message, code }: { message: string; code: string | null },
): Error {
  const error = Object.assign(new Error(message), { code })
  if (isDamage(error)) return new StateDamaged(path, message, { cause: error })
  return new Error(`a checkpoint failed: ${message}`, { cause: error })
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}
