import { barrier } from './barrier.ts'
import type { Barrier, BarrierOptions } from './barrier.ts'
import { config } from './config.ts'
import type { Config, ConfigOptions } from './config.ts'
import { counter } from './counter.ts'
import type { Counter } from './counter.ts'
import { discover } from './discovery.ts'
import type { DiscoverOptions, Discovery } from './discovery.ts'
import { followLeader } from './leader.ts'
import type { LeaderView } from './leader.ts'
import { grantLease } from './lease.ts'
import type { Lease, LeaseOptions } from './lease.ts'
import { acquire } from './lock.ts'
import type { Lock, LockOptions, SemaphoreOptions } from './lock.ts'
import { webPorts } from './ports.ts'
import type { Ports } from './ports.ts'
import { register } from './registration.ts'
import type { RegisterOptions, Registration } from './registration.ts'
import { rwLock } from './rw-lock.ts'
import type { RwLock } from './rw-lock.ts'
import { Session } from './session.ts'
import type { StandardSchema } from './standard-schema.ts'
import type { Answer, CallOptions } from './transport.ts'
import { txn } from './txn.ts'
import type { Transaction, TxnResult } from './txn.ts'
import { watch } from './watch.ts'
import type { WatchEvent, WatchOptions } from './watch.ts'

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

/** An election is a lock whose value is where the leader is found. */
export interface ElectionOptions extends LockOptions {
  readonly value: string
}

/**
 * A client of one cluster. All that it opened is closed with it: `await using client = …`.
 * Everything rejects with {@link RollcallError}, or with the reason of a signal of the caller's.
 */
export interface Client extends AsyncDisposable {
  readonly namespace: string
  /**
   * Any call of the API, over all endpoints: `path` begins with `/v1/`, with its names encoded (see
   * `path`). Resolves for 2xx and 304 and throws {@link RollcallError} for all else.
   */
  request(method: string, path: string, options?: CallOptions): Promise<Answer>
  /** Registers an instance, and keeps it registered until it is closed. */
  register(options: RegisterOptions): Promise<Registration>
  /** The instances of a service, from a copy that is kept current. */
  discover(service: string, options?: DiscoverOptions): Promise<Discovery>
  /** A configuration value, checked by any Standard Schema, from a copy that is kept current. */
  config<T>(key: string, schema: StandardSchema<T>, options?: ConfigOptions): Promise<Config<T>>
  config(key: string, schema?: null, options?: ConfigOptions): Promise<Config<unknown>>
  /** Changes as they happen, resumed by itself: `for await (const event of client.watch([…]))`. */
  watch(
    topics: readonly string[],
    options?: WatchOptions,
  ): AsyncGenerator<WatchEvent, void, undefined>
  lock(name: string, options?: LockOptions): Promise<Lock>
  /** One of `limit` permits. */
  semaphore(name: string, options: SemaphoreOptions): Promise<Lock>
  /** Resolves when elected: by itself it stands for as long as that takes. */
  election(name: string, options: ElectionOptions): Promise<Lock>
  /** Who is elected, for those who follow. */
  leader(name: string, onTrouble?: (error: unknown) => void): Promise<LeaderView>
  lease(options?: LeaseOptions): Promise<Lease>
  txn(
    transaction: Transaction,
    options?: Pick<CallOptions, 'signal' | 'timeoutMs' | 'idempotencyKey'>,
  ): Promise<TxnResult>
  counter(key: string): Counter
  barrier(prefix: string, options: BarrierOptions): Barrier
  rwLock(key: string): RwLock
  /** Deregisters, releases and stops all that is open; what no node hears ends by its time to live. */
  close(): Promise<void>
}

/** `ports` is for tests, which hold the clock and the wire in their own hands. */
export function createClient(options: ClientOptions, ports: Partial<Ports> = {}): Client {
  const { endpoints, namespace, token, headers, fetch } = options
  const session = new Session({
    endpoints,
    namespace,
    headers: { Authorization: token === undefined ? null : `Bearer ${token}`, ...headers },
    ports: { ...webPorts(), ...(fetch === undefined ? {} : { fetch }), ...ports },
  })
  return {
    namespace: session.namespace,
    request: (method, path, call) => session.call(method, path, call),
    register: (call) => register(session, call),
    discover: (service, call) => discover(session, service, call),
    config: <T>(key: string, schema: StandardSchema<T> | null = null, call?: ConfigOptions) =>
      config<T>(session, key, schema, call),
    watch: (topics, call) => watch(session, topics, call),
    lock: (name, call = {}) => acquire(session, name, call),
    semaphore: (name, call) => acquire(session, name, call),
    election: (name, call) =>
      acquire(session, name, call.wait === undefined ? { ...call, waitMs: Infinity } : call),
    leader: (name, onTrouble) => followLeader(session, name, onTrouble),
    lease: (call) => grantLease(session, call),
    txn: (transaction, call) => txn(session, transaction, call),
    counter: (key) => counter(session, key),
    barrier: (prefix, call) => barrier(session, prefix, call),
    rwLock: (key) => rwLock(session, key),
    close: () => session.close(),
    [Symbol.asyncDispose]: () => session.close(),
  }
}
