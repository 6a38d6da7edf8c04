import { assert } from '../../lib/assert.ts'
import { setTimer } from '../../lib/timer.ts'
import type { Watch, WatchSink } from '../../replica/watch/watch.ts'

/**
 * Held here for a reader before the hub is told to wait. The system's socket buffers hold more:
 * some megabytes, before any of this fills.
 */
const HELD_BYTES = 65_536
/** How long a reader may take to fetch the last words; then the connection is cut. */
const FAREWELL_MS = 10_000

/**
 * The body of a watch's answer. Bun and Deno ask a stream for more (`pull`) as far as the socket
 * takes it, so `desiredSize` tells whether the reader keeps up.
 */
export class WatchStream implements WatchSink {
  readonly body: ReadableStream<Uint8Array>
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null
  #watch: Watch | null = null
  #onEnd: (() => void) | null = null
  /** Takes back the cut of the connection; null while the end was not said. */
  #cancelFarewell: (() => void) | null = null

  constructor() {
    const held = new ByteLengthQueuingStrategy({ highWaterMark: HELD_BYTES })
    this.body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => void (this.#controller = controller),
        pull: () => this.#pulled(),
        cancel: () => this.#gone(),
      },
      held,
    )
  }

  attach(watch: Watch, onEnd: () => void): void {
    assert(this.#watch === null, 'a stream is of one watch')
    this.#watch = watch
    this.#onEnd = onEnd
  }

  write(bytes: Uint8Array): boolean {
    const controller = this.#controller
    if (controller === null) return false
    controller.enqueue(bytes)
    return (controller.desiredSize ?? 0) > 0
  }

  end(bytes: Uint8Array): void {
    const controller = this.#controller
    if (controller === null) return
    controller.enqueue(bytes)
    this.#onEnd?.()
    if ((controller.desiredSize ?? 0) > 0) return this.#close()
    this.#cancelFarewell = setTimer(FAREWELL_MS, () => {
      this.#controller?.error(new Error('the reader did not take the end of its watch'))
      this.#controller = null
    })
  }

  #pulled(): void {
    if (this.#cancelFarewell !== null) return this.#close()
    this.#watch?.resume()
  }

  #close(): void {
    this.#cancelFarewell?.()
    this.#controller?.close()
    this.#controller = null
  }

  #gone(): void {
    this.#cancelFarewell?.()
    this.#controller = null
    this.#watch?.close()
    this.#onEnd?.()
  }
}
