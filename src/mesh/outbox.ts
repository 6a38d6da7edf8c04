import { assert } from '../lib/assert.ts'
import { LIST_HEAD_BYTES, listHead } from './codec.ts'
import { encodeFrame, PAYLOAD_BYTES_MAX } from './frame.ts'

const MESSAGE_BYTES_MAX = PAYLOAD_BYTES_MAX - LIST_HEAD_BYTES

/** Encoded messages for one peer, gathered over one turn of the loop. Bounded in both ways. */
export class Outbox {
  readonly #bytesMax: number
  readonly #messagesMax: number
  #messages: Uint8Array[] = []
  #bytes = 0

  constructor(bounds: { readonly bytesMax: number; readonly messagesMax: number }) {
    this.#bytesMax = bounds.bytesMax
    this.#messagesMax = bounds.messagesMax
  }

  get isEmpty(): boolean {
    return this.#messages.length === 0
  }

  /** False: it is full, or no frame could hold this message. */
  push(message: Uint8Array): boolean {
    if (message.length > MESSAGE_BYTES_MAX) return false
    if (this.#messages.length >= this.#messagesMax) return false
    if (this.#bytes + message.length > this.#bytesMax) return false
    this.#messages.push(message)
    this.#bytes += message.length
    return true
  }

  /** Everything as frames, in order: one, unless it is more than a frame may hold. */
  take(): Uint8Array[] {
    const frames: Uint8Array[] = []
    const messages = this.#messages
    let from = 0
    while (from < messages.length) {
      const to = frameEnd(messages, from)
      frames.push(encodeFrame('messages', [listHead(to - from), ...messages.slice(from, to)]))
      from = to
    }
    this.clear()
    return frames
  }

  clear(): void {
    this.#messages = []
    this.#bytes = 0
  }
}

/** How far the frame that begins with `messages[from]` reaches. */
function frameEnd(messages: readonly Uint8Array[], from: number): number {
  let bytes = 0
  let to = from
  for (; to < messages.length; to++) {
    bytes += messages[to]?.length ?? 0
    if (bytes > MESSAGE_BYTES_MAX) break
  }
  assert(to > from, 'a frame holds any one message')
  return to
}
