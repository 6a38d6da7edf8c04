import type { LogIndex, Message, NodeId, Term } from '../../../src/raft/mod.ts'
import type { SimNode } from '../node.ts'
import type { Invariant, Scene } from '../observer.ts'
import { insist } from '../violation.ts'
import type { Configurations } from './configurations.ts'
import { haveMajority } from './quorums.ts'

interface Leading {
  readonly boot: number
  readonly term: Term
  /** When each peer last answered; all times are of the node's monotonic clock. */
  readonly heardMs: Map<NodeId, number>
  steppedMs: number
  membershipIndex: LogIndex
  /** Not judged before: it has just begun, or stood still and must first read what waits. */
  fromMs: number
}

/**
 * Check-quorum: a leader that no majority has answered for an election timeout stands down (Thesis
 * §6.2; Cloudflare 2020, scenarios 9 to 11), by the second heartbeat after it at the latest.
 */
export class CheckQuorum implements Invariant {
  readonly #scene: Scene
  readonly #configurations: Configurations
  readonly #leading = new Map<NodeId, Leading>()

  constructor(scene: Scene, configurations: Configurations) {
    this.#scene = scene
    this.#configurations = configurations
  }

  receiving(node: SimNode, message: Message): void {
    if (message.type !== 'append_response') return
    const leading = this.#leading.get(node.id)
    if (leading?.term === message.term) leading.heardMs.set(message.from, this.#nowMs(node))
  }

  leading(node: SimNode): void {
    const { term } = node.raft
    const nowMs = this.#nowMs(node)
    const leading = this.#leading.get(node.id)
    if (leading === undefined || leading.boot !== node.boot || leading.term !== term) {
      this.#begin(node, nowMs)
      return
    }
    const { heartbeatMs, electionMaxMs } = this.#scene.plan
    const goesOnMs = this.#scene.world.nowMs - node.resumedMs
    const stoodStill = nowMs - leading.steppedMs > heartbeatMs || goesOnMs < heartbeatMs
    leading.steppedMs = nowMs
    // What had reached it just before counts from when it is looked at: now.
    if (stoodStill) leading.fromMs = nowMs + electionMaxMs + 2 * heartbeatMs
    else if (this.#isOfAnother(node, leading)) {
      leading.fromMs = Math.max(leading.fromMs, nowMs + 2 * heartbeatMs)
    } else if (nowMs >= leading.fromMs) {
      leading.fromMs = nowMs + heartbeatMs / 4 // Often enough.
      this.#check(node, leading)
    }
  }

  /** Another majority is asked for since: it looks whether it hears that with its next heartbeat. */
  #isOfAnother(node: SimNode, leading: Leading): boolean {
    const index = this.#configurations.current(node)?.index ?? 0
    const isOther = index !== leading.membershipIndex
    leading.membershipIndex = index
    return isOther
  }

  #begin(node: SimNode, nowMs: number): void {
    const { boot } = node
    const { term } = node.raft
    const times = { heardMs: new Map(), steppedMs: nowMs, fromMs: nowMs }
    this.#leading.set(node.id, { boot, term, membershipIndex: 0, ...times })
  }

  #check(node: SimNode, { heardMs, term, steppedMs }: Leading): void {
    const { plan } = this.#scene
    const membership = this.#configurations.current(node)?.membership
    if (membership === undefined) return
    // Who is new, to the leadership or among the members, counts as heard when it is first seen.
    for (const { id } of membership.members) if (!heardMs.has(id)) heardMs.set(id, steppedMs)
    const fromMs = steppedMs - (plan.electionMaxMs + 2 * plan.heartbeatMs + 20)
    const isHeard = (id: NodeId): boolean => id === node.id || (heardMs.get(id) ?? 0) >= fromMs
    insist(
      haveMajority(membership, isHeard),
      'a leader that nobody answers stands down',
      () =>
        `${node.id} leads term ${term} at ${steppedMs}, was answered by ` +
        [...heardMs].map(([id, atMs]) => `${id} at ${atMs}`).join(', '),
    )
  }

  #nowMs(node: SimNode): number {
    return node.clock.mono(this.#scene.world.nowMs)
  }
}
