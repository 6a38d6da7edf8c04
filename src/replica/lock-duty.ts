/**
 * The leader's duty to those who wait for locks (DESIGN §8). An entry grants one permit of a lock
 * at most, so where more are free the leader proposes a further grant at once; a new leader begins
 * with what the state says is left over.
 */
import type { Command, LockKey } from '../state/mod.ts'

/** Locks named by one command: what it grants is events and rows in one transaction. */
const LOCKS_PER_COMMAND = 500

export class LockDuty {
  /** By name: told twice is served once. */
  readonly #ready = new Map<string, LockKey>()

  /** Takes over, from a state that holds everything that was decided before. */
  start(ready: readonly LockKey[]): void {
    this.#ready.clear()
    this.noted(ready)
  }

  /** What apply left over. */
  noted(ready: readonly LockKey[]): void {
    for (const key of ready) this.#ready.set(`${key.ns}/${key.name}`, key)
  }

  stop(): void {
    this.#ready.clear()
  }

  /** Hands out what there is to propose. What comes of it is noted when it is applied. */
  take(): Command[] {
    if (this.#ready.size === 0) return []
    const locks = [...this.#ready.values()]
    this.#ready.clear()
    const commands: Command[] = []
    for (let at = 0; at < locks.length; at += LOCKS_PER_COMMAND) {
      commands.push({ type: 'lock_grant', locks: locks.slice(at, at + LOCKS_PER_COMMAND) })
    }
    return commands
  }
}
