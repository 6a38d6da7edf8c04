/** The replica's whole outside world: real in `node.ts`, models in the simulator. */
import type { Logger } from '../lib/logger.ts'
import type { Random } from '../lib/prng.ts'
import type { PeerIdentity, PeerMessage, StateOffer } from '../mesh/peer.ts'
import type { Clock, EntryId, LogReader, LogWrite, NodeId } from '../raft/types.ts'
import type { CompactionBounds } from '../storage/compaction.ts'

export interface LogPort extends LogReader {
  /** `done` is called in call order, once the write is durable; never after a failure. */
  write(write: LogWrite, done: () => void): void
  /** False while the next segment cannot be allocated: commands are refused meanwhile. */
  readonly acceptsWrites: boolean
  /** The largest command that fits into it. */
  readonly commandBytesMax: number
  /** Whether `tick` wants to be called: the next segment is being made, or the log rounded off. */
  readonly busy: boolean
  tick(nowMs: number): void
  /** Bytes of all of it, and those written since it was opened. */
  stats(): { readonly walBytes: number; readonly bytesWritten: number }
  /** Lets go of the front as far as `bounds` allow; returns the entry that it starts after now. */
  compact(bounds: CompactionBounds): EntryId
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
  /** Who was refused since it belongs to another cluster, and to which; not proven. */
  foreigners(): ReadonlyMap<NodeId, string>
}

/** How a fetch fares. Nothing is called within `fetch`, nor after `cancel`. */
export interface FetchEvents {
  progress(bytes: number, totalBytes: number): void
  /** The last event. `gone`: it cannot be had there any more. */
  done(result: 'whole' | 'gone'): void
}

/**
 * The files under the state machine (DESIGN §4). One thing at a time: `checkpoint` and
 * `keepSnapshot` are begun when the one before is done. A disk that fails ends the process
 * elsewhere; then `done` is never called.
 */
export interface StorePort {
  /** Bytes that were applied and are not in the database's own file yet. Cheap. */
  readonly dirtyBytes: number
  /**
   * Makes durable what is applied now; `complete`: all of it is. `reset`: nothing is applied until
   * `done`, and `dirtyBytes` starts anew.
   */
  checkpoint(kind: 'passive' | 'reset', done: (complete: boolean) => void): void
  /**
   * Copies the state of `at`, as a complete `reset` checkpoint has just left it, to send it to
   * others; the copy before is dropped. The copy is looked into: a wrong state is not handed on.
   * `no_room`: nothing could be written; else: what is wrong with the state.
   */
  keepSnapshot(at: EntryId, done: (result: 'kept' | 'no_room' | { wrong: string }) => void): void
  dropSnapshot(): void
  /**
   * Fetches what a peer offers; the returned function cancels. Without a `url` the peer only dials,
   * and is asked to.
   */
  fetch(offer: StateOffer, url: string | null, events: FetchEvents): () => void
  /**
   * What was fetched becomes the state, durable when this returns, and nothing that `fence` said
   * holds for it. `restart`: the log starts anew after it, durable as well; `keep`: it holds that
   * entry and stays. It blocks. False: it is not what was offered, and nothing has changed.
   */
  install(offer: StateOffer, log: 'restart' | 'keep'): boolean
  /**
   * The same of a witness, whose state is no more than a place in the log and who decides there:
   * it is made here, from the offer alone.
   */
  installPlace(offer: StateOffer): void
  /** Looks through all of the live state beside the loop: what is wrong with it, or null. */
  examine(done: (finding: string | null) => void): void
  /** The same of what was fetched and is whole. */
  examineFetched(done: (finding: string | null) => void): void
  /** This state must not be used, also by later processes. Durable when it returns. */
  fence(reason: string): void
  /** What `fence` said of the live state; null: nothing. */
  readonly fenced: string | null
  /** Of the copy that is kept; 0 without one. */
  readonly snapshotBytes: number
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
  readonly store: StorePort
  readonly logger: Logger
  /** This node cannot be what it was started as: the process ends with exit code 3. */
  misplaced(reason: string): void
  /** A random cluster id, for the one node that founds. */
  newClusterId(): string
}
