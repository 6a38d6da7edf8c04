import { closeSync, constants, openSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'

/** One process holds a directory. The kernel drops it with the process, however that ends. */
export interface DirectoryLock {
  release(): void
}

const LOCK_FILE = 'LOCK'
const FILE_MODE = 0o600

/**
 * Locks the directory `path`, which exists, for this process; null where another one holds it
 * (or this one does already). A file's mere existence means nothing: `LOCK` stays behind.
 *
 * It is an exclusive transaction of SQLite on the file `LOCK`, so Bun and Deno exclude each other.
 * Where no native SQLite loads it is an abstract socket named by the directory's device and inode:
 * Linux only, and only within one network namespace.
 */
export async function lockDirectory(path: string): Promise<DirectoryLock | null> {
  const directory = resolve(path)
  const open = databaseOpener()
  if (open === null) return lockBySocket(directory)
  const file = join(directory, LOCK_FILE)
  createLockFile(file)
  return lockByDatabase(open(file))
}

/**
 * For its owner alone; SQLite would make it for all to read. Never opens one that exists: the
 * kernel drops all of a process's locks on a file when the process closes any descriptor of it.
 */
function createLockFile(file: string): void {
  try {
    closeSync(openSync(file, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, FILE_MODE))
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'EEXIST') throw error
  }
}

/** The little of a database that a lock needs; both native drivers have it. */
interface LockDatabase {
  prepare(sql: string): { run(): unknown }
  close(): void
}

type OpenDatabase = (file: string) => LockDatabase

/** Loaded when needed and by name, since each runtime lacks the other's module. */
function databaseOpener(): OpenDatabase | null {
  try {
    if (process.versions['bun'] !== undefined) {
      const require = createRequire(import.meta.url)
      const { Database } = require('bun:sqlite') as typeof import('bun:sqlite')
      return (file) => new Database(file, { create: true, readwrite: true })
    }
    const sqlite = process.getBuiltinModule('node:sqlite') as
      typeof import('node:sqlite') | undefined
    if (sqlite === undefined) return null // Node before 22.
    return (file) => new sqlite.DatabaseSync(file)
  } catch {
    return null // No native SQLite here: the socket serves.
  }
}

/** A database that nobody holds would be collected, and its lock with it. */
const held = new Set<LockDatabase>()

function lockByDatabase(db: LockDatabase): DirectoryLock | null {
  try {
    // Prepared, since Deno tells the error's number only then. Writes nothing to the file.
    db.prepare('PRAGMA busy_timeout = 0').run()
    db.prepare('BEGIN EXCLUSIVE').run()
  } catch (error) {
    db.close()
    if (isBusy(error)) return null
    throw error
  }
  held.add(db)
  return {
    release: () => {
      held.delete(db)
      db.prepare('ROLLBACK').run() // Closing alone waits for the garbage collector on Bun.
      db.close()
    },
  }
}

/** `bun:sqlite` says it by name, `node:sqlite` by number. */
function isBusy(error: unknown): boolean {
  const { code, errcode } = error as { code?: unknown; errcode?: unknown }
  return code === 'SQLITE_BUSY' || errcode === 5
}

/** The fallback of `lockDirectory`; exported for its test. */
export function lockBySocket(directory: string): Promise<DirectoryLock | null> {
  const { dev, ino } = statSync(directory)
  const server = createServer((socket) => socket.destroy())
  return new Promise((settle, fail) => {
    server.once('error', (error: Error & { code?: string }) => {
      if (error.code === 'EADDRINUSE') settle(null)
      else fail(error)
    })
    server.listen(`\0rollcall-${dev}-${ino}`, () => {
      server.unref()
      settle({ release: () => void server.close() })
    })
  })
}
