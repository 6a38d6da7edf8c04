import { messageOf } from '../lib/text.ts'
import type { Socket, SocketEvents } from '../mesh/mod.ts'
import { BUFFERED_BYTES_MAX, MESH_PATH } from './mesh-request.ts'
import { WebSocketSocket } from './web-socket.ts'

/**
 * Opens a WebSocket to the mesh of the node at `url`, such as `http://10.0.0.2:8080`. A failure
 * is the socket's `close` event, later; this does not throw.
 */
export type Dial = (url: string, events: SocketEvents) => Socket

/** Bun's WebSocket takes options where the standard has protocols. */
type BunWebSocket = new (url: URL, options: { readonly perMessageDeflate: boolean }) => WebSocket

/**
 * {@link Dial} on this runtime. Node is given the package `ws`: a WebSocket of its own it has since
 * 22 only.
 */
export async function loadDial(): Promise<Dial> {
  if ('Bun' in globalThis || 'Deno' in globalThis) return dial
  const { openNodeWebSocket } = await import('./web-socket-node.ts')
  return dialWith(openNodeWebSocket)
}

/**
 * {@link Dial} on Bun and Deno.
 *
 * Deno's client leaves Nagle's algorithm on: messages of 1.8 KB and more take some 40 ms longer
 * (RUNTIME §6).
 */
export const dial: Dial = dialWith((url) => {
  if (!('Bun' in globalThis)) return new WebSocket(url)
  return new (WebSocket as unknown as BunWebSocket)(url, { perMessageDeflate: false })
})

function dialWith(open: (url: URL) => WebSocket): Dial {
  return (url, events) => {
    let webSocket: WebSocket
    try {
      webSocket = open(meshUrl(url))
    } catch (error) {
      return failed(error, events)
    }
    const socket = new WebSocketSocket(webSocket, BUFFERED_BYTES_MAX)
    socket.listen(events)
    return socket
  }
}

function meshUrl(url: string): URL {
  const target = new URL(MESH_PATH, url)
  target.protocol = target.protocol === 'https:' ? 'wss:' : 'ws:'
  return target
}

/** An address that is none: the same to the mesh as one that does not answer. */
function failed(error: unknown, events: SocketEvents): Socket {
  const reason = messageOf(error)
  queueMicrotask(() => events.close(reason))
  return { send: () => false, bufferedBytes: () => 0, close: () => {} }
}
