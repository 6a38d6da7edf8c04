/** Bounds of what one request may ask for. Past them: 400 or 413, before anything is proposed. */
export interface Limits {
  readonly bodyBytesMax: number
  readonly metadataPairsMax: number
  readonly metadataValueMax: number
  readonly tagsMax: number
  /** Of `ports` and of `addresses`, each. */
  readonly portsMax: number
  /** Items of one page of a list; also what a request without `limit` gets. */
  readonly pageMax: number
  /** Values of one page, in bytes, where a list carries values. */
  readonly pageBytesMax: number
  /** Conditions of a transaction, and operations of each of its branches. */
  readonly txnOpsMax: number
  /** Instances and leases of one `POST /v1/heartbeats`, together. */
  readonly heartbeatsMax: number
  /** Keys that one import may write, delete or rest on. */
  readonly importKeysMax: number
  /** Keys and values of one import: it is one entry, and must fit into a segment of the log. */
  readonly importBytesMax: number
  /** The same as it travels, in base64 or padded to the blocks of an archive. */
  readonly importBodyMax: number
  readonly exportKeysMax: number
  readonly exportBytesMax: number
  readonly ttlMinMs: number
  readonly ttlMaxMs: number
  readonly waitMaxMs: number
  readonly timeoutMaxMs: number
  /** Of one watch. */
  readonly watchTopicsMax: number
}

const HOUR_MS = 3_600_000

export const DEFAULT_LIMITS: Limits = {
  bodyBytesMax: 1_048_576,
  metadataPairsMax: 64,
  metadataValueMax: 16_384,
  tagsMax: 64,
  portsMax: 64,
  pageMax: 1_000,
  pageBytesMax: 4_194_304,
  txnOpsMax: 128,
  heartbeatsMax: 10_000,
  importKeysMax: 2_048,
  importBytesMax: 3_145_728,
  importBodyMax: 8_388_608,
  exportKeysMax: 10_000,
  exportBytesMax: 33_554_432,
  ttlMinMs: 100, // One heartbeat interval of the leader: it cannot judge anything shorter.
  ttlMaxMs: 720 * HOUR_MS, // 30 days; what lives longer is better off persistent.
  waitMaxMs: HOUR_MS / 6, // API.md "waiting".
  timeoutMaxMs: HOUR_MS / 60,
  watchTopicsMax: 64,
}

/** How long a request waits for a leader, unless `?timeout=` says otherwise (API.md). */
export const TIMEOUT_DEFAULT_MS = 5_000
