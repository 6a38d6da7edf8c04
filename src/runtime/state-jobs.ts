/**
 * What is done to database files beside the event loop: checkpoints, copies, checksums. The same
 * code runs in a worker (`state-worker.ts`) and, where there is none, in the process itself.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { sleep } from '../lib/timer.ts'
import { examineState } from '../state/mod.ts'
import type { Sql, SqlDriver } from '../state/tables/sql.ts'
import type { JobFile, OpenJobFile } from './job-file.ts'
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
  readonly #openFile: OpenJobFile
  #open: { readonly path: string; readonly sql: Sql } | null = null

  constructor(driver: SqlDriver, openFile: OpenJobFile) {
    this.#driver = driver
    this.#openFile = openFile
  }

  async run(job: StateJob): Promise<StateJobResult> {
    try {
      switch (job.type) {
        case 'checkpoint':
          return await this.#checkpoint(job.path, job.reset)
        case 'copy':
          return done(await copy(job, this.#openFile))
        case 'seal':
          return done(await seal(job.path, this.#openFile))
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
      return examineState(sql)
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

interface Sealed {
  readonly bytes: number
  readonly sha256: string
}

async function copy(
  job: Extract<StateJob, { type: 'copy' }>,
  openFile: OpenJobFile,
): Promise<Sealed> {
  const to = await openFile(job.to, 'w')
  try {
    const beganMs = performance.now()
    let synced = 0
    const sealed = await readThrough(job.from, openFile, async (chunk, at) => {
      await writeAll(to, chunk, at)
      const bytes = at + chunk.length
      if (bytes - synced >= SYNC_BYTES) {
        await to.sync()
        synced = bytes
      }
      const earlyMs = beganMs + (bytes / job.bytesPerSecond) * 1_000 - performance.now()
      if (earlyMs > 1) await sleep(earlyMs)
    })
    await to.sync()
    return sealed
  } finally {
    await to.close()
  }
}

async function seal(path: string, openFile: OpenJobFile): Promise<Sealed> {
  const file = await openFile(path, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
  return readThrough(path, openFile, async () => {})
}

/** Reads a whole file, chunk by chunk, each of which is good until the next one. */
async function readThrough(
  path: string,
  openFile: OpenJobFile,
  each: (chunk: Uint8Array, at: number) => Promise<void>,
): Promise<Sealed> {
  const file = await openFile(path, 'r')
  try {
    const hash = createHash('sha256')
    const buffer = new Uint8Array(CHUNK_BYTES)
    let bytes = 0
    for (;;) {
      const count = await file.read(buffer, bytes)
      if (count === 0) return { bytes, sha256: hash.digest('hex') }
      const chunk = buffer.subarray(0, count)
      hash.update(chunk)
      await each(chunk, bytes)
      bytes += count
    }
  } finally {
    await file.close()
  }
}

async function writeAll(file: JobFile, bytes: Uint8Array, at: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += await file.write(bytes.subarray(written), at + written)
  }
}
