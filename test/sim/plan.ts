/** A seed's configuration: drawn at random, so that no two seeds test the same cluster. */
import type { FenceConfig } from '../../src/replica/custody/fence.ts'
import type { HistoryConfig } from '../../src/replica/custody/history-trims.ts'
import type { StateChecksConfig } from '../../src/replica/custody/state-checks.ts'
import type { UpkeepConfig } from '../../src/replica/custody/upkeep.ts'
import type { KeyRules } from '../../src/state/mod.ts'
import type { WatchConfig } from '../../src/replica/watch/hub.ts'
import { Chance } from './chance.ts'

/** The mean time between two faults of a kind, in milliseconds; 0: this seed has none of it. */
export interface FaultPlan {
  readonly kill: number
  readonly power: number
  readonly powerAll: number
  readonly pause: number
  readonly suspend: number
  readonly partition: number
  readonly oneWay: number
  readonly isolateLeader: number
  readonly ambush: number
  readonly lateAnswers: number
  readonly clog: number
  readonly breakLink: number
  readonly diskStall: number
  readonly diskError: number
  readonly diskFull: number
  /** The disk is lost: the node comes back under its name, as somebody else. */
  readonly wipe: number
  /** What was durable is damaged while the node is down. */
  readonly rot: number
  readonly wallStep: number
  readonly drift: number
  readonly transfer: number
  /** A last beat for a suspect lease, at a leader that is alone from then on. */
  readonly lastBeat: number
}

export interface NetworkPlan {
  readonly delayMinMs: number
  readonly delayMaxMs: number
  readonly slowPermille: number
  readonly lossPermille: number
  readonly duplicatePermille: number
  readonly reorderPermille: number
  /** Answers to candidates that come election timeouts later. */
  readonly lateVotePermille: number
  /** Links deliver in order or break, as TCP does; otherwise Raft's messages fly as they like. */
  readonly ordered: boolean
}

export interface DiskPlan {
  readonly syncMinMs: number
  readonly syncMaxMs: number
  /** How long a read may block the node; 0: none does. */
  readonly readMaxMs: number
  /** As `SimDiskOptions`. */
  readonly garbledPermille: number
}

export interface Plan {
  readonly seed: number
  readonly nodes: number
  /** The production mesh over simulated sockets, or a light stand-in that passes objects. */
  readonly mesh: 'production' | 'light'
  /** Of the light mesh: every message goes through the production codec. */
  readonly encodes: boolean
  /** SQLite, or the model that the reads are judged by (`shared-state.ts` says why that is exact). */
  readonly sqlite: boolean
  /** A restarted node has lost all of its state, as `--sqlite sql.js` does. */
  readonly forgetful: boolean
  readonly heartbeatMs: number
  readonly electionMinMs: number
  readonly electionMaxMs: number
  readonly clockDrift: number
  /** Nobody corrects the wall clocks: they run at the rate of the monotonic ones. */
  readonly wallDrifts: boolean
  readonly turnMaxMs: number
  readonly segmentBytes: number
  readonly raft: {
    readonly appendEntriesMax: number
    readonly appendBytesMax: number
    readonly inflightMax: number
    readonly tailBytesMax: number
    readonly applyEntriesMax: number
    readonly uncommittedBytesMax: number
  }
  readonly disk: DiskPlan
  readonly network: NetworkPlan
  readonly faults: FaultPlan
  readonly clients: number
  readonly keys: number
  readonly thinkMaxMs: number
  readonly timeoutMs: number
  /** Each is a process that registers itself and beats. */
  readonly instances: number
  readonly holders: number
  /** Change what others declared. */
  readonly operators: number
  /** Hold long polls. */
  readonly waiters: number
  /** Give their writes keys and ask again until they know. */
  readonly repeaters: number
  /** Some nodes begin with the program of one step before; what is new waits for them. */
  readonly upgrades: boolean
  /** Take locks, hold and wait for them. */
  readonly lockers: number
  /** How many keys the state keeps, of what size, and how long: little, so that bounds are met. */
  readonly keyRules: KeyRules
  /** Look after configuration: rollbacks, histories, schemas. */
  readonly editors: number
  /** What leaders let go of: little is kept in most seeds. */
  readonly history: HistoryConfig
  readonly ttlMs: number
  /** Faults begin before the cluster is founded. */
  readonly roughStart: boolean
  readonly safetyMs: number
  /** Sizes at which the disk is tended: tiny in most seeds, so that logs are cut all the time. */
  readonly upkeep: UpkeepConfig
  /** How often states are compared and looked through. */
  readonly custody: StateChecksConfig & FenceConfig
  /** The last so many nodes are witnesses. */
  readonly witnesses: number
  /** Leaders remove members that are silent for so long; null: nobody does. */
  readonly removeDeadAfterMs: number | null
  /** So many nodes have half of all times: `--timing` may differ between nodes. */
  readonly hastyNodes: number
  /** Readers of the change feed. */
  readonly watchers: number
  readonly watch: WatchConfig
  /** About so many revisions stay in the feed; 0: all of them. */
  readonly feedKept: number
  /** Release configuration in stages, each with readers of different labels. */
  readonly stagers: number
}

/** The times of the node in this place. */
export function timesOf(
  plan: Plan,
  at: number,
): Pick<Plan, 'heartbeatMs' | 'electionMinMs' | 'electionMaxMs'> {
  const part = at < plan.hastyNodes ? 2 : 1
  return {
    heartbeatMs: plan.heartbeatMs / part,
    electionMinMs: plan.electionMinMs / part,
    electionMaxMs: plan.electionMaxMs / part,
  }
}

const TIMINGS = [
  [50, 250, 450],
  [75, 300, 600],
  [100, 300, 500],
  [100, 400, 700],
  [100, 600, 1_000],
  [150, 450, 900],
  [150, 600, 1_000],
] as const

const NO_FAULTS: FaultPlan = {
  kill: 0,
  power: 0,
  powerAll: 0,
  pause: 0,
  suspend: 0,
  partition: 0,
  oneWay: 0,
  isolateLeader: 0,
  ambush: 0,
  lateAnswers: 0,
  clog: 0,
  breakLink: 0,
  diskStall: 0,
  diskError: 0,
  diskFull: 0,
  wipe: 0,
  rot: 0,
  wallStep: 0,
  drift: 0,
  transfer: 0,
  lastBeat: 0,
}

/** A random subset of the faults, each at a rate of its own (swarm testing). */
function faultsOf(chance: Chance): FaultPlan {
  const faults: Record<keyof FaultPlan, number> = { ...NO_FAULTS }
  const kinds = Object.keys(NO_FAULTS) as (keyof FaultPlan)[]
  for (const kind of kinds) {
    if (chance.permille(400)) faults[kind] = chance.int(1_500, 12_000)
  }
  if (faults.powerAll > 0) faults.powerAll *= 3
  // A step of the wall clock can hide a suspended machine, which the promise excludes.
  if (faults.suspend > 0) faults.wallStep = 0
  return faults
}

function networkOf(chance: Chance): NetworkPlan {
  const ordered = chance.permille(500)
  const delayMinMs = chance.pick([0.05, 0.1, 0.3, 1])
  return {
    ordered,
    delayMinMs,
    delayMaxMs: delayMinMs + chance.pick([0.2, 1, 5, 20]),
    slowPermille: chance.pick([0, 1, 10]),
    lossPermille: chance.pick([0, 0, 5, 50, 200]),
    duplicatePermille: ordered ? 0 : chance.pick([0, 10, 100, 300]),
    reorderPermille: ordered ? 0 : chance.pick([0, 10, 100, 300]),
    lateVotePermille: ordered ? 0 : chance.pick([0, 0, 200, 500]),
  }
}

function upkeepOf(chance: Chance, electionMaxMs: number): UpkeepConfig {
  const kib = 1_024
  const followerGoneMs = electionMaxMs * chance.pick([2, 10])
  if (chance.oneIn(4)) {
    const bytes = 64 * kib * kib // Nothing is ever let go.
    const never = { checkpointBytes: bytes, resetBytes: bytes, tailBytes: bytes }
    return { ...never, logBytesMax: bytes, followerGoneMs }
  }
  const checkpointBytes = chance.pick([1, 2, 10]) * kib
  return {
    checkpointBytes,
    resetBytes: checkpointBytes * chance.pick([1, 4]),
    tailBytes: chance.pick([0, 32, 128]) * kib,
    logBytesMax: chance.pick([64, 256, 4_096]) * kib,
    followerGoneMs,
  }
}

function custodyOf(chance: Chance): StateChecksConfig & FenceConfig {
  return {
    checkQuietMs: chance.pick([50, 300, 1_000]),
    checkEveryMs: chance.pick([300, 2_000, 10_000]),
    checkEntries: chance.pick([20, 200, 10_000]),
    examineEveryMs: chance.pick([2_000, 10_000]),
  }
}

/** Bounds so small that most readers come to know them. */
function watchOf(chance: Chance): WatchConfig {
  return {
    watchersMax: 100, // Nobody is to be kept out for good.
    watchQueueMax: chance.pick([1, 4, 4_096]),
    watchQueueBytesMax: chance.pick([1_000, 1_048_576]),
    watchLoadBytesMax: chance.pick([2_000, 1_048_576]),
    watchPage: chance.pick([1, 3, 1_000]),
    watchValuesPage: chance.pick([1, 3, 64]),
    watchServedPerTurn: chance.pick([1, 512]),
    watchProgressMs: chance.pick([100, 1_000, 10_000]),
    watchStallMs: chance.pick([500, 30_000]),
  }
}

function historyOf(chance: Chance): HistoryConfig {
  const versions = chance.pick([1, 2, 5, 8])
  const ageMs = chance.pick([0, 0, 3_000])
  const feedMs = chance.pick([500, 2_000, 10_000])
  const feedRevisions = chance.pick([64, 400, 1_000_000])
  return {
    history: { versions, ageMs, feedMs, feedRevisions },
    trimRows: chance.pick([4, 16, 64]), // So many that trimming gains on the writes.
    trimLookMs: chance.pick([50, 300]),
    trimPaceMs: chance.pick([1, 20]),
  }
}

/** Where one message after the other takes so long, nobody who was far behind catches up in time. */
const SLOW_NETWORK_MS = 10
const INFLIGHT_OF_SLOW = 8

/** A stream of its own: what seeds draw besides stays what it was. */
const RULES_STREAM = 40

export function planOf(seed: number): Plan {
  const plan = drawPlan(seed)
  const isSlow = plan.network.delayMaxMs >= SLOW_NETWORK_MS
  const inflightMax = Math.max(plan.raft.inflightMax, isSlow ? INFLIGHT_OF_SLOW : 1)
  // Only there anything is trimmed, and only editors look for what is gone.
  const editors = plan.sqlite ? 1 : plan.editors
  return { ...plan, editors, raft: { ...plan.raft, inflightMax } }
}

function drawPlan(seed: number): Plan {
  const chance = new Chance(seed, 0)
  const rules = new Chance(seed, RULES_STREAM)
  const [heartbeatMs, electionMinMs, electionMaxMs] = chance.pick(TIMINGS)
  const syncMaxMs = chance.pick([0.3, 2, 10, 40])
  const mesh = chance.oneIn(12) ? 'production' : 'light'
  const nodes = chance.pick([1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 4, 5, 5, 5])
  return {
    seed,
    nodes,
    mesh,
    encodes: chance.oneIn(12),
    sqlite: chance.oneIn(48),
    forgetful: chance.oneIn(8),
    heartbeatMs,
    electionMinMs,
    electionMaxMs,
    clockDrift: chance.pick([0, 0.01, 0.05, 0.05, 0.1]),
    turnMaxMs: chance.pick([0.05, 0.2, 1]),
    segmentBytes: chance.pick([32, 32, 64]) * 1_024,
    raft: {
      // One by one over a slow disk nobody catches up in time.
      appendEntriesMax: chance.pick(syncMaxMs > 2 ? [16, 64, 1_024] : [1, 2, 8, 1_024]),
      appendBytesMax: chance.pick(syncMaxMs > 2 ? [3_000, 1_048_576] : [300, 2_000, 1_048_576]),
      inflightMax: chance.pick([1, 2, 8, 64]),
      tailBytesMax: chance.pick([0, 3_000, 1_048_576, 1_048_576, 1_048_576]),
      applyEntriesMax: chance.pick([1, 3, 100, 1_000]),
      uncommittedBytesMax: chance.pick([300, 3_000, 1_048_576]),
    },
    disk: {
      syncMinMs: 0.1,
      syncMaxMs,
      readMaxMs: chance.pick([0, 0, 0, 5, 50]),
      garbledPermille: chance.pick([0, 100, 500]),
    },
    network: networkOf(chance),
    faults: faultsOf(chance),
    clients: chance.int(2, 5),
    keys: chance.int(1, 6),
    thinkMaxMs: chance.pick([150, 400, 1_000, 1_000, 2_000, 2_000]),
    timeoutMs: chance.pick([300, 1_000, 5_000]),
    instances: chance.int(0, 3),
    holders: chance.int(0, 2),
    operators: chance.int(0, 1),
    waiters: chance.int(0, 2),
    ttlMs: chance.pick([400, 1_000, 3_000, 6_000]),
    roughStart: chance.oneIn(4),
    safetyMs: 30_000,
    upkeep: upkeepOf(chance, electionMaxMs),
    witnesses: nodes > 2 && chance.oneIn(4) ? chance.int(1, (nodes - 1) >> 1) : 0,
    custody: custodyOf(chance),
    removeDeadAfterMs: chance.oneIn(3) ? electionMaxMs * chance.pick([1, 2, 4]) : null,
    hastyNodes: chance.oneIn(5) ? chance.int(1, nodes) : 0,
    wallDrifts: chance.oneIn(2),
    repeaters: chance.pick([0, 0, 1, 2]),
    keyRules: {
      keysMax: chance.pick([3, 30, 1_000]),
      // Outcomes of the workload are of some 20 to 1,000 bytes.
      bytesMax: rules.pick([600, 4_000, 1_048_576, 1_048_576, 1_048_576]),
      windowMs: chance.pick([2_000, 10_000, 200_000]),
    },
    watchers: chance.pick([0, 0, 0, 1, 3]),
    watch: watchOf(chance),
    feedKept: chance.pick([0, 0, 20, 200]),
    lockers: chance.pick([0, 0, 0, 3, 4]),
    upgrades: chance.oneIn(3),
    editors: chance.pick([0, 0, 1]),
    history: historyOf(chance),
    stagers: chance.pick([0, 0, 1]),
  }
}
