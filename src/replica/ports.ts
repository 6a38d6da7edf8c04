/** The replica's whole outside world: real in `node.ts`, models in the simulator. */
import type { Logger } from '../lib/logger.ts'
import type { Random } from '../lib/prng.ts'
import type { PeerIdentity, PeerMessage } from '../mesh/peer.ts'
import type { Clock, LogReader, LogWrite, NodeId } from '../raft/types.ts'

export interface LogPort extends LogReader {
  /** `done` is called in call order, once the write is durable; never after a failure. */
  write(write: LogWrite, done: () => void): void
  /** False while the next segment cannot be allocated: commands are refused meanwhile. */
  readonly acceptsWrites: boolean
  /** Whether `tick` wants to be called: the next segment is being made, or the log rounded off. */
  readonly busy: boolean
  tick(nowMs: number): void
  /** Durable before it returns. */
  setClusterId(clusterId: string): void
}

/** How a peer is connected. */
export interface PeerLink {
  readonly id: NodeId
  readonly connected: boolean
  /** Of the authenticated handshake, the last one where the link is down. */
  readonly identity: PeerIdentity | null
  readonly lastContactMs: number | null
  /** Why one side refused the other; null where nobody did. */
  readonly refusal: string | null
  /** With a refusal, the cluster that the other side says it belongs to; not proven. */
  readonly claimedClusterId: string | null
}

export interface MeshPort {
  /** Queues for this turn. False: no link, or its queue is full. */
  send(to: NodeId, message: PeerMessage): boolean
  /** The end of a turn: what was queued leaves, one frame a peer. */
  flush(): void
  /** `dials`: this end dials it, whatever the ids say. */
  setPeers(
    peers: readonly {
      readonly id: NodeId
      readonly url: string | null
      readonly dials?: boolean
    }[],
  ): void
  /** Dials whoever is at `url` while no link is up; null: no more. */
  setContact(url: string | null): void
  setIdentity(identity: PeerIdentity): void
  peers(): readonly PeerLink[]
}

export interface ReplicaPorts {
  /** Both clocks, read now. */
  clock(): Clock
  readonly random: Random
  /** Runs once after `ms`; the returned function cancels. */
  setTimer(ms: number, run: () => void): () => void
  /** Runs once at the end of this turn of the loop, after the sockets that are ready now. */
  defer(run: () => void): void
  readonly log: LogPort
  readonly mesh: MeshPort
  readonly logger: Logger
  /** This node cannot be what it was started as: the process ends with exit code 3. */
  misplaced(reason: string): void
  /** A random cluster id, for the one node that founds. */
  newClusterId(): string
}
