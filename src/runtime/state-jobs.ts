/**
 * What is done to database files beside the event loop: checkpoints, copies, checksums. The same
 * code runs in a worker (`state-worker.ts`) and, where there is none, in the process itself.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { open, type FileHandle } from 'node:fs/promises'
import { sleep } from '../lib/timer.ts'
import { StateMachine } from '../state/mod.ts'
import type { Sql, SqlDriver } from '../state/sql.ts'
import { isDamage } from './sqlite-guard.ts'
import { openSql } from './sqlite.ts'

export type StateJob =
  /** Of the database at `path`: answers whether all that was committed before is in its file. */
  | { readonly type: 'checkpoint'; readonly path: string; readonly reset: boolean }
  /** Copies a file at a bounded rate; answers its length and SHA-256. `to` is durable then. */
  | {
      readonly type: 'copy'
      readonly from: string
      readonly to: string
      readonly bytesPerSecond: number
    }
  /** Makes a file durable and answers its SHA-256. */
  | { readonly type: 'seal'; readonly path: string }
  /** Looks through the database at `path`, on a connection of its own. */
  | { readonly type: 'examine'; readonly path: string }
  /** Lets go of the database, so that it can be closed for good elsewhere. */
  | { readonly type: 'release' }

export type StateJobResult =
  | {
      readonly ok: true
      readonly complete: boolean
      readonly bytes: number
      readonly sha256: string
      /** What is wrong with a database that was examined; null: nothing. */
      readonly finding: string | null
    }
  | { readonly ok: false; readonly code: string | null; readonly message: string }

const CHUNK_BYTES = 1024 * 1024
/** A copy is synced so often, so that no single sync is long enough to hold the log's up. */
const SYNC_BYTES = 8 * 1024 * 1024

/** Runs jobs one after the other, on a connection of its own. */
export class StateJobs {
  readonly #driver: SqlDriver
  #open: { readonly path: string; readonly sql: Sql } | null = null

  constructor(driver: SqlDriver) {
    this.#driver = driver
  }

  async run(job: StateJob): Promise<StateJobResult> {
    try {
      switch (job.type) {
        case 'checkpoint':
          return await this.#checkpoint(job.path, job.reset)
        case 'copy':
          return done(await copy(job))
        case 'seal':
          return done(await seal(job.path))
        case 'examine':
          return done({ finding: await this.#examine(job.path) })
        case 'release':
          this.#close()
          return done({})
      }
    } catch (error) {
      const { code = null, message } = error as { code?: string | null; message: string }
      return { ok: false, code, message }
    }
  }

  async #checkpoint(path: string, reset: boolean): Promise<StateJobResult> {
    if (this.#open?.path !== path) {
      this.#close()
      this.#open = { path, sql: await openSql({ driver: this.#driver, path }) }
    }
    const mode = reset ? 'TRUNCATE' : 'PASSIVE'
    const row = this.#open.sql.prepare(`PRAGMA wal_checkpoint(${mode})`).get()
    const [busy, frames, moved] = row as readonly number[]
    return done({ complete: busy === 0 && frames === moved })
  }

  async #examine(path: string): Promise<string | null> {
    let sql: Sql | null = null
    try {
      sql = await openSql({ driver: this.#driver, path })
      return StateMachine.examine(sql)
    } catch (error) {
      if (isDamage(error)) return error.message
      throw error
    } finally {
      sql?.close()
    }
  }

  #close(): void {
    this.#open?.sql.close()
    this.#open = null
  }
}

function done(given: Partial<Extract<StateJobResult, { ok: true }>>): StateJobResult {
  return { ok: true, complete: true, bytes: 0, sha256: '', finding: null, ...given }
}

async function copy(job: Extract<StateJob, { type: 'copy' }>): Promise<{
  bytes: number
  sha256: string
}> {
  await using from = await open(job.from, 'r')
  await using to = await open(job.to, 'w', 0o600)
  const hash = createHash('sha256')
  const beganMs = performance.now()
  let bytes = 0
  let synced = 0
  for await (const chunk of chunksOf(from)) {
    hash.update(chunk)
    await writeAll(to, chunk, bytes)
    bytes += chunk.length
    if (bytes - synced >= SYNC_BYTES) {
      await to.datasync()
      synced = bytes
    }
    const earlyMs = beganMs + (bytes / job.bytesPerSecond) * 1_000 - performance.now()
    if (earlyMs > 1) await sleep(earlyMs)
  }
  await to.datasync()
  return { bytes, sha256: hash.digest('hex') }
}

async function seal(path: string): Promise<{ bytes: number; sha256: string }> {
  await using file = await open(path, 'r+')
  await file.datasync()
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of chunksOf(file)) {
    hash.update(chunk)
    bytes += chunk.length
  }
  return { bytes, sha256: hash.digest('hex') }
}

async function* chunksOf(file: FileHandle): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(CHUNK_BYTES)
  for (let at = 0; ;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at)
    if (bytesRead === 0) return
    at += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    const rest = bytes.length - written
    written += (await file.write(bytes, written, rest, at + written)).bytesWritten
  }
}
