/** How a node that comes back catches up with what was committed without it (DESIGN §7). */
import { present } from '../../lib/assert.ts'
import type { Raft } from '../../raft/mod.ts'
import type { CatchUp } from './catch-up.ts'

export type RecoveryState = 'idle' | 'fetching_snapshot' | 'applying_log' | 'synced'

export class Recovery {
  readonly #raft: Raft
  readonly #catchUp: CatchUp
  /** What was committed when this node first heard a leader; null before. */
  #target: number | null = null

  constructor(raft: Raft, catchUp: CatchUp) {
    this.#raft = raft
    this.#catchUp = catchUp
  }

  /** `idle` before a leader is known; what is committed by then is caught up with. */
  get state(): RecoveryState {
    if (this.#catchUp.progress !== null) return 'fetching_snapshot'
    if (this.#target === null) return 'idle'
    return this.#raft.applied >= this.#target ? 'synced' : 'applying_log'
  }

  /** How far that is: bytes of the snapshot, or entries of the log. Null: nothing is on its way. */
  get progress(): { readonly done: number; readonly total: number } | null {
    const fetching = this.#catchUp.progress
    if (fetching !== null) return { done: fetching.bytes, total: fetching.totalBytes }
    if (this.state !== 'applying_log') return null
    return { done: this.#raft.applied, total: present(this.#target, 'it is applying') }
  }

  /** A snapshot is in place: what the leader had by then is to be reached. */
  installed(): void {
    this.#target = Math.max(this.#target ?? 0, this.#raft.leaderCommit)
  }

  /** What was committed when this node started must be applied before it counts as synced. */
  aim(): void {
    if (this.#target !== null || this.#raft.leader === null) return
    if (this.#raft.role !== 'leader') this.#target = this.#raft.leaderCommit
    else if (this.#raft.hasCommittedInTerm) this.#target = this.#raft.noopIndex
  }
}
