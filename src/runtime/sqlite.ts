/**
 * Opens the state's database behind the port `state/sql.ts`, with the driver asked for or the
 * first that loads. Every driver sits behind a dynamic import: none of the modules `bun:sqlite`,
 * `node:sqlite` and sql.js's embedded WebAssembly exists on all runtimes.
 *
 * @module
 */
import { closeSync, fchmodSync, openSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { assert } from '../lib/assert.ts'
import type { Sql, SqlDriver } from '../state/sql.ts'

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
  const open = await opener(options.driver)
  if (open.driver === 'sql.js') return configured(await open.open(), MEMORY)
  if (options.path !== MEMORY) createPrivate(options.path)
  return configured(await open.open(options.path), options.path)
}

type Opener =
  | { readonly driver: 'sql.js'; readonly open: () => Promise<Sql> }
  | { readonly driver: 'bun' | 'node'; readonly open: (path: string) => Sql }

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
  const { openSqlJs } = await import('./sqlite-sqljs.ts')
  const wasm = readFileSync(await wasmPath())
  return { driver, open: () => openSqlJs(wasm) }
}

async function wasmPath(): Promise<string> {
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
