/** When the replica's loop turns though nothing arrives: the core's timers, and the log's. */
import type { ReplicaPorts } from './ports.ts'

const TEND_LOG_MS = 50

export interface TimersHost {
  /** A timer that comes later than this was held up: this process stood still. */
  readonly lateMs: number
  /** When the core has something to do, on the monotonic clock. */
  nextTickMs(): number
  tick(): void
}

export class ReplicaTimers {
  readonly #ports: ReplicaPorts
  readonly #host: TimersHost
  #timer: { readonly atMs: number; readonly cancel: () => void } | null = null
  #tending = false
  #stopped = false

  constructor(ports: ReplicaPorts, host: TimersHost) {
    this.#ports = ports
    this.#host = host
  }

  endOfTurn(): void {
    this.#tendLog()
    this.#arm()
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    this.#timer = null
  }

  /** Lets time pass for the log for as long as it has something to do; then all is silent. */
  #tendLog(): void {
    if (this.#tending || this.#stopped || !this.#ports.log.busy) return
    this.#tending = true
    this.#ports.setTimer(TEND_LOG_MS, () => {
      this.#tending = false
      if (!this.#stopped) this.#ports.log.tick(this.#ports.clock().nowMs)
      this.#tendLog()
    })
  }

  /** One timer, for the next thing that is due; re-armed only when that is earlier. */
  #arm(): void {
    if (this.#stopped) return
    const atMs = this.#host.nextTickMs()
    if (this.#timer !== null && this.#timer.atMs <= atMs) return
    this.#timer?.cancel()
    const nowMs = this.#ports.clock().nowMs
    const cancel = this.#ports.setTimer(Math.max(0, atMs - nowMs), () => this.#onTimer(atMs))
    this.#timer = { atMs, cancel }
  }

  #onTimer(dueMs: number): void {
    this.#timer = null
    if (this.#stopped) return
    const { nowMs } = this.#ports.clock()
    if (nowMs - dueMs <= this.#host.lateMs) return this.#host.tick()
    // We were paused: what waits in the sockets is read before any timer judges (DESIGN §5.4).
    this.#ports.defer(() => this.#ports.defer(() => this.#host.tick()))
  }
}
