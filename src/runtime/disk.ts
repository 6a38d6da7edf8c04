import {
  chmodSync,
  closeSync,
  constants,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  statSync,
  statfsSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { assert } from '../lib/assert.ts'
import type { Disk, DiskFile } from '../storage/disk.ts'

/** The log holds tokens and values: nobody else reads it. */
const DIRECTORY_MODE = 0o700
const FILE_MODE = 0o600

/**
 * The directory `path` as a `Disk`, over `node:fs`, on Bun and Deno. Makes the directory, durably,
 * if there is none. Errors of the system pass through with their `code`.
 */
export function openDisk(path: string): Disk {
  const directory = resolve(path)
  prepareDirectory(directory)
  const pathOf = (name: string): string => {
    assert(!name.includes('/') && name !== '' && name !== '..', 'a file within the directory')
    return join(directory, name)
  }
  return {
    list: () => readdirSync(directory).sort(),
    open: (name, options) => openFile(pathOf(name), options.create),
    remove: (name) => unlinkSync(pathOf(name)),
    rename: (from, to) => renameSync(pathOf(from), pathOf(to)),
    syncDirectory: () => syncDirectory(directory),
    freeBytes: () => freeBytes(directory),
  }
}

function prepareDirectory(directory: string): void {
  const made = mkdirSync(directory, { recursive: true, mode: DIRECTORY_MODE })
  // The first directory that had to be made is known to its parent only after this.
  if (made !== undefined) {
    for (let at = directory; at.length >= made.length; at = dirname(at)) syncDirectory(dirname(at))
  }
  if ((statSync(directory).mode & 0o077) === 0) return
  try {
    chmodSync(directory, DIRECTORY_MODE)
  } catch {
    // A mounted volume of another owner: whoever mounted it decided who may read it.
  }
}

/** fsync of a directory: what was created, renamed and removed in it stays so. */
export function syncDirectory(directory: string): void {
  const fd = openSync(directory, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** A file system that does not tell its size tells no more of its room: writes will find out. */
function freeBytes(directory: string): number {
  const { blocks, bavail, bsize } = statfsSync(directory)
  return blocks === 0 ? Number.MAX_SAFE_INTEGER : bavail * bsize
}

function openFile(path: string, create: boolean): DiskFile | null {
  const flags = constants.O_RDWR | (create ? constants.O_CREAT : 0)
  try {
    return new RealFile(openSync(path, flags, FILE_MODE))
  } catch (error) {
    if (!create && (error as { code?: unknown }).code === 'ENOENT') return null
    throw error
  }
}

class RealFile implements DiskFile {
  readonly #fd: number
  #syncing = 0
  #closed = false

  constructor(fd: number) {
    this.#fd = fd
  }

  size(): number {
    return fstatSync(this.#fd).size
  }

  read(at: number, length: number): Uint8Array {
    const wanted = Math.max(0, Math.min(length, this.size() - at))
    const bytes = new Uint8Array(wanted)
    let done = 0
    while (done < wanted) {
      const count = readSync(this.#fd, bytes, done, wanted - done, at + done)
      if (count === 0) break // The file shrank meanwhile.
      done += count
    }
    return bytes.subarray(0, done)
  }

  write(at: number, bytes: Uint8Array): void {
    assert(!this.#closed, 'the file is open')
    let done = 0
    while (done < bytes.length) {
      const count = writeSync(this.#fd, bytes, done, bytes.length - done, at + done)
      assert(count > 0, 'a write moves forward')
      done += count
    }
  }

  truncate(length: number): void {
    ftruncateSync(this.#fd, length)
  }

  sync(done: (error: Error | null) => void): void {
    assert(!this.#closed, 'the file is open')
    this.#syncing += 1
    fdatasync(this.#fd, (error) => {
      this.#syncing -= 1
      if (this.#closed && this.#syncing === 0) closeSync(this.#fd)
      done(error)
    })
  }

  syncNow(): void {
    fdatasyncSync(this.#fd)
  }

  /** Waits for syncs under way, so that their descriptor is not somebody else's by then. */
  close(): void {
    assert(!this.#closed, 'a file is closed once')
    this.#closed = true
    if (this.#syncing === 0) closeSync(this.#fd)
  }
}
