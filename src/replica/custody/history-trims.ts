/**
 * The leader's duty for the history: it proposes what lets go of old events
 * (`state/config/history.ts`), a little at a time and one command after the other, and nothing where
 * there is nothing to let go of. What is to be kept is said by the leader's own flags, so all nodes are to be given the same.
 */
import type { LogIndex, Raft } from '../../raft/mod.ts'
import type { Command, HistoryPolicy, StateMachine } from '../../state/mod.ts'

export interface HistoryConfig {
  readonly history: HistoryPolicy
  /** Events that one command removes at most: some 3 ms of apply. */
  readonly trimRows: number
  /** Between two looks at whether there is something to do, */
  readonly trimLookMs: number
  /** and between two commands while there is: so writes have the most of the time. */
  readonly trimPaceMs: number
}

/** The first clusterVersion that knows the command. */
const TRIMMED_SINCE = 3
/** A command that was not applied in this time is taken for lost. */
const PATIENCE_MS = 5_000

export interface HistoryTrimsHost {
  readonly raft: Raft
  readonly state: StateMachine
  nowMs(): number
  propose(command: Command): void
}

export class HistoryTrims {
  readonly #host: HistoryTrimsHost
  readonly #config: HistoryConfig
  #nextLookMs = 0
  /** The log's end when the last command was proposed, and until when that one is waited for. */
  #proposed: { readonly last: LogIndex; readonly untilMs: number } | null = null
  /** The cluster's clock goes on where nothing is applied. */
  #seen = { clusterMs: -1, atMs: 0 }
  #trims = 0

  constructor(host: HistoryTrimsHost, config: HistoryConfig) {
    this.#host = host
    this.#config = config
  }

  metrics(): readonly (readonly [string, number])[] {
    return [['rollcall_history_trims_total', this.#trims]]
  }

  endOfTurn(): void {
    const { raft, state } = this.#host
    if (!raft.hasAppliedInTerm || state.clusterVersion < TRIMMED_SINCE) {
      this.#proposed = null
      return
    }
    const nowMs = this.#host.nowMs()
    if (state.clusterMs !== this.#seen.clusterMs) {
      this.#seen = { clusterMs: state.clusterMs, atMs: nowMs }
    }
    if (nowMs < this.#nextLookMs || this.#isUnderWay(nowMs)) return
    this.#look(nowMs)
  }

  #isUnderWay(nowMs: number): boolean {
    if (this.#proposed === null) return false
    const { last, untilMs } = this.#proposed
    return this.#host.state.revision <= last && nowMs < untilMs
  }

  /** Apply goes by the entry's own clock: a look that is a little early or late costs one entry. */
  #look(nowMs: number): void {
    const { history, trimRows: rows, trimLookMs, trimPaceMs } = this.#config
    const { raft, state } = this.#host
    const clusterMs = this.#seen.clusterMs + (nowMs - this.#seen.atMs)
    if (!state.isTrimDue(history, clusterMs)) {
      this.#proposed = null
      this.#nextLookMs = nowMs + trimLookMs
      return
    }
    this.#proposed = { last: raft.last, untilMs: nowMs + PATIENCE_MS }
    this.#nextLookMs = nowMs + trimPaceMs
    this.#trims += 1
    this.#host.propose({ type: 'history_trim', ...history, rows })
  }
}
