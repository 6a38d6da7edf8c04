/** Who dials: read from the bytes of a WebSocket as they pass, changing nothing. */
import { decodeFrame, HANDSHAKE_BYTES_MAX } from '../../src/mesh/frame.ts'
import { helloId } from '../../src/mesh/handshake.ts'

/** The upgrade request and the first frame fit in here; what needs more is no dialer of ours. */
const BYTES_MAX = 32 * 1024
const HEAD_END = Buffer.from('\r\n\r\n')

/**
 * Takes what a client sends, piece by piece, and answers the node's id once its hello is there.
 * Null: not yet, or never, as with a client of the API.
 */
export function dialerReader(): (bytes: Uint8Array) => string | null {
  let seen = Buffer.alloc(0)
  let given = false
  return (bytes) => {
    if (given) return null
    seen = Buffer.concat([seen, bytes])
    const head = seen.indexOf(HEAD_END)
    const message = head < 0 ? null : firstMessage(seen.subarray(head + HEAD_END.length))
    const id = message === null ? null : idOf(message)
    given = id !== null || message !== null || seen.length > BYTES_MAX
    return id
  }
}

/** The payload of the masked WebSocket frame (RFC 6455 §5.2) that `bytes` begin with. */
function firstMessage(bytes: Buffer): Uint8Array | null {
  const code = (bytes[1] ?? 0) & 0x7f
  const wide = code === 126
  const start = wide ? 4 : 2
  if (bytes.length < start + 4 || code === 127) return null
  const length = wide ? bytes.readUInt16BE(2) : code
  const mask = bytes.subarray(start, start + 4)
  const payload = bytes.subarray(start + 4, start + 4 + length)
  if (payload.length < length) return null
  return payload.map((byte, i) => byte ^ (mask[i % 4] as number))
}

function idOf(message: Uint8Array): string | null {
  try {
    return helloId(decodeFrame(message, HANDSHAKE_BYTES_MAX).payload)
  } catch {
    return null // A client that speaks something else over a WebSocket.
  }
}
