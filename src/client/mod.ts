/**
 * The client of rollcall, for Bun, Deno, Node from 20 on, browsers and edge workers: `fetch` and web
 * standards alone.
 *
 * ```ts
 * import { createClient } from 'rollcall/client'
 *
 * await using client = createClient({ endpoints: ['http://127.0.0.1:7400'] })
 * await client.register({ service: 'web', address: '10.0.0.7', port: 8080, ttl: '15s' })
 *
 * const web = await client.discover('web')
 * const { address, port } = web.pick() ?? fail('no instance of web is available')
 *
 * const limits = await client.config('app/limits.json', Limits) // any Standard Schema
 * limits.onChange(({ value }) => apply(value))
 *
 * await using lock = await client.lock('nightly-report')
 * await report({ signal: lock.signal, token: lock.token })
 * ```
 *
 * `DESIGN.md` beside this file has the rules: what is repeated, which copy counts, when a lock is
 * lost.
 *
 * @module
 */
export type { Barrier, BarrierOptions } from './barrier.ts'
export { createClient } from './client.ts'
export type { Client, ClientOptions, ElectionOptions } from './client.ts'
export { byType, text } from './codec.ts'
export type { Codec } from './codec.ts'
export type { CacheMode, Config, ConfigChange, ConfigOptions, SetOptions, Store } from './config.ts'
export type { Counter } from './counter.ts'
export type { Discovery, DiscoverOptions } from './discovery.ts'
export type { Duration } from './duration.ts'
export { RollcallError } from './error.ts'
export type { ClientCode, ErrorCode, FailedOutcome, ServerCode } from './error.ts'
export type { Freshness } from './feed.ts'
export type {
  Instance,
  InstanceHealth,
  InstanceSpec,
  InstanceStatus,
  Override,
  PortAddress,
} from './instance.ts'
export type { Held } from './keeper.ts'
export type { LeaderView } from './leader.ts'
export type { Lease, LeaseOptions } from './lease.ts'
export type { Holder, Lock, LockOptions, SemaphoreOptions } from './lock.ts'
export { path } from './path.ts'
export type { Query, QueryValue } from './path.ts'
export { roundRobin, sticky, weightedRandom, zoneFirst } from './pickers.ts'
export type { Pick, Picker } from './pickers.ts'
export type { Ports } from './ports.ts'
export type { RegisterOptions, Registration } from './registration.ts'
export type { RwHold, RwLock, RwLockOptions } from './rw-lock.ts'
export type { StandardIssue, StandardResult, StandardSchema } from './standard-schema.ts'
export type { Answer, CallOptions } from './transport.ts'
export type { Condition, Operation, Transaction, TxnResult } from './txn.ts'
export type { WatchEvent, WatchOptions } from './watch.ts'
