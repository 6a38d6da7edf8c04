import type { Command } from '../../../src/state/mod.ts'
import type { Committed } from '../oracle/history.ts'
import type { Invariant, Scene } from '../observer.ts'

/** Situations of keys and transactions; asserts nothing. */
export class WrappedSituations implements Invariant {
  readonly #scene: Scene

  constructor(scene: Scene) {
    this.#scene = scene
  }

  committed({ entry, command, effect }: Committed): void {
    if (command === null || effect === null) return
    const { sometimes } = this.#scene
    const { outcome } = effect
    if (!outcome.ok && outcome.code === 'idempotency_key_reused') {
      sometimes.met('a key stood for another request')
    }
    if (command.type === 'config_rollback') {
      if (outcome.ok) sometimes.met('a rollback brought old bytes back')
      else if (outcome.code === 'version_mismatch') sometimes.met('a rollback met another version')
    }
    // What a key only repeats was met before.
    if (outcome.revision !== entry.index || plainOf(command).type !== 'txn') return
    if (!outcome.ok && (outcome.failed ?? 0) > 0) sometimes.met('a transaction failed halfway')
    if (outcome.ok && outcome.result?.type === 'txn' && !outcome.result.succeeded) {
      sometimes.met('a transaction took its other branch')
    }
  }
}

/** What a key or a guard stands around. */
function plainOf(command: Command): Command {
  const isAround = command.type === 'keyed' || command.type === 'guarded'
  return isAround ? plainOf(command.command) : command
}
