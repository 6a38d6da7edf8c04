/** What the mesh asks of the world: real in `runtime/`, models in the simulator. */
import type { Logger } from '../lib/logger.ts'
import type { Random } from '../lib/prng.ts'
import type { NodeId } from '../raft/types.ts'
import type { Mac } from './handshake.ts'
import type { PeerIdentity, PeerMessage } from './peer.ts'
import type { Stream, StreamEvents } from './streams.ts'

/** One WebSocket, as seen by the side that writes. */
export interface Socket {
  /** Takes a copy of `bytes`. False: dropped, so the link has a hole and must be closed. */
  send(bytes: Uint8Array): boolean
  /** Sent and not yet taken by the system. */
  bufferedBytes(): number
  /** At once. `SocketEvents.close` may still follow. */
  close(): void
}

/** One WebSocket, as seen by the side that listens. Nothing is called inside `dial` or `send`. */
export interface SocketEvents {
  /** Of a dialed one alone: an accepted one is open from the start. */
  open(): void
  message(bytes: Uint8Array): void
  /** The last event; also of a dial that failed. */
  close(reason: string): void
}

export interface MeshPorts {
  /** Opens a WebSocket to the `/mesh` of the node at `url`. Never throws. */
  dial(url: string, events: SocketEvents): Socket
  /** Monotonic. */
  nowMs(): number
  /** Runs once after `ms`; the returned function cancels. */
  setTimer(ms: number, run: () => void): () => void
  readonly random: Random
  readonly mac: Mac
  /** At least 16 bytes that were never used before and cannot be guessed. */
  nonce(): Uint8Array
  readonly logger: Logger
}

/** Whom the mesh serves: the replica. */
export interface MeshHost {
  /** Why a node that has the secret is refused all the same, or null. */
  judge(peer: PeerIdentity): string | null
  up(peer: PeerIdentity): void
  /** Follows every `up`, before the next one of the same peer. */
  down(id: NodeId, reason: string): void
  /** A peer opened a stream; null: none is wanted. */
  stream?(peer: PeerIdentity, stream: Stream): StreamEvents | null
  /** All that one frame brought, in order. */
  receive(from: NodeId, messages: readonly PeerMessage[]): void
}

export interface MeshConfig {
  readonly identity: PeerIdentity
  /** Shared by the cluster. Empty on loopback without one. */
  readonly secret: Uint8Array
  /** Dials every peer that has an address, whatever its id: `--advertise none`. */
  readonly dialsAlways: boolean
  /** Queued for one peer in one turn. */
  readonly outboxBytesMax: number
  readonly outboxMessagesMax: number
  /** A peer whose socket holds more than this is not written to. */
  readonly backedUpBytesMax: number
  /** For a connection and its handshake. */
  readonly handshakeMs: number
  readonly pingMs: number
  /** A link is dead on which nothing arrived for so long. */
  readonly silentMs: number
  readonly redialMinMs: number
  readonly redialMaxMs: number
  /** Accepted connections whose handshake is under way. */
  readonly strangersMax: number
}

const MIB = 1024 * 1024

/** A whole configuration from what differs between nodes. */
export function meshConfig(
  given: Pick<MeshConfig, 'identity' | 'secret' | 'dialsAlways'> & Partial<MeshConfig>,
): MeshConfig {
  return {
    outboxBytesMax: 8 * MIB,
    outboxMessagesMax: 4_096,
    backedUpBytesMax: 4 * MIB,
    handshakeMs: 3_000,
    pingMs: 1_000,
    silentMs: 4_000,
    redialMinMs: 50,
    redialMaxMs: 2_000,
    strangersMax: 64,
    ...given,
  }
}

/** How a peer is connected. */
export interface PeerStatus {
  readonly id: NodeId
  readonly url: string | null
  readonly connected: boolean
  /** Of the last handshake that succeeded. */
  readonly identity: PeerIdentity | null
  /** `MeshPorts.nowMs()` when its last frame arrived. */
  readonly lastContactMs: number | null
  /** Why one side refused the other; null while connected and where nobody did. */
  readonly refusal: string | null
  /** Of the last ping that was answered. */
  readonly rttMs: number | null
}
