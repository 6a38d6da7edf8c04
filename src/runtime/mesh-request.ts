import type { Socket } from '../mesh/mod.ts'

export const MESH_PATH = '/mesh'

/** A WebSocket message is one frame: 8 MiB and a header (`mesh/frame.ts`, checked by a test). */
export const MESSAGE_BYTES_MAX = 8 * 1024 * 1024 + 1024

/**
 * What one socket may hold unsent. Above what the mesh lets pile up (`backedUpBytesMax` and one
 * turn's outbox), so it is met only by a fault.
 */
export const BUFFERED_BYTES_MAX = 2 * MESSAGE_BYTES_MAX

/**
 * What a server takes before it cuts bluntly: far above what the routes accept. They answer 413
 * with a problem, and read no further than they accept.
 */
export function cutBodyAt(maxBodyBytes: number): number {
  return 32 * maxBodyBytes
}

/** Whether the request asks for the mesh. Cheap for all others. */
export function isMeshRequest(request: Request): boolean {
  if (request.headers.get('upgrade')?.toLowerCase() !== 'websocket') return false
  return new URL(request.url).pathname === MESH_PATH
}

/** A browser sends an origin, a node never does: no page may talk to the mesh. */
export function refusedOrigin(request: Request): Response | null {
  if (request.headers.get('origin') === null) return null
  return new Response('the mesh is not for browsers\n', { status: 403 })
}

export function serverUrl(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** Closes what is still open. */
export function closeAll(sockets: Iterable<Socket>): void {
  for (const socket of sockets) socket.close()
}
