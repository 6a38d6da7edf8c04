/**
 * The calls that a registry lives by, in front of the router: the reads of a key, an instance and a
 * service, the writes of a key and an instance, and the beat of an instance. They are the very
 * functions that the router calls for these paths, given the request alone. What the router and its
 * context take for one request is more than such a read takes in all.
 */
import { CONFIG_PATH, getConfig, putConfig } from './config/config.ts'
import type { Asked, Edge, Env } from './edge.ts'
import { problem } from './error.ts'
import { answerError, finish } from './finish.ts'
import { guard, type AllowedHosts } from './guard.ts'
import type { Later } from '../lib/later.ts'
import { rawPath } from './request/path.ts'
import { beatNow, HEARTBEAT_PATH } from './services/heartbeats.ts'
import { getInstance, INSTANCE_PATH, putInstance } from './services/instances.ts'
import { getService, SERVICE_PATH } from './services/lookup.ts'

type Bindings = Env['Bindings']
type Variables = Env['Variables']

interface HotRoute {
  /** As the router knows it: requests are counted under it. */
  readonly template: string
  /** Null: the router has to answer, and nothing was done or read. */
  answer(c: Asked, edge: Edge): Later<Response> | null
}

const CONFIG: HotRoute = { template: CONFIG_PATH, answer: getConfig }
const SERVICE: HotRoute = { template: SERVICE_PATH, answer: getService }
const INSTANCE: HotRoute = { template: INSTANCE_PATH, answer: getInstance }
const CONFIG_PUT: HotRoute = { template: CONFIG_PATH, answer: putConfig }
const INSTANCE_PUT: HotRoute = { template: INSTANCE_PATH, answer: putInstance }
const HEARTBEAT: HotRoute = { template: HEARTBEAT_PATH, answer: beatNow }

const METHODS = new Set(['GET', 'PUT', 'POST'])
const CONFIG_START = '/v1/config/'
const SERVICE_START = '/v1/services/'
const INSTANCES = '/instances/'
const BEAT_END = '/heartbeat'

/** What the router would choose, of the routes above; null: another. */
export function hotRoute(method: string, path: string): HotRoute | null {
  if (method === 'GET') return hotRead(path)
  if (method === 'PUT') return writeOf(hotRead(path))
  if (method !== 'POST' || !path.endsWith(BEAT_END)) return null
  return hotRead(path.slice(0, -BEAT_END.length)) === INSTANCE ? HEARTBEAT : null
}

/** Of what that reads. */
function writeOf(read: HotRoute | null): HotRoute | null {
  if (read === CONFIG) return CONFIG_PUT
  return read === INSTANCE ? INSTANCE_PUT : null
}

function hotRead(path: string): HotRoute | null {
  if (path.startsWith(CONFIG_START)) return path.length > CONFIG_START.length ? CONFIG : null
  if (!path.startsWith(SERVICE_START)) return null
  const end = path.indexOf('/', SERVICE_START.length)
  if (end < 0) return path.length > SERVICE_START.length ? SERVICE : null
  if (end === SERVICE_START.length || !path.startsWith(INSTANCES, end)) return null
  const id = end + INSTANCES.length
  return id < path.length && !path.includes('/', id) ? INSTANCE : null
}

/** Answers such a call; null: the router must, and nothing was done. */
export function hotCalls(
  edge: Edge,
  allowedHosts: AllowedHosts,
): (request: Request, bindings: Bindings | undefined) => Later<Response> | null {
  return (request, bindings) => {
    const { method } = request
    if (!METHODS.has(method)) return null
    const path = rawPath(request, bindings?.below)
    const route = hotRoute(method, path)
    if (route === null) return null
    const c = new HotCall(request, path, bindings)
    const { template } = route
    const failed = (error: Error) =>
      finish(c, edge, template, answerError(error, c, edge, template))
    try {
      const refusal = guard(c, allowedHosts)
      const answer = refusal === null ? route.answer(c, edge) : problem(refusal, method)
      if (answer === null) return null
      if (!(answer instanceof Promise)) return finish(c, edge, template, answer)
      return answer.then((made) => finish(c, edge, template, made), failed)
    } catch (error) {
      return failed(error as Error)
    }
  }
}

/** One such request, and what its answer says beside its body. */
class HotCall implements Asked {
  readonly req: HotRequest
  readonly env: Bindings | undefined
  readonly #variables: Partial<Variables> = {}

  constructor(request: Request, path: string, bindings: Bindings | undefined) {
    this.req = new HotRequest(request, path)
    this.env = bindings
  }

  get<K extends keyof Variables>(name: K): Variables[K] {
    return this.#variables[name] as Variables[K]
  }

  set<K extends keyof Variables>(name: K, value: Variables[K]): void {
    this.#variables[name] = value
  }
}

class HotRequest {
  readonly raw: Request
  readonly url: string
  readonly path: string
  readonly method: string

  constructor(raw: Request, path: string) {
    this.raw = raw
    this.url = raw.url
    this.path = path
    this.method = raw.method
  }

  header(name: string): string | undefined {
    return this.raw.headers.get(name) ?? undefined
  }
}
