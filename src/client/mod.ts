/**
 * The client of rollcall, for Bun, Deno, Node from 20 on, browsers and edge workers: `fetch` and web
 * standards alone.
 *
 * ```ts
 * import { createClient } from 'rollcall/client'
 *
 * await using client = createClient({ endpoints: ['http://127.0.0.1:7400'] })
 * const { status } = await client.request('GET', '/v1/services')
 * ```
 *
 * `DESIGN.md` beside this file has the rules: what is retried, which value a cache keeps, when a lock
 * is lost.
 *
 * @module
 */
export { createClient } from './client.ts'
export type { Client, ClientOptions } from './client.ts'
export type { Duration } from './duration.ts'
export { RollcallError } from './error.ts'
export type { ClientCode, ErrorCode, FailedOutcome, ServerCode } from './error.ts'
export { path } from './path.ts'
export type { Query, QueryValue } from './path.ts'
export type { Ports } from './ports.ts'
export type { Answer, CallOptions } from './transport.ts'
