/**
 * Opens the state's database behind the port `state/tables/sql.ts`, with the driver asked for or the
 * first that loads. Every driver sits behind a dynamic import: none of the modules `bun:sqlite`,
 * `node:sqlite` and sql.js's embedded WebAssembly exists on all runtimes.
 *
 * @module
 */
import { closeSync, fchmodSync, openSync, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { assert } from '../lib/assert.ts'
import { PACKAGED } from '../lib/packaged.ts'
import type { Sql, SqlDriver } from '../state/tables/sql.ts'

const MEMORY = ':memory:'

export interface SqlOptions {
  /** Null: the first of bun, node, sql.js that loads. */
  readonly driver: SqlDriver | null
  /** A file, or ':memory:'. `sql.js` is in memory whatever it says. */
  readonly path: string
}

/**
 * A database ready for the state machine: write-ahead log, no fsync of its own per commit and no
 * checkpoint of its own (DESIGN §4), each read back. A file has mode 0600.
 *
 * @throws where the driver asked for does not load here, or the file cannot be opened.
 */
export async function openSql(options: SqlOptions): Promise<Sql> {
  return (await loadSql(options.driver)).open(options.path)
}

/** A driver that is loaded: opens databases at once from then on. */
export interface SqlFactory {
  readonly driver: SqlDriver
  /** As {@link openSql}. With sql.js a copy in memory of what the file holds, if it may be read. */
  open(path: string): Sql
  /** Only to look at a file that is there: neither it nor its `-wal` changes. */
  openReadOnly(path: string): Sql
}

/** The driver asked for, or the first of bun, node, sql.js that loads. Rejects as {@link openSql}. */
export async function loadSql(asked: SqlDriver | null): Promise<SqlFactory> {
  const loaded = await opener(asked)
  if (loaded.driver === 'sql.js') {
    const openImage = (path: string): Sql => configured(loaded.open(imageOf(path)), MEMORY)
    return { driver: 'sql.js', open: openImage, openReadOnly: openImage }
  }
  const { driver, open } = loaded
  return {
    driver,
    open(path) {
      if (path !== MEMORY) createPrivate(path)
      return configured(open(path), path)
    },
    openReadOnly: (path) => open(path, { readOnly: true }),
  }
}

/**
 * The bytes of a database that may be read without its `-wal`: one that a native driver has left
 * behind there holds what the file lacks, and the file alone may be in the middle of a checkpoint.
 */
function imageOf(path: string): Uint8Array | null {
  if (path === MEMORY) return null
  if ((statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0) return null
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) === 0) return null
  return readFileSync(path)
}

type Opener =
  | { readonly driver: 'sql.js'; readonly open: (image: Uint8Array | null) => Sql }
  | { readonly driver: 'bun' | 'node'; readonly open: OpenFile }

type OpenFile = (path: string, options?: { readonly readOnly: boolean }) => Sql

async function opener(driver: SqlDriver | null): Promise<Opener> {
  if (driver !== null) return load(driver)
  if (isBun()) return load('bun')
  try {
    return await load('node')
  } catch {
    return load('sql.js') // No native SQLite here: what the fallback is for.
  }
}

async function load(driver: SqlDriver): Promise<Opener> {
  if (driver === 'bun') {
    if (!isBun()) throw new Error('the SQLite driver "bun" needs Bun; use "node" or "sql.js"')
    return { driver, open: (await import('./sqlite-bun.ts')).openBun }
  }
  if (driver === 'node') return { driver, open: (await import('./sqlite-node.ts')).openNode }
  const { loadSqlJs } = await import('./sqlite-sqljs.ts')
  return { driver, open: await loadSqlJs(readFileSync(await wasmPath())) }
}

async function wasmPath(): Promise<string> {
  if (PACKAGED) return fileURLToPath(new URL('./sql-wasm.wasm', import.meta.url))
  if (isBun()) return (await import('./sqljs-wasm-bun.ts')).wasmPath
  return createRequire(import.meta.url).resolve('sql.js/dist/sql-wasm.wasm')
}

function isBun(): boolean {
  return 'Bun' in globalThis
}

/** SQLite gives `-wal` and `-shm` the mode of the database, so setting it once is enough. */
function createPrivate(path: string): void {
  const fd = openSync(path, 'a', 0o600)
  fchmodSync(fd, 0o600) // Also of a file that was there before.
  closeSync(fd)
}

function configured(sql: Sql, path: string): Sql {
  sql.exec('PRAGMA journal_mode = WAL')
  sql.exec('PRAGMA synchronous = NORMAL')
  sql.exec('PRAGMA wal_autocheckpoint = 0')
  sql.exec('PRAGMA journal_size_limit = 0') // What is left of a `-wal` that starts anew goes.
  sql.exec('PRAGMA temp_store = MEMORY')
  sql.exec('PRAGMA cache_size = -16384') // 16 MiB, taken only as the database grows.
  sql.exec('PRAGMA busy_timeout = 5000') // A checkpoint on another connection may be at work.
  assert(pragma(sql, 'encoding') === 'UTF-8', 'names sort by their UTF-8 bytes')
  if (path === MEMORY) return sql
  assert(pragma(sql, 'journal_mode') === 'wal', 'the database is in WAL mode')
  assert(pragma(sql, 'synchronous') === 1, 'synchronous is NORMAL')
  assert(pragma(sql, 'wal_autocheckpoint') === 0, 'no commit checkpoints by itself')
  return sql
}

function pragma(sql: Sql, name: string): unknown {
  return sql.prepare(`PRAGMA ${name}`).get()?.[0]
}
