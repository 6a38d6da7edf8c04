/** Milliseconds since 1970 at which every run begins. */
const EPOCH_MS = 1_700_000_000_000

/**
 * The two clocks of one machine as functions of true time. The monotonic one runs at a rate of its
 * own inside the drift that nodes are told of; the wall clock steps, and in some seeds drifts along.
 */
export class NodeClock {
  #sinceMs: number
  #mono: number
  #rate: number
  #wallShiftMs = 0
  /** Where nobody corrects the wall clock, it runs at the rate of the other one: this far since then. */
  readonly #wallDrifts: boolean
  #wall: { readonly sinceMs: number; readonly ms: number }

  constructor(
    trueMs: number,
    given: { readonly originMs: number; readonly rate: number; readonly wallDrifts: boolean },
  ) {
    this.#sinceMs = trueMs
    this.#mono = given.originMs
    this.#rate = given.rate
    this.#wallDrifts = given.wallDrifts
    this.#wall = { sinceMs: trueMs, ms: trueMs }
  }

  mono(trueMs: number): number {
    return this.#mono + Math.max(0, trueMs - this.#sinceMs) * this.#rate
  }

  wall(trueMs: number): number {
    return EPOCH_MS + (this.#wallDrifts ? this.#drifted(trueMs) : trueMs) + this.#wallShiftMs
  }

  #drifted(trueMs: number): number {
    const { sinceMs, ms } = this.#wall
    return ms + (trueMs - sinceMs) * this.#rate
  }

  /** How much true time passes while this clock counts `ms`. */
  trueSpan(ms: number): number {
    return ms / this.#rate
  }

  setRate(trueMs: number, rate: number): void {
    this.#mono = this.mono(trueMs)
    this.#wall = { sinceMs: trueMs, ms: this.#drifted(trueMs) }
    this.#sinceMs = trueMs
    this.#rate = rate
  }

  stepWall(ms: number): void {
    this.#wallShiftMs += ms
  }

  /** The machine is suspended for `ms`: its monotonic clock stands still, the wall clock does not. */
  freeze(trueMs: number, ms: number): void {
    this.#mono = this.mono(trueMs)
    this.#sinceMs = trueMs + ms
  }

  /** A new process counts from an origin of its own. */
  restart(trueMs: number, originMs: number): void {
    this.#mono = originMs
    this.#sinceMs = trueMs
  }
}
