import { assert } from '../lib/assert.ts'
import type { EntryId } from '../raft/types.ts'
import { CodecError } from './fields.ts'
import { decodePiece, encodeFetch, PIECE_BYTES } from './snapshot-codec.ts'
import type { Stream, StreamEvents } from './streams.ts'

/** Where the bytes go: a file, which may hold some from an attempt before. */
export interface FetchSink {
  /** How many bytes from the start are there already, of a snapshot with this checksum. */
  begin(sha256: Uint8Array, totalBytes: number): number
  /** Why it could not be written, or null: a full disk, say. It is tried again later. */
  write(at: number, bytes: Uint8Array): string | null
  /** All are there: makes them durable and compares the checksum. */
  finish(done: (verdict: 'whole' | 'damaged') => void): void
}

export interface FetchPorts {
  open(events: StreamEvents): Stream
  setTimer(ms: number, run: () => void): () => void
}

export interface FetchEvents {
  progress(bytes: number, totalBytes: number): void
  /** `gone`: the other side has it no more. The last event; never within the constructor. */
  done(result: 'whole' | 'gone'): void
  /** Something to tell a person: it goes on by itself. */
  trouble(reason: string): void
}

/** Pieces asked for and not yet here. */
const WINDOW = 4
/** Between two attempts. */
const RETRY_MS = 500
/** A stream that brings nothing for so long is given up. */
const SILENT_MS = 5_000
/** A snapshot that arrives damaged so often is given up. */
const DAMAGED_MAX = 3

/**
 * Fetches one snapshot, piece by piece, in a bounded window. Where the stream breaks it goes on
 * from where it was; what arrives is trusted only when the checksum over all of it fits.
 */
export class SnapshotFetch {
  readonly #snapshot: EntryId
  readonly #sink: FetchSink
  readonly #ports: FetchPorts
  readonly #events: FetchEvents
  #stream: Stream | null = null
  #cancelTimer: (() => void) | null = null
  #ended = false
  #sha256: Uint8Array | null = null
  #totalBytes = 0
  /** Bytes from the start that are in the sink. */
  #received = 0
  /** Up to where pieces were asked for. */
  #asked = 0
  #damaged = 0

  constructor(snapshot: EntryId, sink: FetchSink, ports: FetchPorts, events: FetchEvents) {
    this.#snapshot = snapshot
    this.#sink = sink
    this.#ports = ports
    this.#events = events
    this.#connect()
  }

  /** Nothing is called any more. What was fetched stays in the sink. */
  cancel(): void {
    this.#ended = true
    this.#cancelTimer?.()
    this.#stream?.close()
    this.#stream = null
  }

  #connect(): void {
    const current = (): boolean => !this.#ended && this.#stream === stream
    const stream: Stream = this.#ports.open({
      up: () => {
        if (current()) this.#begin()
      },
      receive: (type, payload) => {
        if (!current()) return
        if (type === 'gone') return this.#end('gone')
        if (type === 'piece') this.#receive(payload)
      },
      down: (reason) => {
        if (current()) this.#retry(reason)
      },
    })
    this.#stream = stream
    this.#watch()
  }

  /** The first piece says how many there are; the rest is asked for then. */
  #begin(): void {
    this.#asked = this.#received
    this.#ask()
  }

  #ask(): void {
    const end = this.#sha256 === null ? 1 : this.#totalBytes
    while (this.#asked < end && this.#asked < this.#received + WINDOW * PIECE_BYTES) {
      const payload = [encodeFetch({ snapshot: this.#snapshot, offset: this.#asked })]
      if (this.#stream?.send('fetch', payload) !== true) return this.#retry('its socket overflowed')
      this.#asked += PIECE_BYTES
    }
  }

  #receive(payload: Uint8Array): void {
    let piece
    try {
      piece = decodePiece(payload)
    } catch (error) {
      if (!(error instanceof CodecError)) throw error
      return this.#retry(error.message)
    }
    const { sha256, totalBytes, offset, bytes } = piece
    if (this.#sha256 === null || !same(this.#sha256, sha256)) {
      // The first piece, or another snapshot of the same entry: nothing of the two is mixed.
      this.#sha256 = sha256.slice()
      this.#totalBytes = totalBytes
      this.#received = this.#sink.begin(this.#sha256, totalBytes)
      assert(this.#received <= totalBytes, 'no more is kept than there is')
      // This piece is the one that was asked for first; it may be behind what is there.
      this.#asked = offset === this.#received ? offset + bytes.length : this.#received
    }
    if (totalBytes !== this.#totalBytes) return this.#retry('a snapshot of another length')
    // Repeated or out of order: only what follows is taken.
    if (offset === this.#received) {
      const problem = this.#sink.write(offset, bytes)
      if (problem !== null) return this.#retry(problem)
      this.#received += bytes.length
      this.#events.progress(this.#received, totalBytes)
    }
    this.#watch()
    if (this.#received < totalBytes) return this.#ask()
    this.#finish()
  }

  #finish(): void {
    this.#cancelTimer?.()
    const stream = this.#stream
    this.#stream = null // First: its end is no interruption.
    stream?.close()
    this.#sink.finish((verdict) => {
      if (this.#ended) return
      if (verdict === 'whole') return this.#end('whole')
      this.#damaged += 1
      this.#sha256 = null
      this.#received = 0
      if (this.#damaged >= DAMAGED_MAX) return this.#end('gone')
      this.#retry('the checksum does not fit')
    })
  }

  #end(result: 'whole' | 'gone'): void {
    this.cancel()
    this.#events.done(result)
  }

  #retry(reason: string): void {
    const stream = this.#stream
    this.#stream = null
    stream?.close()
    this.#events.trouble(reason)
    this.#cancelTimer?.()
    this.#cancelTimer = this.#ports.setTimer(RETRY_MS, () => this.#connect())
  }

  #watch(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = this.#ports.setTimer(SILENT_MS, () => this.#retry('silent'))
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
