/**
 * Leadership transfer (Thesis §3.10): the old leader catches the target up and tells it to campaign
 * at once. From the moment it begins, the leader takes no proposals and gives up its lease, for
 * the rest of its term: the target's election passes the promises that the lease rests on
 * (Thesis §6.4.1, openraft#1749). A transfer that fails ends in stepping down.
 */
import { assert, present } from '../lib/assert.ts'
import type { Core } from './core.ts'
import type { NodeId } from './types.ts'

export interface Transfer {
  readonly to: NodeId
  readonly deadlineMs: number
  sent: boolean
}

/** Begins, to the voter that is furthest. Alone, or while one is under way, nothing happens. */
export function beginTransfer(core: Core): void {
  const leadership = present(core.leadership, 'only a leader hands over')
  if (leadership.transfer !== null) return
  const membership = present(core.membership, 'a leader has a membership')
  let to: NodeId | null = null
  let match = -1
  for (const id of membership.voters) {
    const progress = leadership.progress.get(id)
    const witness = membership.members.find((member) => member.id === id)?.witness ?? false
    if (progress === undefined || witness || progress.match <= match) continue
    to = id
    match = progress.match
  }
  if (to === null) return
  assert(to !== core.config.id, 'a leader hands over to somebody else')
  const deadlineMs = core.clock.nowMs + core.config.electionMinMs
  leadership.transfer = { to, deadlineMs, sent: false }
  for (const { id } of leadership.reads.splice(0)) {
    core.answers.push({ id, type: 'refused', code: 'not_leader', leader: null })
  }
}

/** Tells the target to campaign, once it holds all that we have. */
export function advanceTransfer(core: Core): void {
  const { transfer, progress } = present(core.leadership, 'only a leader hands over')
  if (transfer === null || transfer.sent) return
  if (progress.get(transfer.to)?.match !== core.log.last) return
  transfer.sent = true
  core.outbox.send({ ...core.envelope(transfer.to), type: 'timeout_now' })
}
