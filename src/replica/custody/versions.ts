/**
 * The leader's duty for the clusterVersion (DESIGN §1.7): it rises by one entry once every member,
 * learners and witnesses too, is connected and says that its program knows what comes with it. A
 * member that is down holds it up: nobody knows what program it will come back with. So does a change
 * of the members that is on its way through the log: it would stand before the entry that was decided
 * without it. One that comes later is judged by the new version.
 */
import type { PeerIdentity } from '../../mesh/peer.ts'
import type { Raft } from '../../raft/mod.ts'
import type { Command } from '../../state/mod.ts'

/** How often a leader looks at what its members know. */
const LOOK_MS = 500
/** An entry that was proposed and not applied in this time is taken for lost. */
const PATIENCE_MS = 5_000

export interface VersionsHost {
  readonly raft: Raft
  self(): PeerIdentity
  /** Of the state applied here. */
  clusterVersion(): number
  /** As whom a member is connected just now. */
  connectedAs(id: string): PeerIdentity | null
  /** Why no change of the members could begin just now; null: none is on its way. */
  membersObstacle(): string | null
  nowMs(): number
  propose(command: Command): void
}

/** A newer clusterVersion that this node knows, and who is in its way. */
export interface Upgrade {
  readonly to: number
  /** As sentences; empty: it rises now. */
  readonly blockedBy: readonly string[]
}

export class Versions {
  readonly #host: VersionsHost
  #nextLookMs = 0
  /** What was proposed last, and until when it may still be on its way. */
  #proposed = { to: 0, untilMs: 0 }

  constructor(host: VersionsHost) {
    this.#host = host
  }

  endOfTurn(): void {
    const { raft } = this.#host
    if (!raft.hasAppliedInTerm) return
    const nowMs = this.#host.nowMs()
    if (nowMs < this.#nextLookMs) return
    this.#nextLookMs = nowMs + LOOK_MS
    const upgrade = this.upgrade()
    if (upgrade === null || upgrade.blockedBy.length > 0) return
    // The next step does not wait for the patience of this one: writes of clients wait for it.
    if (upgrade.to === this.#proposed.to && nowMs < this.#proposed.untilMs) return
    this.#proposed = { to: upgrade.to, untilMs: nowMs + PATIENCE_MS }
    this.#host.propose({ type: 'cluster_version', version: upgrade.to })
  }

  /** One step at a time: so every step was once the newest, and tested as that. */
  upgrade(): Upgrade | null {
    const { raft } = this.#host
    const self = this.#host.self()
    const to = this.#host.clusterVersion() + 1
    if (raft.membership === null || self.clusterVersionMax < to) return null
    const others = raft.membership.members.filter(({ id }) => id !== self.id)
    const obstacle = this.#host.membersObstacle()
    const blockers = others.flatMap(({ id }) => this.#blocker(id, to) ?? [])
    return { to, blockedBy: obstacle === null ? blockers : [...blockers, obstacle] }
  }

  #blocker(id: string, to: number): string | null {
    const peer = this.#host.connectedAs(id)
    if (peer === null) return `${id} is not connected, so nobody knows what it will run`
    if (peer.clusterVersionMax >= to) return null
    return `${id} runs rollcall ${peer.version}, which knows no more than ${peer.clusterVersionMax}`
  }
}
