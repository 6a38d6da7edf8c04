import type { AllowedHosts, NodeStatus } from './http/mod.ts'
import type { Logger } from './lib/logger.ts'
import type { HistoryPolicy } from './state/command.ts'
import type { SqlDriver } from './state/tables/sql.ts'

export { StartError } from './errors.ts'

export interface ListenAddress {
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
}

/** One node, as `rollcall serve` or `createNode` describes it, parsed and checked for itself. */
export interface NodeOptions {
  /** Null: the stored one, else generated and stored. */
  readonly id: string | null
  /** Null: the API has no port; it is served by whoever calls {@link RunningNode.fetch}. */
  readonly listen: ListenAddress | null
  /** A port of its own for the mesh; null: the API's. */
  readonly peerListen: ListenAddress | null
  /** URL that others use; null: derived from `listen`, else from `peerListen`. */
  readonly advertise: string | null
  /** Nobody can dial it, from behind NAT say: it dials everybody, and has no URL at all. */
  readonly dialsOnly: boolean
  readonly dataDir: string
  /** The founding list, sorted by id; null: a cluster of this node alone. */
  readonly cluster: readonly { readonly id: string; readonly url: string | null }[] | null
  /** A member of the cluster that this node joins while it is empty; null: none. */
  readonly join: { readonly url: string; readonly role: 'voter' | 'learner' } | null
  /** It votes, and keeps no data: no payloads in its log, no state (DESIGN §7). */
  readonly witness: boolean
  /** Shared secret of the cluster; empty where every address is loopback. */
  readonly clusterSecret: Uint8Array
  readonly heartbeatMs: number
  readonly electionMinMs: number
  readonly electionMaxMs: number
  /** A fraction: 0.05 is 5 %. */
  readonly clockDrift: number
  /** A leader removes members that it has not reached for so long; null: never. */
  readonly removeDeadAfterMs: number | null
  /** What is kept of the change feed and of config versions. */
  readonly history: HistoryPolicy
  /** Null: chosen by what loads. */
  readonly sqlite: SqlDriver | null
  readonly walSegmentBytes: number
  /** Of the log, kept for followers that were away for a moment. */
  readonly walTailBytes: number
  /** Of the log, past which followers that need more are left to a snapshot. */
  readonly walBytesMax: number
  /** Written to the database before it is moved into its own file. */
  readonly checkpointBytes: number
  /** Entries that one transaction of the state applies at most. */
  readonly applyEntriesMax: number
  /** Names under which it answers beside loopback's; left out: by where it listens. */
  readonly allowedHosts?: AllowedHosts
  readonly version: string
  readonly logger: Logger
}

/** What a server knows of a request, and the API makes use of. */
export interface Bindings {
  readonly keepOpen?: () => void
  readonly boundIdle?: () => void
  readonly below?: number
}

/** A node that runs. */
export interface RunningNode {
  /** Where its API really listens, such as `http://127.0.0.1:7400`; null: nowhere. */
  readonly url: string | null
  readonly id: string
  /** The driver in use. */
  readonly sqlite: SqlDriver
  /**
   * The graceful end (SIGTERM): takes no new requests, finishes what is in flight, hands over,
   * syncs, closes. Resolves within 10 s.
   */
  stop(): Promise<void>
  /** Cuts everything at once, after a failure: its directory stays locked to this process. */
  abandon(): void
  /** Answers one request of its API, whoever took it from a socket. */
  readonly fetch: (request: Request, bindings: Bindings) => Response | Promise<Response>
  /** What `GET /v1/status` answers from. */
  status(): NodeStatus
  /** Resolves when the node had to end by itself: a failed disk, a broken invariant. */
  readonly failed: Promise<Error>
}
