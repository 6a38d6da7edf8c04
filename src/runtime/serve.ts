/**
 * One HTTP and WebSocket server on one port, on Bun, Deno and Node.
 *
 * The mesh's WebSockets are the runtime's own, not a framework's: on Bun `send` reports what it
 * dropped, and Raft must know (RUNTIME §2).
 *
 * @module
 */
import type { Socket, SocketEvents } from '../mesh/mod.ts'
import { serveBun } from './serve-bun.ts'
import { serveDeno } from './serve-deno.ts'

/** The other end of a request. */
export interface Remote {
  /** Null where the system does not tell. */
  readonly address: string | null
  /**
   * This answer may take its time: without it a request is cut after ten quiet seconds. Holds
   * until the answer is made; for `text/event-stream` and NDJSON until its end.
   */
  keepOpen(): void
  /**
   * The idle limit counts again, after the last words of a stream: who does not take them is cut.
   * Else such a connection, and what the system holds for it, would be there for good.
   */
  boundIdle(): void
}

export interface ServeOptions {
  readonly host: string
  /** 0 lets the system choose; see {@link Server.port}. */
  readonly port: number
  fetch(request: Request, remote: Remote): Response | Promise<Response>
  /** Takes the WebSockets opened to `/mesh`; null where the mesh listens elsewhere. */
  readonly mesh: ((socket: Socket) => SocketEvents) | null
  /** What the routes accept. The server cuts a little above, so that they can answer. */
  readonly maxBodyBytes: number
}

export interface Server {
  readonly port: number
  /** Such as `http://127.0.0.1:8080`, without a slash at the end. */
  readonly url: string
  /**
   * Closes WebSockets, accepts nothing new and waits for the requests under way: whoever holds
   * one (a long poll) must let it go, or call {@link Server.closeNow}.
   */
  stop(): Promise<void>
  /** Cuts everything. */
  closeNow(): void
}

/** Listens. Rejects with the system's error and its `code`, such as `EADDRINUSE`. */
export async function serve(options: ServeOptions): Promise<Server> {
  if ('Bun' in globalThis) return serveBun(options)
  if ('Deno' in globalThis) return serveDeno(options)
  return (await import('./serve-node.ts')).serveNode(options)
}
