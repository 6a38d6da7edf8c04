/**
 * WebSockets on Node, which has a client since 22 only and no server: the package `ws`. Only ever
 * imported dynamically, on Node: the other runtimes have their own.
 *
 * @module
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocket as NodeWebSocket, WebSocketServer } from 'ws'
import { MESSAGE_BYTES_MAX } from './mesh-request.ts'

/** Messages are small or dense: deflating them would cost time and memory for each link. */
const OPTIONS = { perMessageDeflate: false, maxPayload: MESSAGE_BYTES_MAX }

export function openNodeWebSocket(url: URL): WebSocket {
  return standard(new NodeWebSocket(url, OPTIONS))
}

/** Takes connections over from an HTTP server. What is no handshake is answered here. */
export function webSocketUpgrader(): (
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
) => Promise<WebSocket> {
  const server = new WebSocketServer({ ...OPTIONS, noServer: true, clientTracking: false })
  return (request, socket, head) =>
    new Promise((resolve) => {
      server.handleUpgrade(request, socket, head, (webSocket) => resolve(standard(webSocket)))
    })
}

/** It has the standard's events and members, and says so in types of its own only. */
function standard(webSocket: NodeWebSocket): WebSocket {
  return webSocket as unknown as WebSocket
}
