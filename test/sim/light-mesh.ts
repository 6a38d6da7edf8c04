/**
 * A mesh without bytes: the same promises to the replica as `src/mesh`, and none more. Links come
 * up by a handshake that both ends judge, go down when they are silent, broken or forgotten, and
 * then tell the replica. In seeds without order, Raft's messages are lost, doubled and overtaken on
 * a link that stays up, which TCP would not do; Raft needs no more. Requests and answers are not:
 * a link carries each at most once, and `LeaderCalls` relies on that.
 */
import { assert } from '../../src/lib/assert.ts'
import { decodeMessages, encodeMessage, payloadOf } from './codec.ts'
import type { PeerIdentity, PeerMessage } from '../../src/mesh/mod.ts'
import type { NodeId } from '../../src/raft/mod.ts'
import type { MeshPort, PeerLink } from '../../src/replica/mod.ts'
import type { Channel } from './network.ts'

export type Packet =
  | { readonly type: 'hello' | 'accept'; readonly link: number; readonly identity: PeerIdentity }
  | { readonly type: 'refuse'; readonly link: number; readonly reason: string }
  | { readonly type: 'welcome' | 'reset' | 'ping'; readonly link: number }
  | {
      readonly type: 'frame'
      readonly link: number
      readonly messages: readonly PeerMessage[]
      readonly bytes: Uint8Array | null
    }

export interface LightMeshHost {
  readonly encodes: boolean
  readonly ordered: boolean
  readonly silentMs: number
  nowMs(): number
  setTimer(ms: number, run: () => void): () => void
  /** A number no link had before. */
  newLink(): number
  channelTo(id: NodeId): Channel
  /** By itself, as the network likes; in the channel where there is one. */
  transmit(to: NodeId, packet: Packet, channel: Channel | null): void
  judge(peer: PeerIdentity): string | null
  up(peer: PeerIdentity): void
  down(id: NodeId): void
  receive(from: NodeId, messages: readonly PeerMessage[]): void
}

interface Session {
  readonly link: number
  state: 'dialing' | 'accepted' | 'up'
  identity: PeerIdentity | null
  receivedMs: number
  readonly channel: Channel
}

export class LightMesh implements MeshPort {
  readonly #host: LightMeshHost
  #identity: PeerIdentity
  #peers: NodeId[] = []
  #dials: NodeId[] = []
  #contact: NodeId | null = null
  #ticks = 0
  readonly #sessions = new Map<NodeId, Session>()
  readonly #known = new Map<NodeId, PeerIdentity>()
  readonly #refusals = new Map<NodeId, string>()
  readonly #queued = new Map<NodeId, PeerMessage[]>()
  /** Of everybody it has to do with, in order; null: to be listed again. */
  #ids: readonly NodeId[] | null = null

  constructor(identity: PeerIdentity, host: LightMeshHost) {
    this.#identity = identity
    this.#host = host
    this.#tick()
  }

  send(to: NodeId, message: PeerMessage): boolean {
    const session = this.#sessions.get(to)
    if (session?.state !== 'up') return false
    const queue = this.#queued.get(to)
    if (queue === undefined) this.#queued.set(to, [message])
    else queue.push(message)
    return true
  }

  flush(): void {
    if (this.#queued.size === 0) return
    for (const [to, messages] of this.#queued) {
      const session = this.#sessions.get(to)
      if (session?.state !== 'up') continue
      if (this.#host.ordered) this.#sendFrame(to, session, messages, session.channel)
      else this.#scatter(to, session, messages)
    }
    this.#queued.clear()
  }

  setPeers(peers: readonly { readonly id: NodeId; readonly dials?: boolean }[]): void {
    this.#peers = peers.map(({ id }) => id).filter((id) => id !== this.#identity.id)
    this.#ids = null
    this.#dials = peers.filter(({ dials }) => dials === true).map(({ id }) => id)
    for (const id of this.#sessions.keys()) if (!this.#peers.includes(id)) this.#close(id)
    for (const id of this.#peers) this.#maybeDial(id)
  }

  /** Addresses are names here: the contact is the node at that URL. */
  setContact(url: string | null): void {
    this.#contact = url === null ? null : url.slice('http://'.length)
    if (this.#contact !== null) this.#maybeDial(this.#contact)
  }

  setIdentity(identity: PeerIdentity): void {
    const isSame = identity.clusterId === this.#identity.clusterId
    this.#identity = identity
    if (isSame) return
    for (const id of this.#sessions.keys()) this.#close(id)
  }

  foreigners(): ReadonlyMap<NodeId, string> {
    return new Map()
  }

  peers(): readonly PeerLink[] {
    this.#ids ??= [...new Set([...this.#peers, ...this.#sessions.keys()])].sort()
    return this.#ids.map((id) => {
      const session = this.#sessions.get(id)
      return {
        id,
        connected: session?.state === 'up',
        identity: this.#known.get(id) ?? null,
        lastContactMs: session?.receivedMs ?? null,
        refusal: session?.state === 'up' ? null : (this.#refusals.get(id) ?? null),
      }
    })
  }

  /** A packet of `from` arrived. */
  receive(from: NodeId, packet: Packet): void {
    const session = this.#sessions.get(from)
    if (packet.type === 'hello') return this.#accept(from, packet)
    if (session?.link !== packet.link) {
      // Of a link that this process knows nothing (more) of, as after a restart.
      if (packet.type !== 'reset' && packet.type !== 'refuse') {
        this.#host.transmit(from, { type: 'reset', link: packet.link }, null)
      }
      return
    }
    session.receivedMs = this.#host.nowMs()
    switch (packet.type) {
      case 'accept':
        return this.#accepted(from, session, packet.identity)
      case 'refuse':
        this.#refusals.set(from, packet.reason)
        return this.#forget(from)
      case 'reset':
        return this.#forget(from)
      case 'welcome':
      case 'ping':
        return this.#becomeUp(from, session)
      case 'frame':
        this.#becomeUp(from, session)
        if (this.#sessions.get(from) !== session) return
        return this.#host.receive(from, this.#messagesOf(from, packet))
    }
  }

  /** The network broke the link; this end notices at once. */
  broken(id: NodeId): void {
    if (this.#sessions.has(id)) this.#close(id)
  }

  #accept(from: NodeId, hello: Extract<Packet, { identity: PeerIdentity }>): void {
    const old = this.#sessions.get(from)
    if (old?.link === hello.link) return // Doubled on its way.
    const { link, identity } = hello
    const reason = this.#host.judge(identity)
    if (reason !== null) {
      this.#refusals.set(from, reason)
      this.#host.transmit(from, { type: 'refuse', link, reason }, null)
      return
    }
    if (old !== undefined) {
      if (link < old.link) return // An older attempt, overtaken.
      this.#forget(from)
    }
    const receivedMs = this.#host.nowMs()
    const channel = this.#host.channelTo(from)
    const session: Session = { link, state: 'accepted', identity, receivedMs, channel }
    this.#sessions.set(from, session)
    this.#ids = null
    this.#host.transmit(from, { type: 'accept', link, identity: this.#identity }, channel)
  }

  #accepted(from: NodeId, session: Session, identity: PeerIdentity): void {
    if (session.state !== 'dialing') return
    const reason = this.#host.judge(identity)
    if (reason !== null) {
      this.#refusals.set(from, reason)
      this.#host.transmit(from, { type: 'refuse', link: session.link, reason }, null)
      return this.#forget(from)
    }
    session.identity = identity
    this.#host.transmit(from, { type: 'welcome', link: session.link }, session.channel)
    this.#becomeUp(from, session)
  }

  #becomeUp(from: NodeId, session: Session): void {
    const { identity } = session
    if (session.state === 'up' || identity === null) return
    session.state = 'up'
    this.#known.set(from, identity)
    this.#refusals.delete(from)
    this.#host.up(identity)
  }

  #close(id: NodeId): void {
    const session = this.#sessions.get(id)
    assert(session !== undefined, 'a link that is closed was there')
    this.#host.transmit(id, { type: 'reset', link: session.link }, null)
    this.#forget(id)
  }

  #forget(id: NodeId): void {
    const session = this.#sessions.get(id)
    if (session === undefined) return
    this.#sessions.delete(id)
    this.#ids = null
    this.#queued.delete(id)
    session.channel.close()
    if (session.state === 'up') this.#host.down(id)
  }

  /** The lower id dials; the other one where no link has come for long. */
  #maybeDial(id: NodeId, hasWaited = false): void {
    const ours = this.#identity.id < id || this.#dials.includes(id) || this.#contact === id
    if (this.#sessions.has(id) || (!ours && !hasWaited)) return
    const link = this.#host.newLink()
    const receivedMs = this.#host.nowMs()
    const channel = this.#host.channelTo(id)
    this.#sessions.set(id, { link, state: 'dialing', identity: null, receivedMs, channel })
    this.#ids = null
    this.#host.transmit(id, { type: 'hello', link, identity: this.#identity }, channel)
  }

  #tick(): void {
    this.#ticks += 1
    const { silentMs } = this.#host
    this.#host.setTimer(silentMs / 4, () => this.#tick())
    for (const [id, session] of this.#sessions) {
      const silentForMs = this.#host.nowMs() - session.receivedMs
      if (silentForMs > (session.state === 'up' ? silentMs : silentMs / 2)) this.#forget(id)
      else if (session.state === 'up') {
        this.#host.transmit(id, { type: 'ping', link: session.link }, session.channel)
      }
    }
    for (const id of this.#peers) this.#maybeDial(id, this.#ticks % 4 === 0)
    if (this.#contact !== null && this.#sessions.size === 0) this.#maybeDial(this.#contact)
  }

  #scatter(to: NodeId, session: Session, messages: readonly PeerMessage[]): void {
    for (const message of messages) {
      this.#sendFrame(to, session, [message], message.type === 'raft' ? null : session.channel)
    }
  }

  #sendFrame(
    to: NodeId,
    { link }: Session,
    messages: readonly PeerMessage[],
    channel: Channel | null,
  ): void {
    const bytes = this.#host.encodes ? this.#encode(to, messages) : null
    this.#host.transmit(to, { type: 'frame', link, messages, bytes }, channel)
  }

  #encode(to: NodeId, messages: readonly PeerMessage[]): Uint8Array {
    const { id: from, incarnation } = this.#identity
    const encoded = messages.map((message) => encodeMessage(message, { from, incarnation, to }))
    return payloadOf(encoded)
  }

  #messagesOf(from: NodeId, frame: Extract<Packet, { type: 'frame' }>): readonly PeerMessage[] {
    if (frame.bytes === null) return frame.messages
    const incarnation = this.#known.get(from)?.incarnation ?? ''
    return decodeMessages(frame.bytes, { from, incarnation, to: this.#identity.id })
  }
}
