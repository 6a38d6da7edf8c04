/**
 * A lane for commands of the leader itself (DESIGN §1.6): clients' load cannot hold them up, and they
 * hold up no client. A round of them leaves when the round before is applied here, so however much
 * is to be done, a client's write finds no more than one round of each lane before it.
 */
import { assert } from '../lib/assert.ts'
import type { Command } from '../state/mod.ts'

/** `ended` is called once, when the command is applied here or is known not to be. */
export type ProposeOwn = (command: Command, ended: () => void) => void

export class OwnLane {
  readonly #propose: ProposeOwn
  /** The round that is under way; null: the next one may leave. */
  #round: { left: number } | null = null

  constructor(propose: ProposeOwn) {
    this.#propose = propose
  }

  get isFree(): boolean {
    return this.#round === null
  }

  propose(commands: readonly Command[]): void {
    assert(this.#round === null, 'a round leaves when the one before is over')
    if (commands.length === 0) return
    const round = { left: commands.length }
    this.#round = round
    for (const command of commands) this.#propose(command, () => this.#ended(round))
  }

  /** Leadership is over: the next one begins anew, whatever still comes of the last round. */
  stop(): void {
    this.#round = null
  }

  #ended(round: { left: number }): void {
    round.left -= 1
    assert(round.left >= 0, 'a command ends once')
    if (round.left === 0 && this.#round === round) this.#round = null
  }
}
