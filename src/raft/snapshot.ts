/** A follower and its snapshots (Raft §7): which are wanted, and what an installed one changes. */
import { assert } from '../lib/assert.ts'
import type { Core } from './core.ts'
import type { MembershipAt } from './membership.ts'
import type { EntryId, InstallSnapshot, LogIndex } from './types.ts'

/** An offer of our own term. What is held already is acknowledged, anything else remembered. */
export function onInstallSnapshot(core: Core, offer: InstallSnapshot): void {
  assert(offer.term === core.term, 'an offer is judged in its own term')
  assert(core.role !== 'leader', 'one leader a term (Raft §5.2)')
  core.becomeFollower(offer.from)
  const { log } = core
  const { snapshot } = offer
  if (isWanted(core, offer)) {
    core.offer = offer
    return
  }
  // Same index and term: all before it is equal, too (Log Matching, Raft §5.3), and committed.
  log.commitTo(Math.max(log.committed, snapshot.index))
  core.memberships.settle(log.committed)
  acknowledge(core, Math.min(snapshot.index, log.persisted))
}

/** The offer that should be fetched, or null: late and repeated ones are of no use. */
export function wantedSnapshot(core: Core): InstallSnapshot | null {
  const { offer } = core
  if (offer === null || core.role === 'leader' || !isWanted(core, offer)) return null
  return offer
}

function isWanted({ log }: Core, { snapshot }: InstallSnapshot): boolean {
  return snapshot.index > log.committed && log.termAt(snapshot.index) !== snapshot.term
}

/**
 * State and log are the snapshot's by now: whatever the log held did not reach it, or was another
 * leader's. The term is ours as before; a snapshot's never lowers it.
 */
export function snapshotInstalled(
  core: Core,
  installed: {
    readonly snapshot: EntryId
    readonly clusterMs: number
    readonly membership: MembershipAt
  },
): void {
  const { snapshot, membership, clusterMs } = installed
  assert(core.role !== 'leader', 'a leader holds all that is committed')
  assert(membership.index <= snapshot.index, 'a snapshot holds the membership it was made under')
  if (core.term < snapshot.term) core.enterTerm(snapshot.term)
  if (core.role !== 'follower') core.becomeFollower(null)
  core.outbox.truncated(1) // Writes under way say nothing about the log as it is now.
  core.log.restart(snapshot, clusterMs)
  core.freshness.applied(snapshot.index)
  core.memberships.restart(membership)
  core.offer = null
  acknowledge(core, snapshot.index)
}

/** Of no round: it proves nothing about a lease. Where it is lost a heartbeat asks the same. */
function acknowledge(core: Core, match: LogIndex): void {
  if (core.leader === null) return
  core.outbox.send({
    ...core.envelope(core.leader),
    type: 'append_response',
    round: 0,
    result: { ok: true, match },
  })
}
