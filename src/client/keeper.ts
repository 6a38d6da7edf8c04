/**
 * Something that is held for as long as it is renewed: a lock's grant, a lease.
 *
 * The promise (DESIGN §5): the leader counts a time to live from when it handled a renewal, which is
 * after it was sent. So it is held for one time to live from the **sending** of the last renewal that
 * was answered, whatever becomes of the later ones, and {@link Keeper.signal} fires before that is
 * over, by the timer of this process alone: with every node unreachable too. Time is monotonic.
 */
import { isCode, quietly, RollcallError } from './error.ts'
import { pause } from './ports.ts'
import type { Session } from './session.ts'
import type { Answer, CallOptions } from './transport.ts'

/** What is held: `await using held = …` gives it up in the end. */
export interface Held extends AsyncDisposable {
  /**
   * Fires when it may no longer be held: at the latest one time to live after the sending of the last
   * answered renewal, whatever is reachable. Its reason is a `RollcallError`: `lost`, or `closed`.
   */
  readonly signal: AbortSignal
  /** By the clock, now. */
  readonly isHeld: boolean
  /** Until `signal` fires, if no renewal is answered. */
  readonly remainingMs: number
  /** Gives it up. Throws where that could not be told: its time to live does it then. */
  release(): Promise<void>
}

export interface KeeperOptions {
  /** What is held, for the words of errors: `lock "a"`. */
  readonly what: string
  readonly ttlMs: number
  /** When the request was sent that was answered with the grant. */
  readonly sentMs: number
  /** How long before the end of the time to live the signal fires; a twentieth of it by itself. */
  readonly marginMs?: number | undefined
  /** Throws `not_found` when it is lost. */
  readonly renew: (options: CallOptions) => Promise<Answer>
  /** Tells the nodes that it is given up; what is gone already is none of its errors. */
  readonly end: () => Promise<unknown>
}

const RENEWALS_PER_TTL = 3
/** Two clocks may run apart by this much of what they count. */
const MARGIN = 1 / 20
const ATTEMPT_MIN_MS = 250

export class Keeper implements Held {
  readonly #session: Session
  readonly #options: KeeperOptions
  readonly #marginMs: number
  /** Fires with the end of what is held, and ends the renewals. */
  readonly #over = new AbortController()
  readonly #leave: () => void
  #sentMs: number
  #cancel = (): void => {}
  #running: Promise<void> = Promise.resolve()
  #released: Promise<void> | null = null

  constructor(session: Session, options: KeeperOptions) {
    this.#session = session
    this.#options = options
    this.#sentMs = options.sentMs
    this.#marginMs = Math.min(options.marginMs ?? options.ttlMs * MARGIN, options.ttlMs)
    this.#leave = session.join(this)
  }

  get signal(): AbortSignal {
    return this.#over.signal
  }

  /** Right even where a stalled process has not run its timers. */
  get isHeld(): boolean {
    if (!this.#over.signal.aborted && this.remainingMs <= 0) this.#runOut()
    return !this.#over.signal.aborted
  }

  get remainingMs(): number {
    return this.#sentMs + this.#options.ttlMs - this.#marginMs - this.#session.ports.nowMs()
  }

  /**
   * Keeps it. A grant that was long on its way is renewed before this resolves. Where that fails, or
   * `signal` fired, it is given up: the next in a queue need not wait for its time to live.
   */
  async start(signal?: AbortSignal): Promise<void> {
    try {
      const ageMs = this.#session.ports.nowMs() - this.#sentMs
      if (ageMs > this.#options.ttlMs / RENEWALS_PER_TTL) await this.#renewFirst()
      signal?.throwIfAborted()
      this.#session.assertOpen()
      if (!this.isHeld) throw this.signal.reason
    } catch (error) {
      this.release().catch(() => {}) // Nobody has it, so nobody has to hear of its end.
      throw error
    }
    this.#arm()
    this.#running = this.#run()
  }

  release(): Promise<void> {
    this.#released ??= this.#release()
    return this.#released
  }

  /** Like `release`, but silent where no node hears it: its time to live does the same. */
  [Symbol.asyncDispose](): Promise<void> {
    return quietly(this.release())
  }

  async #release(): Promise<void> {
    this.#leave()
    this.#end(new RollcallError('closed', `${this.#options.what} was given up`))
    await this.#running
    try {
      await this.#options.end()
    } catch (error) {
      if (!isGone(error)) throw error
    }
  }

  /** The node that was asked kept it alive: what counts here begins with this renewal. */
  async #renewFirst(): Promise<void> {
    const { renew, ttlMs } = this.#options
    try {
      const { sentMs } = await renew({ ...this.#limits(ttlMs), signal: this.#over.signal })
      this.#sentMs = sentMs
    } catch (error) {
      throw isGone(error) ? this.#lostBy(error) : error
    }
  }

  async #run(): Promise<void> {
    const { ports } = this.#session
    const { ttlMs, renew } = this.#options
    const everyMs = ttlMs / RENEWALS_PER_TTL
    let pauseMs = everyMs - (ports.nowMs() - this.#sentMs)
    while (this.isHeld) {
      await pause(ports, Math.max(0, pauseMs), this.#over.signal)
      if (!this.isHeld) return
      try {
        const limits = this.#limits(this.remainingMs)
        const { sentMs } = await renew({ ...limits, signal: this.#over.signal })
        if (!this.isHeld) return
        this.#sentMs = Math.max(this.#sentMs, sentMs)
        this.#arm()
        pauseMs = everyMs - (ports.nowMs() - this.#sentMs)
      } catch (error) {
        if (isGone(error)) return this.#end(this.#lostBy(error))
        pauseMs = everyMs / 10 // Unreachable, or overloaded: until the time is over.
      }
    }
  }

  #limits(timeoutMs: number): CallOptions {
    const attemptMs = Math.max(ATTEMPT_MIN_MS, this.#options.ttlMs / (2 * RENEWALS_PER_TTL))
    return { attemptMs, timeoutMs: Math.max(1, timeoutMs), repeatable: true }
  }

  #arm(): void {
    this.#cancel()
    this.#cancel = this.#session.ports.timer(() => {
      if (this.isHeld) this.#arm() // A timer may fire a moment early.
    }, this.remainingMs)
  }

  #runOut(): void {
    this.#end(this.#lostBy(undefined))
  }

  #lostBy(cause: unknown): RollcallError {
    const why = cause === undefined ? 'no renewal was answered in time' : 'a node says so'
    return new RollcallError('lost', `${this.#options.what} is lost: ${why}`, { cause })
  }

  #end(reason: RollcallError): void {
    this.#cancel()
    this.#over.abort(reason)
  }
}

function isGone(error: unknown): boolean {
  return isCode(error, 'not_found', 'stale_token')
}
