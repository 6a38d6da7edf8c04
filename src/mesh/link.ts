/**
 * One WebSocket between two nodes, without the WebSocket: frames and times in, outputs out.
 *
 * ```
 * dialer     open ─▸ hello      hello ─▸ proof     proof ok ─▸ welcome, up
 * acceptor              hello ─▸ hello    proof ok ─▸ proof               welcome ─▸ up
 * ```
 * The dialer proves itself first, so a stranger learns no MAC to guess the secret from. Neither
 * side is up before both accepted each other: a link never flaps because one side was unsure.
 * What does not fit is answered by `refuse` with the reason; only a proven peer learns more than
 * "wrong secret" and "protocol version".
 *
 * @module
 */
import { present, unreachable } from '../lib/assert.ts'
import { decode, encode, MsgpackError } from '../lib/msgpack.ts'
import { utf8, utf8Text } from '../lib/bytes.ts'
import type { NodeId } from '../raft/types.ts'
import { decodeMessages } from './codec.ts'
import { CodecError, Fields } from './fields.ts'
import {
  decodeFrame,
  encodeFrame,
  type Frame,
  FrameError,
  HANDSHAKE_BYTES_MAX,
  PAYLOAD_BYTES_MAX,
  PROTOCOL_VERSION,
} from './frame.ts'
import {
  decodeHello,
  encodeHello,
  helloId,
  type LinkPurpose,
  type LinkRole,
  type Mac,
  proof,
  sameProof,
} from './handshake.ts'
import type { PeerIdentity, PeerMessage } from './peer.ts'

export interface LinkConfig {
  readonly role: LinkRole
  /** Of a dialer; an acceptor learns it from the first frame. */
  readonly purpose: LinkPurpose
  readonly identity: PeerIdentity
  readonly secret: Uint8Array
  readonly mac: Mac
  readonly nonce: Uint8Array
  /** Whom the dialer wanted to reach; null where anybody is welcome. */
  readonly expected: NodeId | null
  /** From the creation to the end of the handshake. */
  readonly handshakeMs: number
  /** A link on which nothing arrived for so long is dead. */
  readonly silentMs: number
  /** Why a proven peer is not wanted, or null. */
  judge(peer: PeerIdentity): string | null
}

/** What the mesh owes a link, in this order. */
export type LinkOutput =
  | { readonly type: 'send'; readonly frame: Uint8Array }
  /** Both sides accepted each other. */
  | { readonly type: 'up'; readonly peer: PeerIdentity }
  | { readonly type: 'receive'; readonly messages: readonly PeerMessage[] }
  /** Of a stream. The payload is a view into the WebSocket's message. */
  | { readonly type: 'stream_frame'; readonly frame: Frame }
  /** The peer cannot dial this node, and wants a stream. */
  | { readonly type: 'dial_back' }
  /** The last output. `refusal`: what the operator should know, where one side refused. */
  | { readonly type: 'end'; readonly reason: string; readonly refusal: string | null }

type Step = 'opening' | 'hello' | 'proof' | 'welcome' | 'up' | 'ended'

const REFUSAL_LENGTH_MAX = 300

export class Link {
  readonly #config: LinkConfig
  /** Ours, as sent. */
  readonly #hello: Uint8Array
  readonly #deadlineMs: number
  #purpose: LinkPurpose
  #step: Step
  #peer: PeerIdentity | null = null
  /** Whom the other side says it is; proven from `peer` on. */
  #claimed: NodeId | null
  #claimedClusterId: string | null = null
  #peerHello: Uint8Array | null = null
  #receivedMs: number
  #pingedMs = 0
  #ping = 0
  #rttMs: number | null = null

  constructor(config: LinkConfig, nowMs: number) {
    this.#config = config
    this.#hello = encodeHello(config)
    this.#purpose = config.purpose
    this.#claimed = config.expected
    this.#step = config.role === 'dialer' ? 'opening' : 'hello'
    this.#deadlineMs = nowMs + config.handshakeMs
    this.#receivedMs = nowMs
  }

  /** Proven, and accepted by both sides. */
  get isUp(): boolean {
    return this.#step === 'up'
  }

  get purpose(): LinkPurpose {
    return this.#purpose
  }

  get role(): LinkRole {
    return this.#config.role
  }

  /** Proven; null before. */
  get peer(): PeerIdentity | null {
    return this.#peer
  }

  /** The cluster that the other side says it belongs to; not proven unless the link is up. */
  get claimedClusterId(): string | null {
    return this.#claimedClusterId
  }

  get claimed(): NodeId | null {
    return this.#claimed
  }

  /** When the last frame came, or the link began. */
  get receivedMs(): number {
    return this.#receivedMs
  }

  get rttMs(): number | null {
    return this.#rttMs
  }

  /** The WebSocket of a dialer is open. */
  open(): LinkOutput[] {
    if (this.#step !== 'opening') return []
    this.#step = 'hello'
    return [send(this.#purpose === 'peer' ? 'hello' : 'stream_hello', this.#hello)]
  }

  /** A WebSocket message arrived. Whatever it holds, this does not throw on it. */
  receive(bytes: Uint8Array, nowMs: number): LinkOutput[] {
    if (this.#step === 'ended') return []
    const bytesMax = this.isUp ? PAYLOAD_BYTES_MAX : HANDSHAKE_BYTES_MAX
    try {
      const frame = decodeFrame(bytes, bytesMax)
      this.#receivedMs = nowMs
      return this.#receiveFrame(frame, nowMs)
    } catch (error) {
      if (isMalformed(error)) return this.refuse(error.message)
      throw error
    }
  }

  /** Now and then: gives up on a handshake or a peer that is silent, and pings one that is not. */
  tick(nowMs: number): LinkOutput[] {
    if (this.#step === 'ended') return []
    if (!this.isUp) {
      if (nowMs < this.#deadlineMs) return []
      return this.#end(this.#step === 'opening' ? 'no connection' : 'no handshake in time')
    }
    if (nowMs - this.#receivedMs >= this.#config.silentMs) return this.#end('silent')
    this.#ping += 1
    this.#pingedMs = nowMs
    return [send('ping', encode(this.#ping))]
  }

  /** Time passed in which nobody could have read the socket: it does not count as silence. */
  excuse(nowMs: number): void {
    this.#receivedMs = nowMs
  }

  /** Asks the peer to open a stream to this node. */
  askDialBack(): LinkOutput[] {
    return this.isUp && this.#purpose === 'peer' ? [send('dial_back')] : []
  }

  /** Ends the link and tells the other side why. */
  refuse(reason: string): LinkOutput[] {
    if (this.#step === 'ended' || this.#step === 'opening') return this.#end(reason)
    const refusal = `refused ${this.#claimed ?? 'a stranger'}: ${reason}`
    return [send('refuse', utf8(reason)), ...this.#end(reason, refusal)]
  }

  #end(reason: string, refusal: string | null = null): LinkOutput[] {
    this.#step = 'ended'
    return [{ type: 'end', reason, refusal }]
  }

  #receiveFrame(frame: Frame, nowMs: number): LinkOutput[] {
    if (frame.type === 'refuse') return this.#refused(frame.payload)
    switch (this.#step) {
      case 'hello':
        if (frame.type === 'hello') return this.#receiveHello(frame)
        if (frame.type === 'stream_hello' && this.role === 'acceptor') {
          this.#purpose = 'stream'
          return this.#receiveHello(frame)
        }
        break
      case 'proof':
        if (frame.type === 'proof') return this.#receiveProof(frame.payload)
        break
      case 'welcome':
        if (frame.type === 'welcome') return this.#becomeUp()
        break
      case 'up':
        return this.#receiveUp(frame, nowMs)
      case 'opening':
      case 'ended':
        break
      default:
        return unreachable(this.#step)
    }
    return this.refuse(`${frame.type} out of turn`)
  }

  #refused(payload: Uint8Array): LinkOutput[] {
    const reason = readable(utf8Text(payload) ?? 'no reason that can be read')
    return this.#end(reason, `refused by ${this.#claimed ?? 'a stranger'}: ${reason}`)
  }

  #receiveHello({ version, payload }: Frame): LinkOutput[] {
    if (version !== PROTOCOL_VERSION) {
      this.#claimed = helloId(payload)
      const reason = `protocol version ${version} is not spoken here, only ${PROTOCOL_VERSION}`
      return this.refuse(reason)
    }
    this.#peer = null
    this.#peerHello = payload.slice()
    const { id, clusterId } = decodeHello(payload).identity
    this.#claimed = id
    this.#claimedClusterId = clusterId
    this.#step = 'proof'
    if (this.role === 'acceptor') return [send('hello', this.#hello)]
    return [send('proof', this.#proofOf('dialer'))]
  }

  #receiveProof(payload: Uint8Array): LinkOutput[] {
    const theirs = this.role === 'dialer' ? 'acceptor' : 'dialer'
    if (!sameProof(payload, this.#proofOf(theirs))) return this.refuse('wrong secret')

    const peer = decodeHello(present(this.#peerHello, 'a hello comes first')).identity
    this.#peer = peer
    const reason = this.#misfit(peer) ?? this.#config.judge(peer)
    if (reason !== null) return this.refuse(reason)

    if (this.role === 'dialer') return [send('welcome'), ...this.#becomeUp()]
    this.#step = 'welcome'
    return [send('proof', this.#proofOf('acceptor'))]
  }

  /** Why a node that has the secret cannot be a peer at all; the host knows the rest. */
  #misfit(peer: PeerIdentity): string | null {
    const { identity, expected } = this.#config
    if (peer.id === identity.id) {
      const itself = peer.incarnation === identity.incarnation
      return itself ? `${peer.id} reached itself` : `another node is called ${peer.id} too`
    }
    if (expected !== null && peer.id !== expected) return `${expected} was dialed, not ${peer.id}`
    const { clusterId } = identity
    if (clusterId !== null && peer.clusterId !== null && clusterId !== peer.clusterId) {
      return `another cluster: ${peer.id} belongs to ${peer.clusterId}, not ${clusterId}`
    }
    return tooFarApart(identity, peer)
  }

  #becomeUp(): LinkOutput[] {
    this.#step = 'up'
    return [{ type: 'up', peer: present(this.#peer, 'a link that is up has a proven peer') }]
  }

  #receiveUp({ type, payload }: Frame, nowMs: number): LinkOutput[] {
    switch (type) {
      case 'fetch':
      case 'piece':
      case 'gone':
        if (this.#purpose !== 'stream') break
        return [{ type: 'stream_frame', frame: { version: PROTOCOL_VERSION, type, payload } }]
      case 'messages': {
        if (this.#purpose !== 'peer') break
        const { id, incarnation } = present(this.#peer, 'a link that is up has a proven peer')
        const route = { from: id, incarnation, to: this.#config.identity.id }
        return [{ type: 'receive', messages: decodeMessages(payload, route) }]
      }
      case 'dial_back':
        if (this.#purpose !== 'peer') break
        return [{ type: 'dial_back' }]
      case 'ping':
        return [send('pong', encode(number(payload)))]
      case 'pong':
        if (number(payload) === this.#ping) this.#rttMs = nowMs - this.#pingedMs
        return []
      default:
        break
    }
    return this.refuse(`${type} out of turn`)
  }

  #proofOf(prover: LinkRole): Uint8Array {
    const theirs = present(this.#peerHello, 'a hello comes first')
    const hellos =
      this.role === 'dialer'
        ? { dialer: this.#hello, acceptor: theirs }
        : { dialer: theirs, acceptor: this.#hello }
    return proof(this.#config, this.#purpose, prover, hellos)
  }
}

/** Programs mix over one step, never more: nobody tests what lies further apart (DESIGN §1.7). */
function tooFarApart(a: PeerIdentity, b: PeerIdentity): string | null {
  const [older, newer] = a.clusterVersionMax < b.clusterVersionMax ? [a, b] : [b, a]
  if (newer.clusterVersionMax - older.clusterVersionMax <= 1) return null
  return (
    `${older.id} (rollcall ${older.version}) knows clusterVersion ${older.clusterVersionMax} and ` +
    `${newer.id} (rollcall ${newer.version}) ${newer.clusterVersionMax}: more than one step apart; ` +
    'upgrade one release at a time'
  )
}

function send(type: Frame['type'], payload?: Uint8Array): LinkOutput {
  return { type: 'send', frame: encodeFrame(type, payload === undefined ? [] : [payload]) }
}

function number(payload: Uint8Array): number {
  return new Fields([decode(payload)]).int()
}

function isMalformed(error: unknown): error is Error {
  return error instanceof FrameError || error instanceof CodecError || error instanceof MsgpackError
}

/** Another node's words, fit for a log line and a status page. */
function readable(text: string): string {
  return text.slice(0, REFUSAL_LENGTH_MAX).replace(/[^\x20-\x7e]/g, '?')
}
