import type { EntryId } from '../raft/types.ts'
import { CodecError } from './fields.ts'
import { decodeFetch, encodeGone, encodePiece, PIECE_BYTES } from './snapshot-codec.ts'
import type { FetchRequest } from './snapshot-codec.ts'
import type { Stream, StreamEvents } from './streams.ts'

/** A snapshot that may be read at any place. */
export interface SnapshotSource {
  readonly snapshot: EntryId
  readonly bytes: number
  readonly sha256: Uint8Array
  /** In the background; null: it cannot be read any more. */
  read(at: number, length: number, done: (bytes: Uint8Array | null) => void): void
}

/** Pieces that may be asked for and not yet sent, on one stream. */
const PENDING_MAX = 16

/**
 * Answers what is asked for on a stream, piece by piece: who fetches sets the pace, so what is
 * unsent here is bounded by its window. `find` names the snapshot, or nothing where it is gone.
 */
export function serveSnapshot(
  stream: Stream,
  find: (snapshot: EntryId) => SnapshotSource | null,
): StreamEvents {
  /** In order, the first one is being read: pieces leave in the order in which they were asked. */
  const pending: FetchRequest[] = []
  let isOpen = true
  const send = (type: 'piece' | 'gone', payload: Uint8Array): void => {
    if (!stream.send(type, [payload])) return stream.close()
    pending.shift()
    next()
  }
  const next = (): void => {
    const request = pending[0]
    if (request === undefined || !isOpen) return
    const { snapshot, offset } = request
    const source = find(snapshot)
    if (source === null || offset >= source.bytes) return send('gone', encodeGone(snapshot))
    const { bytes: totalBytes, sha256 } = source
    source.read(offset, Math.min(PIECE_BYTES, totalBytes - offset), (bytes) => {
      if (!isOpen) return
      if (bytes === null) return send('gone', encodeGone(snapshot))
      send('piece', encodePiece({ offset, bytes, totalBytes, sha256 }))
    })
  }
  return {
    up: () => {},
    receive(type, payload) {
      if (type !== 'fetch' || pending.length >= PENDING_MAX) return stream.close()
      try {
        pending.push(decodeFetch(payload))
        if (pending.length === 1) next()
      } catch (error) {
        if (!(error instanceof CodecError)) throw error
        stream.close()
      }
    },
    down() {
      isOpen = false
    },
  }
}
