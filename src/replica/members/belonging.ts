/**
 * To which cluster this node belongs, and with whom it keeps links: founding, joining, and the
 * membership as it changes (DESIGN §7).
 */
import { assert } from '../../lib/assert.ts'
import type { PeerIdentity } from '../../mesh/peer.ts'
import { memberOf, type Member, type Membership, type Raft } from '../../raft/mod.ts'
import {
  firstMembership,
  foundingList,
  misplacedBy,
  waitsFor,
  type FoundingMember,
} from './founding.ts'
import { wantedPeers } from '../peers/peers.ts'
import type { ReplicaPorts } from '../ports.ts'

export interface BelongingHost {
  readonly raft: Raft
  readonly ports: Pick<ReplicaPorts, 'log' | 'mesh' | 'logger' | 'newClusterId' | 'misplaced'>
  /** Whether any peer was ever linked with, since this process started. */
  hasMetPeers(): boolean
  /** Whether this cluster was made of what was left of another one. */
  isFoundedAnew(): boolean
  /** Entry 1 of a new cluster. */
  bootstrap(membership: Membership): void
}

export class Belonging {
  readonly #host: BelongingHost
  readonly #founding: readonly FoundingMember[]
  readonly #contact: string | null
  #identity: PeerIdentity
  #membershipBefore: Membership | null = null
  #departingBefore: readonly Member[] = []
  #ledBefore = false
  /** As the cluster answered an empty node that it took in; its own log says it soon. */
  #promised: Membership | null = null
  /** The cluster of a member that accepted this empty node. */
  #offered: string | null = null
  #waitingFor: string | null = null
  #peersSet = false
  #isFounding = false
  #misplaced = false

  constructor(
    host: BelongingHost,
    given: {
      readonly identity: PeerIdentity
      readonly founding: readonly FoundingMember[]
      readonly contact: string | null
    },
  ) {
    const { identity, founding, contact } = given
    const { raft } = host
    this.#host = host
    this.#founding = founding
    this.#contact = contact
    this.#identity = {
      ...identity,
      foundingList: founding.length === 0 ? null : foundingList(founding),
      membershipIndex: raft.membershipIndex,
      join: raft.membership === null ? identity.join : null,
    }
  }

  get identity(): PeerIdentity {
    return this.#identity
  }

  /** For whom founding waits, null where it does not. */
  get waitingFor(): string | null {
    return this.#waitingFor
  }

  start(): void {
    this.#host.ports.mesh.setIdentity(this.#identity)
    this.#followMembership()
  }

  /** A member accepted this node. Taken at the end of the turn: it renews the links. */
  offered(clusterId: string | null): void {
    if (this.#identity.clusterId === null) this.#offered ??= clusterId
  }

  /** The cluster took this empty node in, and says who its members are. */
  promised(membership: Membership): void {
    this.#promised = membership
    this.#peersSet = false
  }

  endOfTurn(): void {
    if (this.#offered !== null && this.#identity.clusterId === null) this.#adopt(this.#offered)
    this.#maybeFound()
    this.#checkPlace()
    this.#followMembership()
  }

  /** Links to exactly whom `../peers/peers.ts` names; an empty node that joins: to anybody there. */
  #followMembership(): void {
    const { membership, membershipIndex, departing } = this.#host.raft
    const isSame = membership === this.#membershipBefore
    const leads = this.#host.raft.role === 'leader'
    const isAsBefore = isSame && leads === this.#ledBefore && this.#peersSet
    if (isAsBefore && departing.length === this.#departingBefore.length) return
    this.#peersSet = true
    this.#ledBefore = leads
    this.#departingBefore = departing
    if (!isSame) this.#noteMembership(membership)
    this.#membershipBefore = membership
    if (membershipIndex !== this.#identity.membershipIndex) {
      this.#identity = { ...this.#identity, membershipIndex, join: null }
      this.#host.ports.mesh.setIdentity(this.#identity)
    }
    const [self, promised, founding] = [this.#identity, this.#promised, this.#founding]
    const view = { self, membership, promised, founding, departing, leads }
    this.#host.ports.mesh.setPeers(wantedPeers(view))
    this.#host.ports.mesh.setContact(membership === null ? this.#contact : null)
  }

  /** One line for the operator, where it is about this node. */
  #noteMembership(membership: Membership | null): void {
    if (membership === null) return
    const before = this.#membershipBefore
    const { id, incarnation } = this.#identity
    const isIn = memberOf(membership, id)?.incarnation === incarnation
    const wasIn = before === null || memberOf(before, id)?.incarnation === incarnation
    const isolated = this.#identity.url === null ? membership.members : []
    for (const other of isolated.filter((member) => member.url === null && member.id !== id)) {
      this.#host.ports.logger.warn('two members only dial: they cannot reach each other', {
        other: other.id,
      })
    }
    if (!isIn && wasIn) {
      this.#host.ports.logger.warn(
        'this node is not a member of its cluster any more; it can be stopped',
      )
    }
  }

  /**
   * Founds, or says for whom it waits. A founder that crashed after it had stored the cluster's
   * id and before entry 1 founds the same cluster again: until that entry is durable no vote
   * request leaves, so nobody else can hold another.
   */
  #maybeFound(): void {
    if (this.#host.raft.membership !== null) {
      this.#waitingFor = null
      return
    }
    const lowest = this.#founding.map(({ id }) => id).sort()[0]
    if (lowest === undefined) {
      const contact = this.#contact
      this.#waitingFor =
        contact === null ? '--join URL of a member' : `the cluster at ${contact} takes it in`
      return
    }
    const links = this.#host.ports.mesh.peers()
    const isFounder = lowest === this.#identity.id
    const waiting = isFounder ? waitsFor(this.#identity, this.#founding, links) : lowest
    if (waiting !== this.#waitingFor && waiting !== null) {
      this.#host.ports.logger.info('waiting to be founded', { waitingFor: waiting })
    }
    this.#waitingFor = waiting
    if (waiting !== null || this.#isFounding) return
    const membership = firstMembership(this.#identity, this.#founding, links)
    if (this.#identity.clusterId === null) this.#adopt(this.#host.ports.newClusterId())
    this.#isFounding = true
    this.#host.bootstrap(membership)
    this.#host.ports.logger.info('founding', { clusterId: this.#identity.clusterId })
  }

  /** Only until the first link: later, whoever turns foreign is the one that is misplaced. */
  #checkPlace(): void {
    if (this.#host.hasMetPeers() || this.#misplaced) return
    // After `rollcall recover` those of the old cluster are foreign, and that is how it should be.
    if (this.#host.isFoundedAnew()) return
    const reason = misplacedBy(this.#identity, this.#founding, this.#host.ports.mesh.foreigners())
    if (reason === null) return
    this.#misplaced = true
    this.#host.ports.misplaced(reason)
  }

  /** Belongs to a cluster from now on, durably, before anything else is said. */
  #adopt(clusterId: string): void {
    assert(this.#identity.clusterId === null, 'a node joins one cluster in its life')
    this.#host.ports.log.setClusterId(clusterId)
    this.#identity = { ...this.#identity, clusterId }
    this.#host.ports.mesh.setIdentity(this.#identity)
  }
}
