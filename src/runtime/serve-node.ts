/**
 * The server on Node: `node:http`, between whose requests and those of the standard stands
 * `node-http.ts`. Only ever imported dynamically: the other runtimes have servers of their own.
 *
 * @module
 */
import { createServer, type IncomingMessage, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Socket, SocketEvents } from '../mesh/mod.ts'
import { BUFFERED_BYTES_MAX, closeAll, cutBodyAt, MESH_PATH, serverUrl } from './mesh-request.ts'
import { answerNode, toRequest } from './node-http.ts'
import type { ServeOptions, Server } from './serve.ts'
import { webSocketUpgrader } from './web-socket-node.ts'
import { WebSocketSocket } from './web-socket.ts'

/** Who opens a connection says within so long what is wanted, */
const HEADERS_MS = 10_000
/** and is through with it within so long: bodies are small. */
const REQUEST_MS = 60_000
/** Node forgets a connection that says nothing between two requests. */
const IDLE_MS = 10_000

/** Rejects with the system's error and its `code`. */
export async function serveNode(options: ServeOptions): Promise<Server> {
  const open = new Set<Socket>()
  const http = createServer({
    headersTimeout: HEADERS_MS,
    requestTimeout: REQUEST_MS,
    keepAliveTimeout: IDLE_MS,
  })
  http.on('request', (incoming, outgoing) => {
    const request = toRequest(incoming, outgoing, cutBodyAt(options.maxBodyBytes))
    if (request instanceof Response) return void answerNode(request, outgoing)
    const address = incoming.socket.remoteAddress ?? null
    const remote = { address, keepOpen: () => {}, boundIdle: () => {} }
    void answerNode(
      (async () => options.fetch(request, remote))().catch(() => internalError()),
      outgoing,
    )
  })
  http.on('upgrade', upgrader(options.mesh, open))
  await listening(http, options)

  const { port } = http.address() as AddressInfo
  return {
    port,
    url: serverUrl(options.host, port),
    async stop() {
      closeAll(open)
      const closed = new Promise<void>((resolve) => http.close(() => resolve()))
      http.closeIdleConnections()
      await closed
    },
    closeNow() {
      closeAll(open)
      http.close()
      http.closeAllConnections()
    },
  }
}

function internalError(): Response {
  return new Response('internal error\n', { status: 500 })
}

function listening(http: HttpServer, { host, port }: ServeOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    http.once('error', reject)
    http.listen({ host, port, exclusive: true }, () => {
      http.off('error', reject)
      resolve()
    })
  })
}

/** Node hands over every request that wants another protocol: all but the mesh's are refused. */
function upgrader(mesh: ServeOptions['mesh'], open: Set<Socket>) {
  const upgrade = webSocketUpgrader()
  return (incoming: IncomingMessage, connection: Duplex, head: Buffer): void => {
    connection.on('error', () => connection.destroy())
    const { headers, url = '' } = incoming
    if (mesh === null || url.split('?', 1)[0] !== MESH_PATH) {
      return refuse(connection, '400 Bad Request', 'no other protocol is spoken here')
    }
    // A browser sends an origin, a node never does: no page may talk to the mesh.
    if (headers.origin !== undefined) {
      return refuse(connection, '403 Forbidden', 'the mesh is not for browsers')
    }
    void upgrade(incoming, connection, head).then((webSocket) => accept(webSocket, mesh, open))
  }
}

function refuse(connection: Duplex, status: string, why: string): void {
  const head = `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\n`
  connection.end(`${head}Content-Length: ${why.length + 1}\r\n\r\n${why}\n`)
}

/** It is open by now: only a socket that was dialled still has to tell so. */
function accept(
  webSocket: WebSocket,
  mesh: (socket: Socket) => SocketEvents,
  open: Set<Socket>,
): void {
  const socket = new WebSocketSocket(webSocket, BUFFERED_BYTES_MAX)
  open.add(socket)
  const events = mesh(socket)
  socket.listen({
    open: () => {},
    message: (bytes) => events.message(bytes),
    close: (reason) => {
      open.delete(socket)
      events.close(reason)
    },
  })
}
