import type { Socket, SocketEvents } from '../mesh/mod.ts'
import {
  cutBodyAt,
  BUFFERED_BYTES_MAX,
  closeAll,
  isMeshRequest,
  refusedOrigin,
  serverUrl,
} from './mesh-request.ts'
import type { ServeOptions, Server } from './serve.ts'
import { WebSocketSocket } from './web-socket.ts'

/** The few members of the `Deno` global that are used here. */
interface DenoApi {
  serve(
    options: {
      readonly hostname: string
      readonly port: number
      readonly signal: AbortSignal
      onListen(): void
      onError(error: unknown): Response
    },
    handler: (request: Request, info: DenoInfo) => Response | Promise<Response>,
  ): DenoServer
  upgradeWebSocket(
    request: Request,
    options: { readonly idleTimeout: number },
  ): { readonly socket: WebSocket; readonly response: Response }
}

interface DenoInfo {
  readonly remoteAddr: { readonly hostname?: string }
}

interface DenoServer {
  readonly addr: { readonly port: number }
  readonly finished: Promise<void>
  shutdown(): Promise<void>
}

/** The mesh pings once a second and closes silent links itself; this is a second net. */
const SOCKET_IDLE_SECONDS = 60

/** The server on Deno. Throws the system's error with its `code`. */
export function serveDeno(options: ServeOptions): Server {
  const { Deno } = globalThis as unknown as { readonly Deno: DenoApi }
  const open = new Set<Socket>()
  const abort = new AbortController()
  const server = Deno.serve(
    {
      hostname: options.host,
      port: options.port,
      signal: abort.signal,
      onListen: () => {},
      onError: () => new Response('internal error\n', { status: 500 }),
    },
    (request, info) => {
      if (options.mesh !== null && isMeshRequest(request)) {
        return upgrade(Deno, request, { mesh: options.mesh, open })
      }
      const address = info.remoteAddr.hostname ?? null
      const remote = { address, keepOpen: () => {}, boundIdle: () => {} }
      const bounded = boundBody(request, cutBodyAt(options.maxBodyBytes))
      if (bounded === null) return new Response('the body is too large\n', { status: 413 })
      return options.fetch(bounded, remote)
    },
  )

  const { port } = server.addr
  return {
    port,
    url: serverUrl(options.host, port),
    async stop() {
      closeAll(open)
      await server.shutdown()
    },
    closeNow() {
      closeAll(open)
      abort.abort()
    },
  }
}

function upgrade(
  Deno: DenoApi,
  request: Request,
  { mesh, open }: { readonly mesh: (socket: Socket) => SocketEvents; readonly open: Set<Socket> },
): Response {
  const refused = refusedOrigin(request)
  if (refused !== null) return refused
  const { socket: webSocket, response } = Deno.upgradeWebSocket(request, {
    idleTimeout: SOCKET_IDLE_SECONDS,
  })
  const socket = new WebSocketSocket(webSocket, BUFFERED_BYTES_MAX)
  open.add(socket)
  let events: SocketEvents | null = null
  socket.listen({
    open: () => {
      events = mesh(socket)
    },
    message: (bytes) => events?.message(bytes),
    close: (reason) => {
      open.delete(socket)
      events?.close(reason)
    },
  })
  return response
}

/** Deno bounds no body itself. Null where the request declares too much. */
function boundBody(request: Request, bytesMax: number): Request | null {
  if (request.body === null) return request
  const declared = request.headers.get('content-length')
  if (declared !== null) return Number(declared) <= bytesMax ? request : null

  let bytes = 0
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      bytes += chunk.length
      if (bytes > bytesMax) controller.error(new RangeError('the body is too large'))
      else controller.enqueue(chunk)
    },
  })
  const { url, method, headers } = request
  // Of parts, without the signal: Deno aborts it after every answer, and warns whoever follows it.
  return new Request(url, { method, headers, body: request.body.pipeThrough(counter) })
}
