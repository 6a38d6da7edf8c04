/** The little of Bun's server that an application mounted in another's needs. */
interface BunServerLike {
  timeout(request: Request, seconds: number): void
}

/** Who does not take the last words of a stream in so many seconds is cut. */
const FAREWELL_SECONDS = 10

/**
 * How the idle limit of a request is lifted that a server of the host's took: on Bun by that
 * server, which Hono hands on as `env`, itself or as its `server`. Other runtimes have no such
 * limit. On Bun it is the connection's, and stays lifted until the end of a stream: which one the
 * host had set nobody tells.
 */
export function idleLimitAt(
  env: unknown,
  request: Request,
): { readonly keepOpen: () => void; readonly boundIdle: () => void } {
  const server = isServer(env) ? env : (env as { readonly server?: unknown } | null)?.server
  const limit = isServer(server) ? (s: number) => server.timeout(request, s) : () => {}
  return { keepOpen: () => limit(0), boundIdle: () => limit(FAREWELL_SECONDS) }
}

function isServer(value: unknown): value is BunServerLike {
  return 'Bun' in globalThis && typeof (value as BunServerLike | null)?.timeout === 'function'
}
