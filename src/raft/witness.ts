/**
 * What a leader sends to witnesses, and what that means for what is written (Thesis §11.7.2,
 * DESIGN §7). Why it is safe stands in `DESIGN.md`, "Witnesses".
 *
 * Rule: an entry is sent to a witness only when the leader and every data voter that keeps up
 * hold it durably, and one of them at least is to stay. So while the data voters keep up a witness
 * only ever confirms what is stored on all of them; once some have fallen out of step it stands in
 * for them, and the cluster is *degraded*: what is written now has fewer copies than a quorum has
 * members.
 */
import { present } from '../lib/assert.ts'
import { EMPTY_BYTES } from '../lib/bytes.ts'
import type { Core } from './core.ts'
import { encodeMembership, isVoter, memberOf } from './membership.ts'
import type { Progress } from './progress.ts'
import type { Entry, LogIndex, NodeId, SnapshotMeta } from './types.ts'

/** How many durable copies there are of what was written; of a cluster with witnesses. */
export interface DataCopies {
  /**
   * Data voters that keep up and hold all that is committed, and all that a witness may hold: so
   * that no witness stands in the way of their election.
   */
  readonly copies: number
  /** What a cluster without witnesses would make sure of. */
  readonly quorum: number
}

/**
 * Judges who keeps up. Called on every turn of a leader, before it sends; without witnesses too: the
 * first one to come must not be told by what was true long ago.
 */
export function lookAtPace(core: Core): void {
  const { config, log, clock } = core
  for (const { match, pace } of present(core.leadership, 'a leader').progress.values()) {
    pace.look({
      match,
      last: log.last,
      nowMs: clock.nowMs,
      patienceMs: config.electionMinMs,
    })
  }
}

/** The last entry that a witness may be sent. */
export function witnessLimit(core: Core): LogIndex {
  // Ours too: an entry on witnesses alone would let nobody be elected, for good.
  let limit = core.log.persisted
  const isDeaf = !hearsWitness(core)
  const { voters } = present(core.membership, 'a leader has a membership')
  let stays = voters.includes(core.config.id) ? limit : 0
  for (const { id, match, pace } of dataVoters(core)) {
    if (pace.inStep || isDeaf) limit = Math.min(limit, match)
    if (voters.includes(id)) stays = Math.max(stays, match)
  }
  // A leader that leaves takes its copy along: somebody who can be elected must hold the entry.
  return Math.min(limit, stays)
}

/**
 * A leader that hears no witness either may be the one that is deaf: the data voters that seem silent
 * would elect another, and what it gave to witnesses meanwhile would stand in their way.
 */
function hearsWitness({ clock, config, leadership }: Core): boolean {
  for (const { witness, lastAckMs } of present(leadership, 'a leader').progress.values()) {
    if (witness && clock.nowMs - lastAckMs < config.electionMinMs) return true
  }
  return false
}

/** Of the other voters that keep data, in any active configuration. */
function* dataVoters(core: Core): Generator<Progress> {
  const membership = present(core.membership, 'a leader has a membership')
  for (const [id, progress] of present(core.leadership, 'a leader').progress) {
    if (!progress.witness && isVoter(membership, id)) yield progress
  }
}

/** What a witness keeps of entries: all but the payloads of commands. */
export function withhold(entries: readonly Entry[]): readonly Entry[] {
  return entries.map((entry) =>
    entry.type === 'command' ? { ...entry, type: 'withheld', data: EMPTY_BYTES } : entry,
  )
}

/**
 * What a witness is offered whose next entry is gone from the log: a place in it and who decides
 * there. There is nothing to fetch. Null: nothing fits just now.
 */
export function witnessSnapshot(core: Core): SnapshotMeta | null {
  const { log, memberships } = core
  const index = Math.min(witnessLimit(core), log.committed)
  const [settled] = memberships.possible
  if (settled === undefined || settled.index > index || index < log.compacted) return null
  return {
    snapshot: { index, term: present(log.termAt(index), 'the log holds what is offered') },
    membershipIndex: settled.index,
    membership: encodeMembership(settled.membership),
  }
}

/** Null where nobody who votes is a witness, and but on a leader that has committed in its term. */
export function dataCopies(core: Core): DataCopies | null {
  const { membership, log, leadership, config } = core
  if (membership === null || leadership === null || log.committed < leadership.noop) return null
  const { voters } = membership
  if (!voters.some((id) => memberOf(membership, id)?.witness)) return null
  const wanted = Math.max(log.committed, leadership.witnessSent)
  const keeps = (id: NodeId): boolean => {
    if (id === config.id) return log.persisted >= wanted
    const progress = leadership.progress.get(id)
    if (progress === undefined || progress.witness) return false
    return progress.pace.inStep && progress.match >= wanted
  }
  return { copies: voters.filter(keeps).length, quorum: (voters.length >> 1) + 1 }
}
