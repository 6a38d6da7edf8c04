/**
 * A leader changes the membership (Raft §6, Thesis §4.3; DESIGN §7).
 *
 * ```
 * C_old ──► C_old,new ──(committed)──► C_new ──(committed)──► a leader that is not in it goes
 * ```
 * Every membership is in force from its append on. One at a time: the next is appended only when
 * the last one is committed and not joint. None before an entry of this term is committed: until
 * then the log may hold a membership that another leader has committed past (Ongaro, raft-dev
 * 2015, "bug in single-server membership changes").
 */
import { assert, present } from '../lib/assert.ts'
import type { Core } from './core.ts'
import { appendOwn, hasCommittedInTerm, leadershipOf, newProgress } from './leader.ts'
import { enterChange, leaveJoint } from './membership-change.ts'
import { encodeMembership, isVoter, memberOf } from './membership.ts'
import { beginTransfer } from './transfer.ts'
import type { Entry, LogIndex, Membership, MembershipTarget, RequestId } from './types.ts'

/** Appends what leads to `target`, or refuses it with the reason. */
export function proposeMembership(
  core: Core,
  proposal: {
    readonly id: RequestId
    readonly after: LogIndex
    readonly target: MembershipTarget
  },
): void {
  const { id, after, target } = proposal
  const current = present(core.membership, 'a leader has a membership')
  const refuse = (code: 'term_not_committed' | 'change_under_way' | 'membership_changed') =>
    core.answers.push({ id, type: 'refused', code, leader: core.config.id })
  if (leadershipOf(core).transfer !== null) {
    core.answers.push({ id, type: 'refused', code: 'not_leader', leader: null })
    return
  }
  if (!hasCommittedInTerm(core)) return void refuse('term_not_committed')
  if (isUnderWay(core)) return void refuse('change_under_way')
  if (core.memberships.index !== after) return void refuse('membership_changed')
  const { term, index } = appendMembership(core, enterChange(current, target))
  core.answers.push({ id, type: 'appended', at: { term, index } })
}

/** Whether the newest membership is not committed yet, or joint: the log's tail counts too. */
function isUnderWay(core: Core): boolean {
  const isPending = core.memberships.index > core.log.committed
  return isPending || present(core.membership, 'a leader has a membership').outgoing !== null
}

function appendMembership(core: Core, next: Membership): Entry {
  const before = present(core.membership, 'a leader has a membership')
  assert(hasCommittedInTerm(core), 'a membership follows a commit of its term')
  assert(core.memberships.index <= core.log.committed, 'one uncommitted membership at a time')
  const entry = appendOwn(core, 'membership', encodeMembership(next))
  followMembership(core, before)
  return entry
}

/** Whom the leader sends to follows the membership from its append on. */
function followMembership(core: Core, before: Membership): void {
  const { progress, departing } = leadershipOf(core)
  const { config, clock, memberships } = core
  const now = present(core.membership, 'a leader has a membership')
  for (const member of now.members) {
    const { id, incarnation } = member
    if (id === config.id || incarnation === null) continue
    // Another incarnation is another node: nothing of what its predecessor held is known of it.
    const isSame = memberOf(before, id)?.incarnation === incarnation
    if (!isSame || !progress.has(id)) progress.set(id, newProgress(core, member))
    departing.delete(id)
  }
  const { index } = memberships
  const deadlineMs = clock.nowMs + 2 * config.electionMaxMs
  for (const member of before.members) {
    if (memberOf(now, member.id) !== null || !progress.has(member.id)) continue
    departing.set(member.id, { member, index, deadlineMs, toldRound: null })
  }
}

/**
 * What follows a committed membership: a joint configuration is left, by whoever leads then; a
 * leader that is not in C_new hands over first. Those that left are let go once they know.
 */
export function advanceMembership(core: Core): void {
  releaseDeparted(core)
  const { memberships, log, config } = core
  if (!hasCommittedInTerm(core) || memberships.index > log.committed) return
  if (leadershipOf(core).transfer !== null) return
  const membership = present(core.membership, 'a leader has a membership')
  if (membership.outgoing !== null) {
    const stays = membership.voters.includes(config.id)
    if (stays || !beginTransfer(core)) appendMembership(core, leaveJoint(membership))
  } else if (!isVoter(membership, config.id) && !beginTransfer(core)) {
    core.becomeFollower(null)
  }
}

/**
 * A removed node counts itself out once it knows that the entry is committed, so it is told until
 * it has acknowledged that; one that is away is not waited for.
 */
function releaseDeparted(core: Core): void {
  const { departing, progress, lease } = leadershipOf(core)
  for (const [id, departed] of departing) {
    const { index, deadlineMs } = departed
    const peer = present(progress.get(id), 'whoever is told is sent to')
    const isSent = peer.match >= index && peer.sentCommit >= index
    if (isSent) departed.toldRound ??= lease.lastRound
    const isTold = peer.ackedRound >= (departed.toldRound ?? Infinity)
    if (!isTold && core.clock.nowMs < deadlineMs) continue
    departing.delete(id)
    progress.delete(id)
  }
}
