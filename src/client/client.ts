import { webPorts } from './ports.ts'
import type { Ports } from './ports.ts'
import { Session } from './session.ts'
import type { Answer, CallOptions } from './transport.ts'

export interface ClientOptions {
  /** The nodes of one cluster, as base URLs; each answers everything, so one is enough to begin. */
  readonly endpoints: readonly string[]
  /** Of every call; `default` by itself. */
  readonly namespace?: string
  readonly token?: string
  /** Sent with every call. */
  readonly headers?: Readonly<Record<string, string>>
  /** Another `fetch` than the runtime's: with a proxy, with certificates. */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>
}

/** A client of one cluster. All that it opened is closed with it: `await using client = …`. */
export interface Client extends AsyncDisposable {
  readonly namespace: string
  /**
   * Any call of the API, over all endpoints: `path` begins with `/v1/`, with its names encoded (see
   * `path`). Resolves for 2xx and 304 and throws {@link RollcallError} for all else.
   */
  request(method: string, path: string, options?: CallOptions): Promise<Answer>
  close(): Promise<void>
}

/** `ports` is for tests, which hold the clock and the wire in their own hands. */
export function createClient(options: ClientOptions, ports: Partial<Ports> = {}): Client {
  const { endpoints, namespace = null, token, headers = {}, fetch } = options
  const session = new Session({
    endpoints,
    namespace,
    headers: { ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }), ...headers },
    ports: { ...webPorts(), ...(fetch === undefined ? {} : { fetch }), ...ports },
  })
  return {
    namespace: session.namespace,
    request: (method, path, call) => session.call(method, path, call),
    close: () => session.close(),
    [Symbol.asyncDispose]: () => session.close(),
  }
}
