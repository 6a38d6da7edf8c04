/** The little of Bun's server that an application mounted in another's needs. */
interface BunServerLike {
  timeout(request: Request, seconds: number): void
}

/**
 * How the idle limit of a request is lifted that a server of the host's took: on Bun by that
 * server, which Hono hands on as `env`, itself or as its `server`. Other runtimes have no such
 * limit. On Bun it is the connection's, and stays lifted: which one the host had set nobody tells.
 */
export function keepOpenAt(env: unknown, request: Request): () => void {
  const server = isServer(env) ? env : (env as { readonly server?: unknown } | null)?.server
  return isServer(server) ? () => server.timeout(request, 0) : () => {}
}

function isServer(value: unknown): value is BunServerLike {
  return 'Bun' in globalThis && typeof (value as BunServerLike | null)?.timeout === 'function'
}
