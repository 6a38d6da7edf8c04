/**
 * Leadership transfer (Thesis §3.10): the old leader catches the target up and tells it to campaign
 * at once. From the moment it begins, the leader takes no proposals and gives up its lease, for
 * the rest of its term: the target's election passes the promises that the lease rests on
 * (Thesis §6.4.1, openraft#1749). A transfer that fails ends in stepping down.
 */
import { assert, present } from '../lib/assert.ts'
import type { Core } from './core.ts'
import { memberOf } from './membership.ts'
import type { LogIndex, NodeId } from './types.ts'

export interface Transfer {
  readonly to: NodeId
  /** The transfer has failed then, unless the target has taken another step until then. */
  deadlineMs: number
  /** However fast it catches up. */
  readonly endMs: number
  /** Up to where the target held our log when it was last looked at. */
  match: LogIndex
  sent: boolean
}

/**
 * A target that keeps catching up is waited for: nothing is proposed meanwhile, so what it lacks is
 * bounded. With one election timeout alone, a leader that is to go, and whose peers are slow, would
 * step down, be elected again as the only one that is up to date, and try for ever.
 */
const TIMEOUTS_MAX = 8

/**
 * Begins, to `wanted` or to whoever is furthest. Where nobody can take over, or while one is under
 * way, nothing happens. Returns whether one is under way now.
 */
export function beginTransfer(core: Core, wanted: NodeId | null = null): boolean {
  const leadership = present(core.leadership, 'only a leader hands over')
  if (leadership.transfer !== null) return true
  const to = findTarget(core, wanted)
  if (to === null) return false
  assert(to !== core.config.id, 'a leader hands over to somebody else')
  const { nowMs } = core.clock
  const { electionMinMs } = core.config
  leadership.transfer = {
    to,
    deadlineMs: nowMs + electionMinMs,
    endMs: nowMs + TIMEOUTS_MAX * electionMinMs,
    match: matchOf(core, to),
    sent: false,
  }
  for (const { id } of leadership.reads.splice(0)) {
    core.answers.push({ id, type: 'refused', code: 'not_leader', leader: null })
  }
  return true
}

/**
 * The voter that is furthest, and of equals the one heard last: in an idle cluster one that has
 * just died is as far as the others.
 */
function findTarget(core: Core, wanted: NodeId | null): NodeId | null {
  const { progress } = present(core.leadership, 'only a leader hands over')
  const membership = present(core.membership, 'a leader has a membership')
  let target: { readonly id: NodeId; readonly match: number; readonly lastAckMs: number } | null =
    null
  for (const id of membership.voters) {
    if (wanted !== null && id !== wanted) continue
    const peer = progress.get(id)
    if (peer === undefined || memberOf(membership, id)?.witness === true) continue
    const { match, lastAckMs } = peer
    if (core.clock.nowMs - lastAckMs >= core.config.electionMinMs) continue
    const isFurther =
      target === null ||
      match > target.match ||
      (match === target.match && lastAckMs > target.lastAckMs)
    if (isFurther) target = { id, match, lastAckMs }
  }
  return target?.id ?? null
}

function matchOf({ leadership }: Core, id: NodeId): LogIndex {
  return leadership?.progress.get(id)?.match ?? 0
}

/** Tells the target to campaign, once it holds all that we have. */
export function advanceTransfer(core: Core): void {
  const { transfer } = present(core.leadership, 'only a leader hands over')
  if (transfer === null || transfer.sent) return
  const match = matchOf(core, transfer.to)
  if (match > transfer.match) {
    transfer.match = match
    transfer.deadlineMs = Math.min(core.clock.nowMs + core.config.electionMinMs, transfer.endMs)
  }
  if (match !== core.log.last) return
  transfer.sent = true
  core.outbox.send({ ...core.envelope(transfer.to), type: 'timeout_now' })
}
