/**
 * Which database is the live one (DESIGN §4): each has its own name, `state-<index>.db`, and the
 * file `CURRENT` names one of them. A name is never used twice, so the `-wal` of an old database
 * can never be taken for that of a new one.
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

const CURRENT = 'CURRENT'
const STATE_FILE = /^state-(0|[1-9]\d{0,15})\.db$/
const LEFTOVER = /^state-\d+\.db(-wal|-shm|-journal)?$/

/** The directory does not hold the state that it says it holds: exit 3. */
export class StateFileError extends Error {
  override readonly name = 'StateFileError'
}

export interface StateFile {
  readonly path: string
  /** The log index in its name: what the database held when it was put there. */
  readonly index: number
}

/**
 * The live database of `dir`; a directory without `CURRENT` gets an empty one. `dir` must exist.
 *
 * @throws {StateFileError} where `CURRENT` is damaged or names a file that is not there.
 */
export function openStateFile(dir: string): StateFile {
  if (!existsSync(join(dir, CURRENT))) return createStateFile(dir)
  const name = readFileSync(join(dir, CURRENT), 'utf8').trimEnd()
  const index = STATE_FILE.exec(name)?.[1]
  if (index === undefined) {
    throw new StateFileError(`${join(dir, CURRENT)} is damaged: it names no state file`)
  }
  const path = join(dir, name)
  if (!existsSync(path)) throw new StateFileError(`${join(dir, CURRENT)} names ${name}: missing`)
  return { path, index: Number(index) }
}

/**
 * Without `CURRENT` a state file was never live: it was cut off while being made, so it goes,
 * with its `-wal`, before an empty one takes the name.
 */
function createStateFile(dir: string): StateFile {
  for (const name of readdirSync(dir)) if (LEFTOVER.test(name)) rmSync(join(dir, name))
  const name = 'state-0.db'
  closeSync(openSync(join(dir, name), 'wx', 0o600))
  syncDirectory(dir) // The file has its name before CURRENT says so.
  writeCurrent(dir, name)
  return { path: join(dir, name), index: 0 }
}

/** A file next to the database that is none yet, or a copy of one. */
const BESIDE = /^(state-.*\.tmp(-wal|-shm)?|snapshot-.*)$/

/**
 * Gives the finished file `from` its name in `dir`, durably; `CURRENT` does not name it yet.
 * Returns its path. What a crash left under that name goes first.
 */
export function placeStateFile(dir: string, from: string, index: number): string {
  const name = `state-${index}.db`
  for (const suffix of ['', '-wal', '-shm', '-journal']) {
    rmSync(join(dir, `${name}${suffix}`), { force: true })
  }
  renameSync(from, join(dir, name))
  syncDirectory(dir)
  return join(dir, name)
}

/** `state-<index>.db` is the live one from now on, whatever happens. */
export function makeCurrent(dir: string, index: number): StateFile {
  const name = `state-${index}.db`
  writeCurrent(dir, name)
  return { path: join(dir, name), index }
}

/** Removes databases that are not live, and what was being made; a copy that is kept stays. */
export function removeOtherFiles(dir: string, live: StateFile, kept: string | null = null): void {
  const name = `state-${live.index}.db`
  for (const other of readdirSync(dir)) {
    if (kept !== null && join(dir, other) === kept) continue
    const isOld = LEFTOVER.test(other) && !other.startsWith(name)
    if (isOld || BESIDE.test(other)) rmSync(join(dir, other), { force: true })
  }
}

/** Atomic: after a crash at any point CURRENT is the old one, the new one, or not yet there. */
function writeCurrent(dir: string, name: string): void {
  const temporary = join(dir, `${CURRENT}.tmp`)
  const fd = openSync(temporary, 'w', 0o600)
  try {
    const bytes = utf8(`${name}\n`)
    let written = 0
    while (written < bytes.length) written += writeSync(fd, bytes, written)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(temporary, join(dir, CURRENT))
  syncDirectory(dir)
}

function syncDirectory(dir: string): void {
  const fd = openSync(dir, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
