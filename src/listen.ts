/** The ports of a node: one for everybody, or a second one for the mesh alone. */
import { messageOf } from './lib/text.ts'
import { StartError, type ListenAddress, type NodeOptions } from './node-options.ts'
import { serve, type Server } from './runtime/mod.ts'
import { codeOf } from './start-error.ts'

/** The largest request body that the routes accept. */
const BODY_BYTES_MAX = 1024 * 1024

export interface Servers {
  /** Null: the API is served by somebody else. */
  readonly api: Server | null
  /** Null: the mesh has no port of its own. */
  readonly mesh: Server | null
}

type Handlers = Pick<Parameters<typeof serve>[0], 'fetch' | 'mesh'>

/** Rejects with {@link StartError}; then nothing listens. */
export async function listen(options: NodeOptions, handlers: Handlers): Promise<Servers> {
  const { peerListen } = options
  const own = peerListen === null ? handlers : { ...handlers, mesh: null }
  const api = options.listen === null ? null : await open('--listen', options.listen, own)
  if (peerListen === null) return { api, mesh: null }
  try {
    return { api, mesh: await open('--peer-listen', peerListen, { ...handlers, fetch: meshOnly }) }
  } catch (error) {
    api?.closeNow()
    throw error
  }
}

async function open(flag: string, address: ListenAddress, handlers: Handlers): Promise<Server> {
  try {
    return await serve({ maxBodyBytes: BODY_BYTES_MAX, ...address, ...handlers })
  } catch (error) {
    const what = `cannot listen on ${address.host}:${address.port}`
    throw new StartError(1, `${what}: ${reason(error, flag)}`, { cause: error })
  }
}

/** Where others find this node, if nobody says otherwise. */
export function urlOf({ api, mesh }: Servers): string | null {
  return api?.url ?? mesh?.url ?? null
}

/** Whatever is under way on them. */
export function closeNow({ api, mesh }: Servers): void {
  api?.closeNow()
  mesh?.closeNow()
}

function meshOnly(): Response {
  return new Response('this port is for the peers of this node\n', { status: 404 })
}

function reason(error: unknown, flag: string): string {
  const code = codeOf(error)
  if (code === 'EADDRINUSE') return `the port is in use; choose another with ${flag}`
  if (code === 'EACCES') return `not permitted; choose a port above 1023 with ${flag}`
  return messageOf(error)
}
