import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  openSync,
  readdirSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { assert } from '../lib/assert.ts'
import type { FetchSink } from '../mesh/mod.ts'
import type { EntryId } from '../raft/types.ts'

const PART = /^fetch-.*\.part$/
/** Begun to be made durable so often, so that the last sync is short. */
const SYNC_BYTES = 8 * 1024 * 1024

/**
 * A snapshot that is being fetched. Its name holds the entry and the checksum, so another process
 * goes on where this one ended, and bytes of two snapshots are never mixed. What stands in it is
 * believed only when the checksum over all of it fits.
 */
export class FetchFile implements FetchSink {
  readonly #dir: string
  readonly #snapshot: EntryId
  /** Makes the file durable; answers its SHA-256 in hex, or null where it cannot be read back. */
  readonly #seal: (path: string) => Promise<string | null>
  #file: { readonly fd: number; readonly path: string; readonly sha256: string } | null = null
  #unsynced = 0
  #syncing = 0
  /** A sync failed: what the kernel could not write it may have forgotten (fsyncgate). */
  #broken = false
  #whole = false

  constructor(dir: string, snapshot: EntryId, seal: (path: string) => Promise<string | null>) {
    this.#dir = dir
    this.#snapshot = snapshot
    this.#seal = seal
  }

  get isWhole(): boolean {
    return this.#whole
  }

  get path(): string {
    assert(this.#file !== null, 'the file was begun')
    return this.#file.path
  }

  begin(sha256: Uint8Array, totalBytes: number): number {
    this.#closeFile()
    const hex = Buffer.from(sha256).toString('hex')
    const { index, term } = this.#snapshot
    const name = `fetch-${index}-${term}-${hex.slice(0, 16)}.part`
    for (const other of readdirSync(this.#dir)) {
      if (PART.test(other) && other !== name) rmSync(join(this.#dir, other), { force: true })
    }
    const path = join(this.#dir, name)
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
    this.#file = { fd, path, sha256: hex }
    return Math.min(fstatSync(fd).size, totalBytes)
  }

  write(at: number, bytes: Uint8Array): string | null {
    assert(this.#file !== null, 'the file was begun')
    try {
      let done = 0
      while (done < bytes.length) {
        done += writeSync(this.#file.fd, bytes, done, bytes.length - done, at + done)
      }
    } catch (error) {
      return (error as Error).message
    }
    this.#unsynced += bytes.length
    if (this.#unsynced >= SYNC_BYTES) this.#syncSome(this.#file.fd)
    return null
  }

  #syncSome(fd: number): void {
    if (this.#syncing > 0) return
    this.#unsynced = 0
    this.#syncing += 1
    fdatasync(fd, (error) => {
      this.#syncing -= 1
      if (error !== null) this.#broken = true
      if (this.#file?.fd !== fd) closeSync(fd)
    })
  }

  finish(done: (verdict: 'whole' | 'damaged') => void): void {
    const file = this.#file
    assert(file !== null, 'the file was begun')
    void this.#seal(file.path).then((sha256) => {
      if (this.#file !== file) return // It was given up meanwhile.
      this.#whole = sha256 === file.sha256 && !this.#broken
      if (!this.#whole) {
        this.#broken = false
        this.#closeFile()
        rmSync(file.path, { force: true })
      }
      done(this.#whole ? 'whole' : 'damaged')
    })
  }

  /** What was fetched stays where it is. */
  close(): void {
    const file = this.#file
    if (file === null) return
    this.#closeFile()
    if (this.#whole) this.#file = { ...file, fd: -1 } // Its path is still asked for.
  }

  #closeFile(): void {
    const file = this.#file
    this.#file = null
    // A sync under way closes it, lest its descriptor be somebody else's by then.
    if (file !== null && file.fd !== -1 && this.#syncing === 0) closeSync(file.fd)
  }
}
