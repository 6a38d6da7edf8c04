import type { Logger } from './lib/logger.ts'

/**
 * The flags of `rollcall serve`, under the names that JavaScript has for them. Durations, sizes and
 * shares carry their unit: `'600ms'`, `'64MiB'`, `'5%'`.
 */
export interface CreateNodeOptions {
  /** The directory of this node alone; made where there is none. */
  readonly data: string
  /** Its name in the cluster; left out: the stored one, else generated and stored. */
  readonly id?: string
  /**
   * A port of its own for API and mesh, such as `'127.0.0.1:7400'`; port 0 lets the system choose.
   * Null, or left out: none, and `app` serves the API where it is mounted.
   */
  readonly listen?: string | null
  /** A port for the mesh alone. In a cluster, needed where `listen` is not given. */
  readonly peerListen?: string
  /** How others reach this node, where neither port says it; `'none'`: they do not, it dials. */
  readonly advertise?: string
  /** URLs of all nodes of a new cluster by id, `'none'` for one that only dials. First start only. */
  readonly cluster?: Readonly<Record<string, string>>
  /** URL of a node whose cluster this one joins. First start only. */
  readonly join?: string
  /** What to join as. The default is `'voter'`. */
  readonly role?: 'voter' | 'learner' | 'witness'
  /** It votes and keeps no data: with `join` or `cluster`. */
  readonly witness?: boolean
  /** Shared by all nodes, at least 16 bytes; needed unless every address is loopback. */
  readonly clusterSecret?: string
  /** Allows `listen` and `peerListen` beyond loopback: whoever reaches them may do all. */
  readonly insecure?: boolean
  /** Heartbeat and election timeout of a local (the default) or a wide network. */
  readonly timing?: 'lan' | 'wan'
  /** Between two rounds of an idle leader. The default is `'100ms'`, for a wide network `'500ms'`. */
  readonly heartbeat?: string
  /** Silence after which a node stands for election. The default is `'600ms..1s'`. */
  readonly electionTimeout?: string
  /** How far the rate of any clock may be off. The default is `'5%'`. */
  readonly clockDrift?: string
  /** A leader removes members that it has not reached for so long. The default is never. */
  readonly removeDeadAfter?: string
  /** Chosen by what loads, where left out. */
  readonly sqlite?: 'bun' | 'node' | 'sql.js'
  /** Size of one file of the log. The default is `'64MiB'`. */
  readonly walSegment?: string
  /** End of the log that is kept for nodes that were away for a moment. */
  readonly walTail?: string
  /** Log past which a node that is behind is left to a snapshot. */
  readonly walMax?: string
  /** What may pile up beside the database before it is moved into its file. */
  readonly checkpointSize?: string
  /** Most entries of the log that one transaction of the state applies. */
  readonly applyBatch?: number
  /**
   * Host names under which the API answers beside IP addresses and `localhost`; `'any'`: under
   * all. A page in a browser can give any name to an address, so the default is that of
   * `advertise`, and any only where `listen` is beyond loopback.
   */
  readonly allowedHosts?: readonly string[] | 'any'
  /** Where it says what happens. The default: warnings and errors to the console. */
  readonly logger?: Logger
}
