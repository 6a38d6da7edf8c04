/** The peers at this node's door: whether a link is welcome, who is on it, and its messages. */
import type { PeerIdentity, PeerMessage } from '../../mesh/peer.ts'
import type { Input, Message, NodeId, Raft } from '../../raft/mod.ts'
import type { Belonging } from '../members/belonging.ts'
import type { LeaderDesk, Reply } from '../desk.ts'
import { judgePeer } from '../members/founding.ts'
import type { Joining } from '../members/joining.ts'
import type { LeaderCalls } from '../leader-calls.ts'
import { PeerRequests, type PeerLinkUp } from './requests.ts'
import { isReplaced } from './peers.ts'
import type { ReplicaPorts } from '../ports.ts'
import type { Surveys } from './surveys.ts'
import { fromResponse } from './wire.ts'

export interface PeerLinksHost {
  readonly raft: Raft
  readonly desk: LeaderDesk
  readonly calls: LeaderCalls
  readonly belonging: Belonging
  readonly joining: Joining
  readonly surveys: Surveys
  readonly ports: ReplicaPorts
  /** As whom a node of that name is connected just now. */
  connectedAs(id: NodeId): PeerIdentity | null
  /** Of the applied state. */
  clusterVersion(): number
  revision(): number
  enqueue(input: Input): void
  turnSoon(): void
}

export class PeerLinks {
  readonly #host: PeerLinksHost
  readonly #requests: PeerRequests
  /** The newest link of each peer. */
  readonly #newest = new Map<NodeId, PeerLinkUp>()

  constructor(host: PeerLinksHost) {
    this.#host = host
    const { raft, desk, calls, surveys, ports } = host
    this.#requests = new PeerRequests({
      raft,
      desk,
      calls,
      surveys,
      ports,
      linkOf: (id) => this.#newest.get(id) ?? null,
      revision: () => host.revision(),
      turnSoon: () => host.turnSoon(),
    })
  }

  /** Whether any peer was ever met. */
  get hasMetAny(): boolean {
    return this.#newest.size > 0
  }

  /** Whether a link to this peer is welcome: a reason to refuse it, or null. */
  judge(peer: PeerIdentity): string | null {
    const { raft, belonging } = this.#host
    return judgePeer(belonging.identity, peer, {
      membership: raft.membership,
      connectedAs: (id) => this.#host.connectedAs(id)?.incarnation ?? null,
      clusterVersion: this.#host.clusterVersion(),
    })
  }

  /** An authenticated link came up. An empty node takes the cluster of whoever accepted it. */
  up(peer: PeerIdentity): void {
    this.#host.belonging.offered(peer.clusterId)
    this.#newest.set(peer.id, { peer })
    this.#host.calls.retry()
    this.#host.turnSoon()
  }

  down(id: NodeId): void {
    this.#host.calls.linkLost(id)
    this.#host.surveys.linkLost(id)
    this.#host.joining.linkLost(id)
    this.#host.turnSoon()
  }

  /** What a peer sent, in one frame. */
  receive(from: NodeId, messages: readonly PeerMessage[]): void {
    const { belonging, joining } = this.#host
    for (const message of messages) {
      switch (message.type) {
        case 'raft':
          // An empty node belongs to no cluster: it has no business with anybody's log.
          if (belonging.identity.clusterId !== null) {
            this.#host.enqueue({ type: 'message', message: message.message })
          }
          break
        case 'request':
          this.#requests.serve(from, message.id, message.request)
          break
        case 'response':
          if (joining.answered(from, message.id, message.response)) this.#host.turnSoon()
          else this.#answered(from, message.id, fromResponse(message.response))
          break
      }
    }
  }

  #answered(from: NodeId, id: number, reply: Reply): void {
    const { surveys, calls } = this.#host
    if (!surveys.answered(from, id, reply)) calls.answered(from, id, reply)
  }

  /**
   * Whether a message would reach somebody else than it is meant for. A leader knows who its members
   * are; anybody else may be behind, and answers whom it hears.
   */
  isForAnother({ type, to }: Message): boolean {
    if (type !== 'append' && type !== 'install_snapshot' && type !== 'log_lost') return false
    return isReplaced(this.#host.raft, to, this.#newest.get(to)?.peer ?? null)
  }
}
