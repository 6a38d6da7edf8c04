import { assert } from '../lib/assert.ts'
import { Backoff } from '../lib/backoff.ts'
import type { NodeId } from '../raft/types.ts'
import { Connection } from './connection.ts'
import { DialBacks } from './dial-back.ts'
import { Farewells } from './farewells.ts'
import { Foreigners } from './foreigners.ts'
import { Link, type LinkOutput } from './link.ts'
import type { PeerIdentity, PeerMessage } from './peer.ts'
import { isStreamFrame, streamOver, type Stream, type StreamEvents } from './streams.ts'
import type { MeshConfig, MeshHost, MeshPorts, PeerStatus, Socket, SocketEvents } from './ports.ts'

/** Somebody to keep a link with. */
interface Peer {
  /** Null of the contact: who answers there shows in the handshake. */
  readonly id: NodeId | null
  url: string | null
  /** Whatever its id: it may not know where we are. */
  dials: boolean
  readonly backoff: Backoff
  /** The attempt under way. */
  dialing: Connection | null
  cancelRedial: (() => void) | null
  identity: PeerIdentity | null
  lastContactMs: number | null
  refusal: string | null
}

/** Both dialed at once: nothing that an operator should look at. */
const SECOND_LINK = 'a link exists already'

/** A peer as the host knows it. `dials`: this end dials it whatever the ids say. */
export interface WantedPeer {
  readonly id: NodeId
  readonly url: string | null
  readonly dials?: boolean
}

/**
 * The links of one node to its peers. It retries connections, never messages: Raft re-sends what
 * was lost, and callers of RPCs learn from `send` and `MeshHost.down`.
 *
 * The lower id dials, so two nodes do not call each other at once; the other one does only where
 * no link has come for long. Where both dial all the same, the link that the lower id dialed stays;
 * between links dialed by one side, the newer one.
 */
export class Mesh {
  readonly #config: MeshConfig
  readonly #ports: MeshPorts
  readonly #host: MeshHost
  #identity: PeerIdentity
  readonly #peers = new Map<NodeId, Peer>()
  readonly #connections = new Set<Connection>()
  /** Those that are up, by the proven id. */
  readonly #up = new Map<NodeId, Connection>()
  /** Those with something queued in this turn. */
  readonly #unsent = new Set<Connection>()
  readonly #farewells: Farewells
  readonly #dialBacks: DialBacks
  #strangerRefusal: string | null = null
  readonly #foreigners: Foreigners
  /** Where an empty node looks for the cluster that it is to join. */
  #contact: Peer | null = null
  #cancelTick: (() => void) | null = null
  #tickedMs = 0
  #stopped = false

  constructor(config: MeshConfig, ports: MeshPorts, host: MeshHost) {
    assert(config.silentMs > 2 * config.pingMs, 'one lost ping closes no link')
    this.#config = config
    this.#ports = ports
    this.#host = host
    this.#identity = config.identity
    this.#dialBacks = new DialBacks(ports)
    this.#foreigners = new Foreigners(config.strangersMax)
    this.#farewells = new Farewells(ports, config.strangersMax)
  }

  /** Whom to keep a link with; this node itself is left out. Links with those that left are closed. */
  setPeers(peers: readonly WantedPeer[]): void {
    const wanted = new Map(peers.map((peer) => [peer.id, peer]))
    wanted.delete(this.#identity.id)
    for (const [id, peer] of this.#peers) {
      if (!wanted.has(id)) this.#forget(id, peer)
    }
    for (const [id, { url, dials = false }] of wanted) {
      const known = this.#peers.get(id)
      const peer = known ?? this.#newPeer(id, url)
      if (known === undefined) this.#peers.set(id, peer)
      else if (peer.url !== url || (dials && !peer.dials)) this.#move(peer, url)
      peer.dials = dials
    }
    for (const peer of this.#peers.values()) this.#maybeDial(peer)
  }

  /** Dials `url`, whoever is there, while no link is up; null: no more. */
  setContact(url: string | null): void {
    if (url === (this.#contact?.url ?? null)) return
    const { cancelRedial, dialing } = this.#contact ?? {}
    this.#contact = url === null ? null : this.#newPeer(null, url)
    cancelRedial?.()
    if (dialing && !dialing.link.isUp) this.#drop(dialing, 'no longer needed')
    if (this.#contact !== null) this.#maybeDial(this.#contact)
  }

  /** A WebSocket was opened to this node's `/mesh`. Who it is shows in the handshake. */
  accept(socket: Socket): SocketEvents {
    if (this.#stopped || this.#strangers() >= this.#config.strangersMax) {
      socket.close()
      return { open: () => {}, message: () => {}, close: () => {} }
    }
    const connection = this.#connect({ dialed: null, socket })
    return this.#eventsOf(connection)
  }

  /**
   * Opens a stream to a node; without a `url` it is asked to. `StreamEvents.up` says when it may be
   * written to.
   */
  openStream(to: NodeId, url: string | null, events: StreamEvents): Stream {
    assert(to !== this.#identity.id, 'a node needs no stream to itself')
    if (url === null) return this.#awaitStream(to, events)
    const connection = this.#connect({ dialed: { id: to }, socket: null }, 'stream')
    connection.events = events
    connection.socket = this.#ports.dial(url, this.#eventsOf(connection))
    return this.#streamOf(connection)
  }

  #awaitStream(from: NodeId, events: StreamEvents): Stream {
    const link = this.#up.get(from)
    if (link !== undefined) this.#run(link, () => link.link.askDialBack())
    const asked = link !== undefined
    return this.#dialBacks.await(from, events, { asked, waitMs: this.#config.handshakeMs })
  }

  /** One at a time: whoever asks again has given the one before up. */
  #dialBack({ link }: Connection): void {
    const { id = '', url = null } = link.peer ?? {}
    if (url === null) return
    for (const other of this.#connections) {
      if (other.dialsBack && other.dialed === id) this.#drop(other, 'another one was asked for')
    }
    const connection = this.#connect({ dialed: { id }, socket: null }, 'stream')
    connection.dialsBack = true
    connection.socket = this.#ports.dial(url, this.#eventsOf(connection))
  }

  #streamOf(connection: Connection): Stream {
    return streamOver(connection.socket, () => this.#drop(connection, 'closed by this node'))
  }

  /** Queues for this turn. False: no link, a full queue, or a peer that does not keep up. */
  send(to: NodeId, message: PeerMessage): boolean {
    const connection = this.#up.get(to)
    if (connection === undefined || !connection.push(message, this.#identity)) return false
    this.#unsent.add(connection)
    return true
  }

  /** The end of a turn: one frame a peer. */
  flush(): void {
    if (this.#unsent.size === 0) return
    const unsent = [...this.#unsent]
    this.#unsent.clear()
    for (const connection of unsent) {
      if (!this.#connections.has(connection)) continue // A host closed it meanwhile.
      if (!connection.flush()) this.#drop(connection, 'its socket overflowed')
    }
  }

  /**
   * After a cluster id was founded or adopted: links were proven under the old identity, so they
   * are closed and made again, which is also how the peers hear of the new one. Anything else is
   * what the next links begin with.
   */
  setIdentity(identity: PeerIdentity): void {
    assert(identity.id === this.#identity.id, 'a node keeps its id')
    assert(identity.incarnation === this.#identity.incarnation, 'a node keeps its incarnation')
    const isSame = identity.clusterId === this.#identity.clusterId
    this.#identity = identity
    if (isSame) return
    for (const connection of this.#connections) this.#drop(connection, 'the identity changed')
  }

  /** Sorted by id. Peers that are connected though nobody asked for them are among them. */
  peers(): readonly PeerStatus[] {
    const ids = new Set([...this.#peers.keys(), ...this.#up.keys()])
    return [...ids].sort().map((id) => this.#status(id))
  }

  /** Those that were refused since they are of another cluster, and of which; not proven. */
  foreigners(): ReadonlyMap<NodeId, string> {
    return this.#foreigners.claims
  }

  /** Closes everything. The host hears nothing more. */
  stop(): void {
    this.#stopped = true
    this.#cancelTick?.()
    this.#cancelTick = null
    for (const peer of this.#peers.values()) peer.cancelRedial?.()
    this.#contact?.cancelRedial?.()
    this.#contact = null
    this.#dialBacks.stop()
    for (const connection of this.#connections) connection.socket.close()
    this.#farewells.stop()
    this.#connections.clear()
    this.#up.clear()
    this.#unsent.clear()
    this.#peers.clear()
  }

  #status(id: NodeId): PeerStatus {
    const peer = this.#peers.get(id)
    const link = this.#up.get(id)?.link
    return {
      id,
      url: peer?.url ?? link?.peer?.url ?? null,
      connected: link !== undefined,
      identity: link?.peer ?? peer?.identity ?? null,
      lastContactMs: link?.receivedMs ?? peer?.lastContactMs ?? null,
      refusal: link === undefined ? (peer?.refusal ?? null) : null,
      rttMs: link?.rttMs ?? null,
    }
  }

  #newPeer(id: NodeId | null, url: string | null): Peer {
    const { redialMinMs: minMs, redialMaxMs: maxMs } = this.#config
    const backoff = new Backoff({ minMs, maxMs, random: this.#ports.random })
    const nothing = {
      identity: null,
      lastContactMs: null,
      refusal: null,
    }
    return { id, url, dials: false, backoff, dialing: null, cancelRedial: null, ...nothing }
  }

  /** It left: where a link is up, it is told why. */
  #forget(id: NodeId, peer: Peer): void {
    this.#peers.delete(id)
    peer.cancelRedial?.()
    const up = this.#up.get(id)
    if (up?.link.peer) {
      const reason = this.#host.judge(up.link.peer) ?? `${id} is no longer a peer`
      this.#run(up, () => up.link.refuse(reason))
    }
    if (peer.dialing !== null) this.#drop(peer.dialing, 'no longer a peer')
  }

  /** Another address: an attempt at the old one is pointless, a link that is up is not. */
  #move(peer: Peer, url: string | null): void {
    peer.url = url
    peer.cancelRedial?.()
    peer.cancelRedial = null
    peer.backoff.reset()
    const attempt = peer.dialing
    if (attempt !== null && !attempt.link.isUp) this.#drop(attempt, 'another address')
  }

  #maybeDial(peer: Peer, hasWaited = false): void {
    if (!this.#mayDial(peer) || peer.url === null) return
    if (!hasWaited && !this.#isOurs(peer)) return this.#redialLater(peer)
    const connection = this.#connect({ dialed: peer, socket: null })
    peer.dialing = connection
    connection.socket = this.#ports.dial(peer.url, this.#eventsOf(connection))
  }

  /** Whether there is neither a link nor an attempt at one. */
  #mayDial(peer: Peer): boolean {
    if (peer.url === null || this.#stopped) return false
    if (peer.dialing !== null || peer.cancelRedial !== null) return false
    if (peer.id === null) return this.#contact === peer && this.#up.size === 0
    return this.#peers.get(peer.id) === peer && !this.#up.has(peer.id)
  }

  /** Whether this end is the one that dials at once. */
  #isOurs(peer: Peer): boolean {
    if (peer.id === null || peer.dials || this.#config.dialsAlways) return true
    return this.#identity.id < peer.id
  }

  #redialLater(peer: Peer): void {
    if (!this.#mayDial(peer)) return
    // The other end may not know that it is to dial us, or where: a membership travels by log.
    const waitMs = this.#isOurs(peer) ? peer.backoff.next() : 2 * this.#config.redialMaxMs
    peer.cancelRedial = this.#ports.setTimer(waitMs, () => {
      peer.cancelRedial = null
      this.#maybeDial(peer, true)
    })
  }

  #connect(
    origin: { readonly dialed: Pick<Peer, 'id'> | null; readonly socket: Socket | null },
    purpose: 'peer' | 'stream' = 'peer',
  ): Connection {
    const { secret, handshakeMs, silentMs } = this.#config
    const link = new Link(
      {
        role: origin.dialed === null ? 'acceptor' : 'dialer',
        purpose,
        identity: this.#identity,
        secret,
        mac: this.#ports.mac,
        nonce: this.#ports.nonce(),
        expected: origin.dialed?.id ?? null,
        handshakeMs,
        silentMs,
        judge: (peer) => this.#host.judge(peer),
      },
      this.#ports.nowMs(),
    )
    const dialed = origin.dialed?.id ?? null
    const connection = new Connection(link, this.#config, { dialed, socket: origin.socket })
    this.#connections.add(connection)
    this.#armTick()
    return connection
  }

  #eventsOf(connection: Connection): SocketEvents {
    return {
      open: () => this.#run(connection, () => connection.link.open()),
      message: (bytes) =>
        this.#run(connection, () => connection.link.receive(bytes, this.#ports.nowMs())),
      close: (reason) => this.#closed(connection, reason),
    }
  }

  #strangers(): number {
    let count = 0
    for (const { link } of this.#connections) {
      if (link.role === 'acceptor' && !link.isUp) count += 1
    }
    return count
  }

  /** Lets a link take a step and does what it wants. Links that were given up on take none. */
  #run(connection: Connection, step: () => LinkOutput[]): void {
    if (!this.#connections.has(connection)) return
    for (const output of step()) this.#carryOut(connection, output)
  }

  #carryOut(connection: Connection, output: LinkOutput): void {
    if (!this.#connections.has(connection)) return
    switch (output.type) {
      case 'send':
        if (!connection.socket.send(output.frame)) this.#drop(connection, 'its socket overflowed')
        return
      case 'up':
        if (connection.link.purpose === 'stream') return this.#streamUp(connection, output.peer)
        return this.#becomeUp(connection, output.peer)
      case 'dial_back':
        return this.#dialBack(connection)
      case 'stream_frame':
        if (!isStreamFrame(output.frame)) return
        return connection.events?.receive(output.frame.type, output.frame.payload)
      case 'receive': {
        const from = connection.link.peer?.id ?? ''
        assert(this.#up.get(from) === connection, 'only a link that is up brings messages')
        return this.#host.receive(from, output.messages)
      }
      case 'end':
        if (output.refusal === null) return this.#drop(connection, output.reason)
        this.#noteRefusal(connection, output.refusal)
        return this.#drop(connection, output.reason, { farewell: true })
    }
  }

  #streamUp(connection: Connection, peer: PeerIdentity): void {
    const stream = this.#streamOf(connection)
    if (connection.dialed === null) connection.events = this.#dialBacks.take(peer.id, stream)
    connection.events ??= this.#host.stream?.(peer, stream) ?? null
    if (connection.events === null) return this.#drop(connection, 'no stream is wanted')
    connection.events.up()
  }

  #becomeUp(connection: Connection, identity: PeerIdentity): void {
    const { id } = identity
    const rival = this.#up.get(id)
    if (rival !== undefined) {
      if (!this.#wins(connection, rival, id)) {
        return this.#run(connection, () => connection.link.refuse(SECOND_LINK))
      }
      this.#drop(rival, 'replaced by a newer link')
    }
    this.#up.set(id, connection)
    const peer = this.#peers.get(id)
    if (peer !== undefined) {
      peer.refusal = null
      peer.backoff.reset()
      peer.cancelRedial?.()
      peer.cancelRedial = null
    }
    this.#ports.logger.info('peer connected', { peer: id, url: identity.url })
    this.#host.up(identity)
  }

  /**
   * Both ends decide alike: they see the same two links. One side's newer link replaces its older
   * one, which it knows to be dead; of links dialed by both sides the lower id's stays.
   */
  #wins(newer: Connection, older: Connection, id: NodeId): boolean {
    if (newer.link.role === older.link.role) return true
    const dialer = newer.link.role === 'dialer' ? this.#identity.id : id
    return dialer < (dialer === id ? this.#identity.id : id)
  }

  /** The operator of either side sees why; once for each reason, not for each attempt. */
  #noteRefusal({ link, dialed }: Connection, refusal: string): void {
    const id = dialed ?? link.claimed ?? ''
    // What is refused beside a link that is up says nothing about that peer.
    const peer = this.#up.has(id) ? undefined : this.#peers.get(id)
    const known = (peer?.refusal ?? this.#strangerRefusal) === refusal
    if (peer !== undefined) peer.refusal = refusal
    else this.#strangerRefusal = refusal
    this.#foreigners.note(id, link.claimedClusterId, this.#identity.clusterId)
    const fields = { peer: dialed ?? link.claimed, refusal }
    if (known || refusal.endsWith(SECOND_LINK)) this.#ports.logger.debug('peer refused', fields)
    else this.#ports.logger.warn('peer refused', fields)
  }

  /** The other side or the network closed it. */
  #closed(connection: Connection, reason: string): void {
    if (this.#connections.has(connection)) return this.#drop(connection, reason)
    this.#farewells.closed(connection.socket)
  }

  /** Gives a connection up. With `farewell` its last frame gets a moment to leave. */
  #drop(connection: Connection, reason: string, { farewell } = { farewell: false }): void {
    if (!this.#connections.delete(connection)) return
    this.#unsent.delete(connection)
    if (farewell) this.#farewells.closeSoon(connection.socket)
    else connection.socket.close()

    const { link, dialed } = connection
    if (link.purpose === 'stream') return connection.events?.down(reason)
    const id = link.peer?.id ?? null
    const wasUp = id !== null && this.#up.get(id) === connection
    if (wasUp) this.#up.delete(id)
    const peer = this.#peers.get(dialed ?? id ?? '')
    if (this.#contact !== null) {
      if (this.#contact.dialing === connection) this.#contact.dialing = null
      this.#redialLater(this.#contact)
    }
    if (peer !== undefined) {
      if (peer.dialing === connection) peer.dialing = null
      if (wasUp) peer.identity = link.peer
      if (wasUp) peer.lastContactMs = link.receivedMs
      this.#redialLater(peer)
    }
    if (wasUp) {
      this.#ports.logger.info('peer disconnected', { peer: id, reason })
      this.#host.down(id, reason)
    } else {
      this.#ports.logger.debug('no link', { peer: dialed ?? link.claimed, reason })
    }
  }

  /** One timer for all links; none while there is no link. */
  #armTick(): void {
    if (this.#cancelTick !== null || this.#stopped) return
    this.#tickedMs = this.#ports.nowMs()
    this.#cancelTick = this.#ports.setTimer(this.#config.pingMs, () => this.#tick())
  }

  #tick(): void {
    this.#cancelTick = null
    const nowMs = this.#ports.nowMs()
    // This process stood still: what peers sent meanwhile is waiting in the sockets, and is read
    // before anybody is judged by a clock.
    const stalled = nowMs - this.#tickedMs > 2 * this.#config.pingMs
    for (const connection of this.#connections) {
      if (stalled) connection.link.excuse(nowMs)
      else this.#run(connection, () => connection.link.tick(nowMs))
    }
    if (this.#connections.size > 0) this.#armTick()
  }
}
