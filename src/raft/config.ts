import { assert } from '../lib/assert.ts'
import type { Random } from '../lib/prng.ts'
import type { Incarnation, NodeId } from './types.ts'

/** Sizes and times of the core. Every queue is bounded here. */
export interface RaftConfig {
  readonly id: NodeId
  readonly incarnation: Incarnation
  /** This node stores no payloads, and never leads (`witness.ts`). */
  readonly witness: boolean
  /** Time between two rounds of an idle leader. */
  readonly heartbeatMs: number
  /** An election timeout is drawn from `[electionMinMs, electionMaxMs)` (Raft §5.2). */
  readonly electionMinMs: number
  readonly electionMaxMs: number
  /** ρ: how far any clock's rate may be off, as a fraction. The lease is shortened by it. */
  readonly clockDrift: number
  /** How long the others may wait for the newest commit index, where no entries carry it. */
  readonly commitNoticeMs: number
  /** Draws the election timeouts. The core has no chance of its own. */
  readonly random: Random
  /** Of one append message. */
  readonly appendBytesMax: number
  readonly appendEntriesMax: number
  /** Appends sent to one peer and not yet acknowledged: the pipeline's window. */
  readonly inflightMax: number
  /** The same in bytes; one append may pass it. Stays below what the mesh queues for one peer. */
  readonly inflightBytesMax: number
  /** Log entries kept in memory for slow followers; older ones are read from disk. */
  readonly tailBytesMax: number
  /** Appended and not committed: what a leader without a quorum may pile up. */
  readonly uncommittedBytesMax: number
  readonly readsMax: number
  /** Handed to the state machine at once: one transaction. */
  readonly applyEntriesMax: number
  /** The same in bytes; one entry may pass it. */
  readonly applyBytesMax: number
  /** Messages that wait for the disk. Past it the oldest is lost, as the network may lose any. */
  readonly heldMax: number
}

const MIB = 1024 * 1024

/** The timing of DESIGN §7 for a local network. */
export const LAN = { heartbeatMs: 100, electionMinMs: 600, electionMaxMs: 1_000 }

/** A whole configuration from what differs between nodes. */
export function raftConfig(
  given: Pick<RaftConfig, 'id' | 'incarnation' | 'random'> & Partial<RaftConfig>,
): RaftConfig {
  const config = {
    ...LAN,
    witness: false,
    clockDrift: 0.05,
    commitNoticeMs: 2,
    appendBytesMax: MIB,
    appendEntriesMax: 1_024,
    inflightMax: 64,
    inflightBytesMax: 4 * MIB,
    tailBytesMax: 16 * MIB,
    uncommittedBytesMax: 64 * MIB,
    readsMax: 65_536,
    applyEntriesMax: 1_000,
    applyBytesMax: 8 * MIB,
    heldMax: 4_096,
    ...given,
  }
  assert(config.heartbeatMs > 0, 'a heartbeat takes time')
  assert(config.electionMinMs >= 2 * config.heartbeatMs, 'one lost heartbeat starts no election')
  assert(config.electionMaxMs > config.electionMinMs, 'election timeouts differ')
  assert(config.clockDrift >= 0 && config.clockDrift < 1, 'a clock drift is a fraction')
  return config
}
