/** What all routes share: the node behind them, their bounds, and what one request leaves behind. */
import type { Context } from 'hono'

import type { Logger } from '../lib/logger.ts'
import type { Listeners } from './config/listeners.ts'
import type { InstanceBodies } from './services/instance-body.ts'
import type { LookupAnswers } from './services/lookup.ts'
import type { Limits } from './limits.ts'
import type { Consistency, Registry } from './registry.ts'
import type { ValueChecks } from './config/value-checks.ts'

export interface Edge {
  readonly registry: Registry
  readonly version: string
  readonly limits: Limits
  readonly logger: Logger
  /** Aborted when the node stops: long waits end. */
  readonly closing: AbortSignal | null
  readonly requests: RequestCounts
  /** Null: values of types with a costly syntax are not parsed, and none can be under a schema. */
  readonly checks: ValueChecks | null
  readonly listeners: Listeners
  readonly instanceBodies: InstanceBodies
  /** Answers to look-ups of services that were asked for lately. */
  readonly lookups: LookupAnswers
}

/** Finished requests by method, route and status, separated by spaces. */
export type RequestCounts = Map<string, number>

/** What the common response headers say about one answer. */
export interface Env {
  /** What the server knows of a request: the second argument of `app.fetch`. */
  Bindings: {
    /** This answer may take its time: it must not be cut off as idle. */
    readonly keepOpen?: () => void
    /** Its stream has ended: who does not take the rest may be cut off as idle again. */
    readonly boundIdle?: () => void
    /** How many leading segments of the path say where the API is mounted; none by default. */
    readonly below?: number
    /** Of the other end; null where the system does not tell. */
    readonly address?: string | null
  }
  Variables: {
    /** Of the store, as the answer reflects it; the local one where a route sets none. */
    revision: number | undefined
    consistency: Consistency | undefined
    stalenessMs: number | undefined
    /** The body as it was read, for the hash of a request with a key; undefined: there was none. */
    body: Uint8Array | undefined
  }
}

export type Call = Context<Env>

/**
 * What most calls want of a request: little enough that it can be answered without the router's
 * context (`hot-routes.ts`).
 */
export interface Asked {
  readonly req: {
    readonly method: string
    readonly url: string
    /** Normalised, still percent-encoded. */
    readonly path: string
    readonly raw: Request
    header(name: string): string | undefined
  }
  readonly env: Env['Bindings'] | undefined
  get<K extends keyof Env['Variables']>(name: K): Env['Variables'][K]
  set<K extends keyof Env['Variables']>(name: K, value: Env['Variables'][K]): void
}
