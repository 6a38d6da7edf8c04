/**
 * Streams: links beside the peers' own, for bytes that must not delay a heartbeat (DESIGN §9).
 * They are proven like any other link, under a label of their own.
 *
 * @module
 */
import { encodeFrame, type Frame, type StreamFrameType } from './frame.ts'
import type { Socket } from './ports.ts'

/** The end of a stream that writes. */
export interface Stream {
  /** False: dropped, the stream is broken. */
  send(type: StreamFrameType, payload: readonly Uint8Array[]): boolean
  /** Sent and not yet taken by the system. */
  bufferedBytes(): number
  close(): void
}

/** The end that listens. */
export interface StreamEvents {
  /** Both sides are proven: it may be written to. Comes first, if at all. */
  up(): void
  receive(type: StreamFrameType, payload: Uint8Array): void
  /** The last event, also of a stream that never came up, and of one that this node closed. */
  down(reason: string): void
}

export function streamOver(socket: Socket, close: () => void): Stream {
  return {
    send: (type, payload) => socket.send(encodeFrame(type, payload)),
    bufferedBytes: () => socket.bufferedBytes(),
    close,
  }
}

/** Only called for frames that a link let through as a stream's. */
export function isStreamFrame(frame: Frame): frame is Frame & { readonly type: StreamFrameType } {
  return frame.type === 'fetch' || frame.type === 'piece' || frame.type === 'gone'
}
