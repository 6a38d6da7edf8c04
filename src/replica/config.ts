import type { FenceConfig } from './custody/fence.ts'
import type { HistoryConfig } from './custody/history-trims.ts'
import type { StateChecksConfig } from './custody/state-checks.ts'
import type { UpkeepConfig } from './custody/upkeep.ts'
import type { WatchConfig } from './watch/hub.ts'
/** Times and bounds of the replica. Every queue of `replica/` has its bound here. */
export interface ReplicaConfig
  extends UpkeepConfig, StateChecksConfig, FenceConfig, HistoryConfig, WatchConfig {
  /** Proposals whose outcome is awaited on this node, its own clients' and followers'. */
  readonly proposalsMax: number
  /** Requests sent to the leader and not yet answered. */
  readonly forwardsMax: number
  /** Reads that wait for an index or for apply. */
  readonly readsMax: number
  readonly waitersMax: number
  /** Renewals gathered for one frame to the leader. */
  readonly beatsMax: number
  readonly beatGatherMs: number
  /** Leases that the leader's own commands may name before those are applied. */
  readonly leasesPerRound: number
  /** How long a forwarded request may take before its link is given up on. */
  readonly sweepMs: number
  /** A leader removes members that it has not reached for so long; null: never. */
  readonly removeDeadAfterMs: number | null
}

const MIB = 1024 * 1024

export const REPLICA_DEFAULTS: ReplicaConfig = {
  proposalsMax: 16_384,
  forwardsMax: 16_384,
  readsMax: 65_536,
  waitersMax: 100_000,
  beatsMax: 65_536,
  beatGatherMs: 3,
  leasesPerRound: 128, // About 10 ms of apply.
  sweepMs: 50,
  removeDeadAfterMs: null,
  checkpointBytes: 16 * MIB,
  resetBytes: 64 * MIB,
  tailBytes: 64 * MIB,
  logBytesMax: 1_024 * MIB,
  followerGoneMs: 10_000,
  checkQuietMs: 1_000,
  checkEveryMs: 60_000,
  checkEntries: 10_000,
  examineEveryMs: 3_600_000, // About 4 s of a core for each GiB.
  history: { versions: 1_000, ageMs: 0, feedMs: 3_600_000, feedRevisions: 1_000_000 },
  trimRows: 256,
  trimLookMs: 1_000,
  trimPaceMs: 10,
  watchersMax: 16_384,
  watchQueueMax: 4_096,
  watchQueueBytesMax: MIB,
  watchLoadBytesMax: 64 * MIB,
  watchPage: 1_000,
  watchValuesPage: 64, // Of values of 64 KiB each, that is 4 MiB.
  watchServedPerTurn: 512, // About 5 ms.
  watchProgressMs: 10_000, // Of the 15 s that are promised.
  watchStallMs: 30_000,
}
