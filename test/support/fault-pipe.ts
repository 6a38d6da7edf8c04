/** One direction of one proxied connection: bytes in, the same bytes out, hurt on the way. */
import type { Socket } from 'node:net'
import type { Random } from '../../src/lib/prng.ts'

/** Held back in one direction before its sender is held back too. */
const HELD_BYTES_MAX = 1024 * 1024

/** What is done to bytes in one direction. */
export interface Faults {
  /** They arrive so much later, in milliseconds. */
  readonly delayMs: number
  /** Of a hundred pieces so many are lost and sent again: they and all behind them wait. */
  readonly lossPercent: number
  /** What one lost piece costs, in milliseconds: the sender's retransmission timeout. */
  readonly retransmitMs: number
  /** None arrives until this is healed; after 1 MiB the sender sees a peer that does not read. */
  readonly stalled: boolean
  /** None arrives, ever; the sender sees a peer that reads all. Healing ends the connection. */
  readonly swallowed: boolean
}

export const NO_FAULTS: Faults = {
  delayMs: 0,
  lossPercent: 0,
  retransmitMs: 300,
  stalled: false,
  swallowed: false,
}

/** A piece on its way; null: the sender's end of the stream. */
interface Piece {
  readonly bytes: Uint8Array | null
  readonly dueMs: number
}

export interface PipeOptions {
  readonly source: Socket
  readonly target: Socket
  readonly random: Random
  /** Of now; asked for every piece. */
  faults(): Faults
  /** Sees every piece before it travels. */
  onBytes?(bytes: Uint8Array): void
  /** The sender's end of the stream was passed on: this direction is over. */
  onEnd(): void
  /** The receiver has all that it will ever get, and the connection is to end. */
  onBreak(): void
}

export class FaultPipe {
  readonly #options: PipeOptions
  #pieces: Piece[] = []
  #heldBytes = 0
  #lastDueMs = 0
  #timer: ReturnType<typeof setTimeout> | null = null
  #cutAfterBytes: number | null = null
  #hasHole = false
  #hasEnded = false
  #closed = false

  constructor(options: PipeOptions) {
    this.#options = options
    options.source.on('data', (bytes: Buffer) => this.#take(bytes))
    options.source.on('end', () => this.#takeEnd())
    // Also after an error, such as a reset, which has no `end`.
    options.source.on('close', () => this.#takeEnd())
    options.target.on('drain', () => this.pump())
  }

  /** So many more bytes are delivered, then the connection ends, in the middle of anything. */
  cutAfter(bytes: number): void {
    this.#cutAfterBytes = bytes
  }

  /** Delivers what is due. To be called after faults changed. */
  pump(): void {
    if (this.#closed) return
    const { stalled, swallowed } = this.#options.faults()
    if (stalled || swallowed) return
    if (this.#hasHole) return this.#options.onBreak()
    for (let piece = this.#pieces[0]; piece !== undefined; piece = this.#pieces[0]) {
      const waitMs = piece.dueMs - performance.now()
      if (waitMs > 0) return this.#pumpIn(waitMs)
      if (this.#options.target.writableNeedDrain) return
      this.#pieces.shift()
      this.#deliver(piece.bytes)
      if (this.#closed) return
    }
  }

  close(): void {
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#pieces = []
  }

  #take(bytes: Uint8Array): void {
    if (this.#closed) return
    this.#options.onBytes?.(bytes)
    const faults = this.#options.faults()
    if (faults.swallowed) this.#hasHole = true
    else this.#push(bytes, faults)
    if (this.#heldBytes >= HELD_BYTES_MAX) this.#options.source.pause()
    this.pump()
  }

  #takeEnd(): void {
    if (this.#closed || this.#hasEnded) return
    this.#hasEnded = true
    this.#push(null, this.#options.faults())
    this.pump()
  }

  #push(bytes: Uint8Array | null, { delayMs, lossPercent, retransmitMs }: Faults): void {
    const isLost = lossPercent > 0 && this.#options.random(100) < lossPercent
    const arrivesMs = performance.now() + delayMs + (isLost ? retransmitMs : 0)
    // TCP keeps the order: nothing overtakes what was lost before it.
    this.#lastDueMs = Math.max(this.#lastDueMs, arrivesMs)
    this.#pieces.push({ bytes, dueMs: this.#lastDueMs })
    this.#heldBytes += bytes?.length ?? 0
  }

  #pumpIn(ms: number): void {
    if (this.#timer !== null) return
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.pump()
    }, ms)
  }

  #deliver(bytes: Uint8Array | null): void {
    const { source, target } = this.#options
    if (bytes === null) {
      target.end()
      return this.#options.onEnd()
    }
    this.#heldBytes -= bytes.length
    if (source.isPaused() && this.#heldBytes < HELD_BYTES_MAX) source.resume()
    const left = this.#cutAfterBytes
    if (left === null || bytes.length < left) {
      if (left !== null) this.#cutAfterBytes = left - bytes.length
      target.write(bytes)
      return
    }
    target.write(bytes.subarray(0, left))
    this.#options.onBreak()
  }
}
