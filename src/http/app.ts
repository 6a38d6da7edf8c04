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
import { problem } from './error.ts'
import { answerError, count, finish, NO_ROUTE } from './finish.ts'
import { forward, isForwarded, type Fetch } from './forward.ts'
import { guard } from './guard.ts'
import type { AllowedHosts } from './guard.ts'
import { healthRoutes } from './cluster/health.ts'
import { heartbeatRoutes } from './services/heartbeats.ts'
import { hotCalls } from './hot-routes.ts'
import { instanceBodies } from './services/instance-body.ts'
import { instanceRoutes } from './services/instances.ts'
import { leaseRoutes } from './locks/leases.ts'
import { DEFAULT_LIMITS } from './limits.ts'
import type { Limits } from './limits.ts'
import { Listeners } from './config/listeners.ts'
import { lockListRoutes } from './locks/list.ts'
import { lockRoutes } from './locks/locks.ts'
import { lookupAnswers, lookupRoutes } from './services/lookup.ts'
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
  const edge = edgeOf(options)
  const app = routedApp(edge, options)
  edge.registry.answerSurveys((question) => answerListeners(edge, question))
  const isWitness = options.forward !== undefined && options.forward !== null
  if (!isWitness) hotFirst(app, hotCalls(edge, hostsOf(options)))
  return app
}

export function edgeOf(options: AppOptions): Edge {
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  return {
    registry: options.registry,
    version: options.version,
    limits,
    logger: options.logger ?? silentLogger,
    closing: options.closing ?? null,
    requests: new Map(),
    checks: options.checks ?? null,
    listeners: new Listeners(() => performance.now()),
    instanceBodies: instanceBodies(limits),
    lookups: lookupAnswers(),
  }
}

function hostsOf({ allowedHosts }: Pick<AppOptions, 'allowedHosts'>): AllowedHosts {
  return allowedHosts === undefined ? [] : allowedHosts
}

/** The router, which answers everything. */
export function routedApp(
  edge: Edge,
  options: Pick<AppOptions, 'allowedHosts' | 'forward'>,
): Hono<Env> {
  const allowedHosts = hostsOf(options)
  const ask = options.forward ?? null
  const app = new Hono<Env>({ getPath: (request, given) => rawPath(request, given?.env?.below) })
  app.use(async (c, next) => {
    const refusal = guard(c, allowedHosts)
    if (refusal !== null) c.res = problem(refusal, c.req.method)
    else if (ask === null || !isForwarded(c.req.path)) await next()
    else if (await isAnsweredElsewhere(c, edge, ask)) return count(c, edge, routeOf(c), c.res)
    finish(c, edge, routeOf(c), c.res)
  })
  for (const routes of ROUTES) app.route('/', routes(edge))
  app.notFound(unknownRoute(app))
  app.onError((error, c) => answerError(error, c, edge, routePath(c, -1)))
  return app
}

/** Puts the hot calls in front of everything that asks the app. */
function hotFirst(app: Hono<Env>, hot: ReturnType<typeof hotCalls>): void {
  const routed = app.fetch
  app.fetch = (request, bindings, context) =>
    hot(request, bindings as Env['Bindings'] | undefined) ?? routed(request, bindings, context)
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
    c.res = answerError(error as Error, c, edge, routePath(c, -1))
    return false
  }
}

/** The template of the route that answered. */
function routeOf(c: Call): string {
  const path = routePath(c, -1)
  return path === '/*' ? NO_ROUTE : path
}
