/**
 * Renewals on their way to the leader: gathered for a few milliseconds and passed on together
 * (DESIGN §5.5). On the leader itself they do not wait.
 */
import type { BeatResult } from '../mesh/peer.ts'
import type { CallFailure, LeaderCalls } from './leader-calls.ts'

type Done = (result: BeatResult | CallFailure) => void

interface Gathering {
  readonly beats: { readonly lease: string }[]
  readonly done: Done[]
  deadlineMs: number
}

export class BeatGatherer {
  readonly #calls: LeaderCalls
  readonly #setTimer: (ms: number, run: () => void) => () => void
  readonly #nowMs: () => number
  readonly #gatherMs: number
  readonly #beatsMax: number
  #gathering: Gathering | null = null

  constructor(
    calls: LeaderCalls,
    time: {
      nowMs(): number
      setTimer(ms: number, run: () => void): () => void
    },
    bounds: { readonly gatherMs: number; readonly beatsMax: number },
  ) {
    this.#calls = calls
    this.#setTimer = (ms, run) => time.setTimer(ms, run)
    this.#nowMs = () => time.nowMs()
    this.#gatherMs = bounds.gatherMs
    this.#beatsMax = bounds.beatsMax
  }

  add(lease: string, deadlineMs: number, given: Done): void {
    const done = this.#until(deadlineMs, given)
    const gathering = this.#gathering
    if (gathering === null) {
      this.#gathering = { beats: [{ lease }], done: [done], deadlineMs }
      this.#setTimer(this.#gatherMs, () => this.#pass())
      return
    }
    gathering.beats.push({ lease })
    gathering.done.push(done)
    gathering.deadlineMs = Math.max(gathering.deadlineMs, deadlineMs)
    if (gathering.beats.length >= this.#beatsMax) this.#pass()
  }

  /** Each beat has its own deadline, whoever it travels with. */
  #until(deadlineMs: number, done: Done): Done {
    let isOpen = true
    const settle: Done = (result) => {
      if (!isOpen) return
      isOpen = false
      cancelTimer()
      done(result)
    }
    const late: CallFailure = { type: 'failed', code: 'no_leader' }
    const leftMs = Math.max(0, deadlineMs - this.#nowMs())
    const cancelTimer = this.#setTimer(leftMs, () => settle(late))
    return settle
  }

  #pass(): void {
    const gathering = this.#gathering
    if (gathering === null) return // Went early, because it was full.
    this.#gathering = null
    const { beats, done, deadlineMs } = gathering
    this.#calls.ask({ type: 'heartbeats', beats }, deadlineMs, (result) => {
      const failed: CallFailure = { type: 'failed', code: 'no_leader' }
      done.forEach((one, at) => {
        if (result.type === 'beats') one(result.results[at] ?? null)
        else one(result.type === 'failed' ? result : failed)
      })
    })
  }
}
