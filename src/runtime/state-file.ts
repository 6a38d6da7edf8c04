/**
 * Which database is the live one (DESIGN §4): each has its own name, `state-<index>.db`, and the
 * file `CURRENT` names one of them. A name is never used twice, so the `-wal` of an old database
 * can never be taken for that of a new one. A second line names the cluster that was founded anew
 * with that database (`rollcall recover`); the log is restarted as its log.
 *
 * @module
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { utf8 } from '../lib/bytes.ts'
import type { EntryId } from '../raft/types.ts'
import { syncDirectory } from './disk.ts'

const CURRENT = 'CURRENT'
const FENCED = 'FENCED'
const STATE_FILE = /^state-(0|[1-9]\d{0,15})\.db(?:\ncluster ([\x21-\x7e]{1,128}))?$/
const LEFTOVER = /^state-\d+\.db(-wal|-shm|-journal)?$/
/** What SQLite keeps beside a database, under its name and this. */
const COMPANIONS = ['-wal', '-shm', '-journal']

/** The directory does not hold the state that it says it holds: exit 3. */
export class StateFileError extends Error {
  override readonly name = 'StateFileError'
}

export interface StateFile {
  readonly path: string
  /** The log index in its name: what the database held when it was put there. */
  readonly index: number
  /** The cluster that was founded anew with it; null: it is of the cluster that the log says. */
  readonly foundedAnew: string | null
}

/** Where the log of a data directory is. */
export function logOf(dir: string): string {
  return join(dir, 'log')
}

/** Whether `dir` was ever used as a data directory. Changes nothing. */
export function isDataDirectory(dir: string): boolean {
  return existsSync(join(dir, CURRENT)) || existsSync(logOf(dir))
}

/** The snapshot that a database still is, exactly, whose state is that of `applied`; null: none. */
export function installedIn({ index }: StateFile, applied: EntryId): EntryId | null {
  return index > 0 && index === applied.index ? applied : null
}

/** The database at `path` with all that SQLite keeps beside it, if there is any. */
export function removeDatabase(path: string): void {
  for (const suffix of ['', ...COMPANIONS]) rmSync(`${path}${suffix}`, { force: true })
}

/** As {@link openStateFile}, but makes nothing: null where there is no live database. */
export function findStateFile(dir: string): StateFile | null {
  return existsSync(join(dir, CURRENT)) ? readStateFile(dir) : null
}

/**
 * The live database of `dir`; a directory without `CURRENT` gets an empty one. `dir` must exist.
 *
 * @throws {StateFileError} where `CURRENT` is damaged or names a file that is not there.
 */
export function openStateFile(dir: string): StateFile {
  return findStateFile(dir) ?? createStateFile(dir)
}

function readStateFile(dir: string): StateFile {
  const text = readFileSync(join(dir, CURRENT), 'utf8').trimEnd()
  const [, index, foundedAnew = null] = STATE_FILE.exec(text) ?? []
  if (index === undefined) {
    throw new StateFileError(`${join(dir, CURRENT)} is damaged: it names no state file`)
  }
  const name = nameOf(Number(index))
  const path = join(dir, name)
  if (!existsSync(path)) throw new StateFileError(`${join(dir, CURRENT)} names ${name}: missing`)
  return { path, index: Number(index), foundedAnew }
}

function nameOf(index: number): string {
  return `state-${index}.db`
}

/**
 * Without `CURRENT` a state file was never live: it was cut off while being made, so it goes,
 * with its `-wal`, before an empty one takes the name.
 */
function createStateFile(dir: string): StateFile {
  for (const name of readdirSync(dir)) if (LEFTOVER.test(name)) rmSync(join(dir, name))
  const name = nameOf(0)
  closeSync(openSync(join(dir, name), 'wx', 0o600))
  syncDirectory(dir) // The file has its name before CURRENT says so.
  writeCurrent(dir, name)
  return { path: join(dir, name), index: 0, foundedAnew: null }
}

/** A file next to the database that is none yet, or a copy of one. */
const BESIDE = /^(state-.*\.tmp(-wal|-shm)?|snapshot-.*)$/

/**
 * Gives the finished file `from` its name in `dir`, durably; `CURRENT` does not name it yet.
 * Returns its path. What a crash left under that name goes first.
 */
export function placeStateFile(dir: string, from: string, index: number): string {
  const path = join(dir, nameOf(index))
  removeDatabase(path)
  renameSync(from, path)
  syncDirectory(dir)
  return path
}

/** `state-<index>.db` is the live one from now on, whatever happens. */
export function makeCurrent(
  dir: string,
  index: number,
  foundedAnew: string | null = null,
): StateFile {
  const name = nameOf(index)
  writeCurrent(dir, foundedAnew === null ? name : `${name}\ncluster ${foundedAnew}`)
  return { path: join(dir, name), index, foundedAnew }
}

/**
 * Why the live database must not be used, as an earlier moment wrote it down; null: it may. What
 * was said of another database died with it.
 */
export function readFence(dir: string, live: StateFile): string | null {
  const path = join(dir, FENCED)
  if (!existsSync(path)) return null
  const [name, ...reason] = readFileSync(path, 'utf8').trimEnd().split('\n')
  return name === nameOf(live.index) ? reason.join(' ') : null
}

/** Durable, like {@link makeCurrent}. */
export function writeFence(dir: string, live: StateFile, reason: string): void {
  replaceFile(dir, FENCED, `${nameOf(live.index)}\n${reason}\n`)
}

/** Removes databases that are not live, and what was being made; a copy that is kept stays. */
export function removeOtherFiles(dir: string, live: StateFile, kept: string | null = null): void {
  const name = nameOf(live.index)
  for (const other of readdirSync(dir)) {
    if (kept !== null && join(dir, other) === kept) continue
    const isOld = LEFTOVER.test(other) && !other.startsWith(name)
    if (isOld || BESIDE.test(other)) rmSync(join(dir, other), { force: true })
  }
  if (readFence(dir, live) === null) rmSync(join(dir, FENCED), { force: true })
}

function writeCurrent(dir: string, text: string): void {
  replaceFile(dir, CURRENT, `${text}\n`)
}

/** Atomic: after a crash at any point the file is the old one, the new one, or not yet there. */
function replaceFile(dir: string, file: string, text: string): void {
  const temporary = join(dir, `${file}.tmp`)
  const fd = openSync(temporary, 'w', 0o600)
  try {
    const bytes = utf8(text)
    let written = 0
    while (written < bytes.length) written += writeSync(fd, bytes, written)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(temporary, join(dir, file))
  syncDirectory(dir)
}
