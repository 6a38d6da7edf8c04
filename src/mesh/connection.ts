import { present } from '../lib/assert.ts'
import type { NodeId } from '../raft/types.ts'
import { encodeMessage } from './codec.ts'
import type { Link } from './link.ts'
import { Outbox } from './outbox.ts'
import type { PeerMessage } from './peer.ts'
import type { MeshConfig, Socket } from './ports.ts'
import type { StreamEvents } from './streams.ts'

/** A link, its socket, and what waits for it. */
export class Connection {
  readonly link: Link
  /** Whom it was dialed for; null where it was accepted. */
  readonly dialed: NodeId | null
  /** Of a stream: the peer asked for it, and was not told what it is for. */
  dialsBack = false
  /** Of a stream: who listens to it. */
  events: StreamEvents | null = null
  readonly #outbox: Outbox
  readonly #backedUpBytesMax: number
  #socket: Socket | null

  constructor(
    link: Link,
    config: MeshConfig,
    origin: { readonly dialed: NodeId | null; readonly socket: Socket | null },
  ) {
    this.link = link
    this.dialed = origin.dialed
    this.#socket = origin.socket
    this.#backedUpBytesMax = config.backedUpBytesMax
    this.#outbox = new Outbox({
      bytesMax: config.outboxBytesMax,
      messagesMax: config.outboxMessagesMax,
    })
  }

  /** A dialed socket exists only after its events do. */
  set socket(socket: Socket) {
    this.#socket = socket
  }

  get socket(): Socket {
    return present(this.#socket, 'no event comes before its socket')
  }

  /**
   * Queues for the end of this turn. False: full, too large, or the peer does not keep up; that
   * is looked at before the first message of a turn, so a turn's outbox is all that can pile up
   * behind a slow peer.
   */
  push(message: PeerMessage, self: { readonly id: NodeId; readonly incarnation: string }): boolean {
    if (this.#outbox.isEmpty && this.socket.bufferedBytes() > this.#backedUpBytesMax) return false
    const to = present(this.link.peer, 'only a proven peer is written to').id
    const bytes = encodeMessage(message, { from: self.id, incarnation: self.incarnation, to })
    return this.#outbox.push(bytes)
  }

  /** Writes what was queued. False: the socket dropped something. */
  flush(): boolean {
    for (const frame of this.#outbox.take()) {
      if (!this.socket.send(frame)) return false
    }
    return true
  }
}
