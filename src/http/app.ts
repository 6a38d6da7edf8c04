import { Hono } from 'hono'
import { routePath } from 'hono/route'

import { silentLogger } from '../lib/logger.ts'
import type { Logger } from '../lib/logger.ts'
import { clusterRoutes } from './cluster/cluster.ts'
import { configDiffRoutes } from './config/diff.ts'
import { configHistoryRoutes } from './config/history.ts'
import { configListRoutes } from './config/list.ts'
import { answerListeners, listenerRoutes } from './config/listener-routes.ts'
import { configSchemaRoutes } from './config/schemas.ts'
import { configRoutes } from './config/config.ts'
import type { Call, Edge, Env } from './edge.ts'
import { ApiError, problem } from './error.ts'
import { forward, isForwarded, type Fetch } from './forward.ts'
import { guard } from './guard.ts'
import type { AllowedHosts } from './guard.ts'
import { healthRoutes } from './cluster/health.ts'
import { heartbeatRoutes } from './services/heartbeats.ts'
import { identify } from './identify.ts'
import { instanceRoutes } from './services/instances.ts'
import { leaseRoutes } from './locks/leases.ts'
import { DEFAULT_LIMITS } from './limits.ts'
import type { Limits } from './limits.ts'
import { Listeners } from './config/listeners.ts'
import { lockListRoutes } from './locks/list.ts'
import { lockRoutes } from './locks/locks.ts'
import { lookupRoutes } from './services/lookup.ts'
import { memberRoutes } from './cluster/members.ts'
import { metricsRoutes } from './cluster/metrics.ts'
import { overrideRoutes } from './services/overrides.ts'
import { rawPath } from './request/path.ts'
import type { Registry } from './registry.ts'
import { serviceRoutes } from './services/services.ts'
import { transferRoutes } from './config/transfer.ts'
import { txnRoutes } from './txn/txn.ts'
import { stageRoutes } from './config/stages.ts'
import { unknownRoute } from './unknown-route.ts'
import type { ValueChecks } from './config/value-checks.ts'
import { watchRoutes } from './watch/watch.ts'
import { welcomeRoutes } from './cluster/welcome.ts'

export interface AppOptions {
  readonly registry: Registry
  readonly version: string
  readonly limits?: Partial<Limits>
  readonly logger?: Logger
  /**
   * Host names, without ports, under which this node answers beside IP literals and `localhost`;
   * null: under any. The default is none.
   */
  readonly allowedHosts?: AllowedHosts
  /** Aborted when the node stops: long polls end, with the state as it is. */
  readonly closing?: AbortSignal
  /** What checks config values beside the loop; null: nothing does. */
  readonly checks?: ValueChecks | null
  /** Of a witness, which has no state: how the leader is asked instead. */
  readonly forward?: Fetch | null
}

/**
 * The whole HTTP API over one node. It opens no socket: a server hands it requests with
 * `app.fetch(request, { keepOpen, below })`, where `keepOpen` lifts the idle limit of that request
 * and `below` says how deep the API is mounted.
 */
export function createApp(options: AppOptions): Hono<Env> {
  const edge: Edge = {
    registry: options.registry,
    version: options.version,
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    logger: options.logger ?? silentLogger,
    closing: options.closing ?? null,
    requests: new Map(),
    checks: options.checks ?? null,
    listeners: new Listeners(() => performance.now()),
  }
  edge.registry.answerSurveys((question) => answerListeners(edge, question))
  const allowedHosts = options.allowedHosts === undefined ? [] : options.allowedHosts
  const ask = options.forward ?? null
  const app = new Hono<Env>({ getPath: (request, given) => rawPath(request, given?.env?.below) })
  app.use(async (c, next) => {
    const refusal = guard(c, allowedHosts)
    if (refusal !== null) c.res = problem(refusal, c.req.method)
    else if (ask === null || !isForwarded(c.req.path)) await next()
    else if (await isAnsweredElsewhere(c, edge, ask)) return count(c, edge)
    finish(c, edge)
  })
  for (const routes of ROUTES) app.route('/', routes(edge))
  app.notFound(unknownRoute(app))
  app.onError((error, c) => answerError(error, c, edge))
  return app
}

const ROUTES: readonly ((edge: Edge) => Hono<Env>)[] = [
  instanceRoutes,
  heartbeatRoutes,
  overrideRoutes,
  serviceRoutes,
  lookupRoutes,
  leaseRoutes,
  configRoutes,
  configListRoutes,
  lockRoutes,
  lockListRoutes,
  txnRoutes,
  configHistoryRoutes,
  configDiffRoutes,
  configSchemaRoutes,
  watchRoutes,
  transferRoutes,
  stageRoutes,
  listenerRoutes,
  clusterRoutes,
  memberRoutes,
  healthRoutes,
  metricsRoutes,
  welcomeRoutes,
]

/** Whether the leader answered: then the headers say who that is, and from which state. */
async function isAnsweredElsewhere(c: Call, edge: Edge, ask: Fetch): Promise<boolean> {
  try {
    c.res = await forward(c, edge, ask)
    return true
  } catch (error) {
    c.res = answerError(error as Error, c, edge)
    return false
  }
}

/** The headers that all answers have, errors too; and the counting. */
function finish(c: Call, edge: Edge): void {
  const { headers } = c.res
  identify(headers, edge.registry, c.get('revision'))
  const consistency = c.get('consistency')
  if (consistency !== undefined) headers.set('Rollcall-Consistency', consistency)
  const stalenessMs = c.get('stalenessMs')
  if (stalenessMs !== undefined) headers.set('Rollcall-Staleness-Ms', String(stalenessMs))
  count(c, edge)
}

function count(c: Call, { requests }: Edge): void {
  const key = `${METHODS.has(c.req.method) ? c.req.method : 'OTHER'} ${routeOf(c)} ${c.res.status}`
  requests.set(key, (requests.get(key) ?? 0) + 1)
}

/** Labels of a metric have a bound; methods are whatever a client writes. */
const METHODS = new Set(['GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE', 'OPTIONS'])

/** The template of the route that answered, or `none`. */
function routeOf(c: Call): string {
  const path = routePath(c, -1)
  return path === '/*' ? 'none' : path
}

/** The one place where an error becomes an answer. */
function answerError(error: Error, c: Call, { logger }: Edge): Response {
  if (error instanceof ApiError) return problem(error, c.req.method)
  logger.error('a request failed unexpectedly', {
    method: c.req.method,
    route: routePath(c, -1),
    error: error.stack ?? error.message,
  })
  return problem(
    new ApiError('internal', 'the node could not answer; its log says why'),
    c.req.method,
  )
}
