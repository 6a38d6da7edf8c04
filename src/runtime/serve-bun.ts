import type { Server as BunServer, ServerWebSocket } from 'bun'
import type { Socket, SocketEvents } from '../mesh/mod.ts'
import {
  cutBodyAt,
  BUFFERED_BYTES_MAX,
  closeAll,
  isMeshRequest,
  MESSAGE_BYTES_MAX,
  refusedOrigin,
  serverUrl,
} from './mesh-request.ts'
import type { Remote, ServeOptions, Server } from './serve.ts'

/** What Bun keeps with a WebSocket. Set when it opens. */
interface SocketData {
  socket: BunSocket | null
  events: SocketEvents | null
}

/** Connections that say nothing are cut after so many seconds, also in the middle of a request. */
const IDLE_SECONDS = 10
/** Answers that have no end of their own. */
const STREAMS = /^(?:text\/event-stream|application\/x-ndjson)\b/
/** The mesh pings once a second and closes silent links itself; this is a second net. */
const SOCKET_IDLE_SECONDS = 60

/** The server on Bun. Throws the system's error with its `code`. */
export function serveBun(options: ServeOptions): Server {
  const { host, mesh } = options
  const open = new Set<BunSocket>()
  const server = Bun.serve<SocketData>({
    hostname: host,
    port: options.port,
    development: false,
    // With `development: false` Bun shares a port that is in use, also with another process, and
    // the kernel deals connections out between the two. It must be EADDRINUSE.
    reusePort: false,
    idleTimeout: IDLE_SECONDS,
    maxRequestBodySize: cutBodyAt(options.maxBodyBytes),
    fetch(request, server) {
      if (mesh !== null && isMeshRequest(request)) return upgrade(request, server)
      const remote = new BunRemote(request, server)
      return remote.bounded(options.fetch(request, remote))
    },
    error: () => new Response('internal error\n', { status: 500 }),
    websocket: socketHandlers(mesh, open),
  })

  const port = server.port ?? options.port
  return {
    port,
    url: serverUrl(host, port),
    async stop() {
      closeAll(open)
      await server.stop()
    },
    closeNow() {
      closeAll(open)
      void server.stop(true)
    },
  }
}

class BunRemote implements Remote {
  readonly #request: Request
  readonly #server: BunServer<SocketData>
  #isKeptOpen = false

  constructor(request: Request, server: BunServer<SocketData>) {
    this.#request = request
    this.#server = server
  }

  get address(): string | null {
    return this.#server.requestIP(this.#request)?.address ?? null
  }

  keepOpen(): void {
    this.#isKeptOpen = true
    this.#server.timeout(this.#request, 0)
  }

  boundIdle(): void {
    this.#server.timeout(this.#request, IDLE_SECONDS)
  }

  /**
   * Bun's time-outs are the connection's: one that was lifted for a long poll would leave the idle
   * connection open for good after it. A stream of events goes on after its `Response` is made.
   */
  bounded(answer: Response | Promise<Response>): Response | Promise<Response> {
    return answer instanceof Promise
      ? answer.then((made) => this.#restore(made))
      : this.#restore(answer)
  }

  #restore(response: Response): Response {
    if (!this.#isKeptOpen) return response
    if (STREAMS.test(response.headers.get('content-type') ?? '')) return response
    this.boundIdle()
    return response
  }
}

function upgrade(request: Request, server: BunServer<SocketData>): Response | undefined {
  const refused = refusedOrigin(request)
  if (refused !== null) return refused
  if (server.upgrade(request, { data: { socket: null, events: null } })) return undefined
  return new Response('not a WebSocket handshake\n', { status: 400 })
}

function socketHandlers(mesh: ServeOptions['mesh'], open: Set<BunSocket>) {
  return {
    perMessageDeflate: false,
    maxPayloadLength: MESSAGE_BYTES_MAX,
    backpressureLimit: BUFFERED_BYTES_MAX,
    closeOnBackpressureLimit: true,
    idleTimeout: SOCKET_IDLE_SECONDS,
    open(ws: ServerWebSocket<SocketData>) {
      const socket = new BunSocket(ws)
      open.add(socket)
      ws.data.socket = socket
      ws.data.events = mesh?.(socket) ?? null
    },
    message(ws: ServerWebSocket<SocketData>, message: string | Buffer) {
      if (typeof message === 'string') return ws.terminate() // The mesh speaks bytes.
      const { buffer, byteOffset, byteLength } = message
      ws.data.events?.message(new Uint8Array(buffer, byteOffset, byteLength))
    },
    close(ws: ServerWebSocket<SocketData>, code: number, reason: string) {
      if (ws.data.socket !== null) open.delete(ws.data.socket)
      ws.data.events?.close(reason === '' ? `closed with ${code}` : reason)
    },
  }
}

class BunSocket implements Socket {
  readonly #ws: ServerWebSocket<SocketData>

  constructor(ws: ServerWebSocket<SocketData>) {
    this.#ws = ws
  }

  /** Bun answers 0 for what it dropped and −1 for what it queued (RUNTIME §2). */
  send(bytes: Uint8Array): boolean {
    return this.#ws.sendBinary(bytes) !== 0
  }

  bufferedBytes(): number {
    return this.#ws.getBufferedAmount()
  }

  close(): void {
    this.#ws.terminate()
  }
}
