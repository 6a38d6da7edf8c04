/**
 * How fresh the applied state is, for `stale` reads (DESIGN §6): the age of the newest confirmed
 * commit index that is applied *here*. A node that catches up has heard of commits that it does not
 * show yet; they make it no fresher.
 */
import type { LogIndex } from './types.ts'

interface Contact {
  readonly commit: LogIndex
  readonly atMs: number
}

export class Freshness {
  /** When the newest commit that is applied was confirmed; null: never. */
  #atMs: number | null = null
  /** The oldest contact whose commit is not applied yet, and the newest one. */
  #oldest: Contact | null = null
  #newest: Contact | null = null

  get atMs(): number | null {
    return this.#atMs
  }

  /** A leader named `commit` at `atMs`. */
  heard(commit: LogIndex, atMs: number, applied: LogIndex): void {
    if (applied >= commit) {
      this.#atMs = Math.max(this.#atMs ?? atMs, atMs)
      this.#oldest = this.#newest = null
      return
    }
    this.#newest = { commit, atMs }
    this.#oldest ??= this.#newest
  }

  /** The state has moved on. */
  applied(index: LogIndex): void {
    if (this.#oldest === null || index < this.#oldest.commit) return
    this.#atMs = this.#oldest.atMs
    const newest = this.#newest
    this.#oldest = this.#newest = null
    if (newest !== null) this.heard(newest.commit, newest.atMs, index)
  }
}
