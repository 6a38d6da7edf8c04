/**
 * The HTTP edge: it parses, validates, asks the node behind it, and answers. It decides nothing
 * about consensus and holds no state but counters, and answers that it can make anew.
 *
 * One request passes `app.ts` (headers of every answer, then `guard.ts`: foreign pages are
 * refused before a body is read), its route (one file per resource), then either `write.ts` (a
 * command goes to the log, its outcome is the answer) or `read.ts` (wait if asked to,
 * then read at the consistency asked for). Whatever goes wrong is thrown as an `ApiError` and
 * answered in one place, from the one table in `error.ts`.
 *
 * In front of the router stand the calls that are made most (`hot-routes.ts`), some reads and the beat
 * of an instance: the same functions, without its cost. What the reads answer from is kept decoded by
 * the state and encoded here, with the row or the view that it was made of, so that nothing kept can
 * be older than the state.
 *
 * This folder holds what every request passes, `request/` what routes read a request with, and the
 * rest are the resources: `services/`, `config/` (with stages, listeners, import and export),
 * `locks/` (with leases and fences), `txn/`, `watch/` and `cluster/` (with status and metrics).
 *
 * ```ts
 * const app = createApp({ registry, version: '0.1.0' })
 * const answer = await app.request('/v1/services')
 * ```
 *
 * Invariants:
 * 1. Nothing is proposed for a request that is answered 400, 403, 404 (route), 405 or 413.
 * 2. Names come from the normalised path and are decoded once; the log gets decoded names only.
 * 3. Every failed write says whether it may still take effect.
 *
 * @module
 */
export { createApp } from './app.ts'
export type { AppOptions } from './app.ts'
export type { Env } from './edge.ts'
export type { AllowedHosts } from './guard.ts'
export { unavailable } from './identify.ts'
export { DEFAULT_LIMITS } from './limits.ts'
export type { Limits } from './limits.ts'
export type * from './registry.ts'
