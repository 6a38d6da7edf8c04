/**
 * Another database in the place of the live one, made from a copy of it while no node runs: until
 * `commit` the directory holds the old state, from then on the new one (DESIGN §4).
 *
 * @module
 */
import { closeSync, constants, copyFileSync, existsSync, fsyncSync, openSync } from 'node:fs'
import { join } from 'node:path'
import type { Sql } from '../state/mod.ts'
import type { SqlFactory } from './sqlite.ts'
import { makeCurrent, placeStateFile, removeDatabase, type StateFile } from './state-file.ts'

export class StateCopy {
  /** The copy, to be changed. */
  readonly sql: Sql
  readonly #dir: string
  readonly #path: string
  #isOpen = true

  /** Copies what `live` holds, its `-wal` included. Throws errors of the system, `ENOSPC` say. */
  constructor(dir: string, live: StateFile, factory: SqlFactory) {
    this.#dir = dir
    this.#path = join(dir, `state-${live.index}-copy.tmp`)
    removeDatabase(this.#path)
    try {
      for (const suffix of ['', '-wal']) {
        if (!existsSync(`${live.path}${suffix}`)) continue
        const [from, to] = [`${live.path}${suffix}`, `${this.#path}${suffix}`]
        copyFileSync(from, to, constants.COPYFILE_FICLONE) // No bytes move where the disk can.
      }
      this.sql = factory.open(this.#path)
    } catch (error) {
      removeDatabase(this.#path)
      throw error
    }
  }

  /** It is the live one, as the state at entry `index` of the cluster `foundedAnew`. */
  commit(index: number, foundedAnew: string): StateFile {
    this.#close() // The last connection moves the `-wal` into the file.
    const fd = openSync(this.#path, 'r+')
    fsyncSync(fd)
    closeSync(fd)
    placeStateFile(this.#dir, this.#path, index)
    return makeCurrent(this.#dir, index, foundedAnew)
  }

  /** Nothing of it is left. After `commit` nothing happens. */
  discard(): void {
    this.#close()
    removeDatabase(this.#path)
  }

  #close(): void {
    if (this.#isOpen) this.sql.close()
    this.#isOpen = false
  }
}
