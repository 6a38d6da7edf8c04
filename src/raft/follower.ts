/** Following: the receiver's half of AppendEntries (Raft §5.3). */
import { assert } from '../lib/assert.ts'
import type { Core } from './core.ts'
import { decodeMembership } from './membership.ts'
import type { Append, AppendResponse, Entry, LogIndex } from './types.ts'

/** An append of our own term. */
export function onAppend(core: Core, append: Append): void {
  assert(append.term === core.term, 'an append is judged in its own term')
  assert(core.role !== 'leader', 'one leader a term (Raft §5.2)')
  core.promise(append.promiseMs)
  core.becomeFollower(append.from)
  dateCommit(core, append)
  core.leaderCommit = Math.max(core.leaderCommit, append.commit)

  const { log } = core
  const first = append.entries[0]?.index ?? append.prevIndex + 1
  assert(first === append.prevIndex + 1, 'entries follow the one that is checked')
  if (!fits(core, append)) {
    core.outbox.send(refusal(core, append))
    return
  }
  takeEntries(core, append.entries)
  const covered = append.prevIndex + append.entries.length
  // Never past what this append verified: what follows may still be another leader's (WRaft#2).
  log.commitTo(Math.max(log.committed, Math.min(append.commit, covered)))
  core.memberships.settle(log.committed)
  acknowledge(core, append, covered)
}

/** Before this append is acknowledged in turn: it speaks of the rounds before its own. */
function dateCommit({ freshness, log, clock }: Core, append: Append): void {
  const at = freshness.dated(append)
  if (at !== null) freshness.heard(append.commit, at, log.applied)
  freshness.acknowledges(append.term, append.round, clock)
}

/** Whether our log holds the entry before the new ones. */
function fits(core: Core, append: Append): boolean {
  const { log } = core
  if (append.prevIndex <= log.committed) {
    // Committed entries are equal everywhere (Raft §5.4.3), also those compacted away.
    const term = log.termAt(append.prevIndex)
    assert(term === null || term === append.prevTerm, 'State Machine Safety (Raft §5.4.3)')
    return true
  }
  return log.termAt(append.prevIndex) === append.prevTerm
}

/** Skips what is there already, drops what conflicts, appends the rest. */
function takeEntries(core: Core, entries: readonly Entry[]): void {
  const { log } = core
  for (const entry of entries) {
    if (entry.index <= log.committed) continue
    const term = log.termAt(entry.index)
    if (term === entry.term) continue // A late or repeated append never shortens the log.
    if (term !== null) {
      log.truncate(entry.index)
      core.outbox.truncated(entry.index)
      core.memberships.truncate(entry.index)
    }
    appendEntry(core, entry)
  }
}

/** Appends to the log; a membership is in force from here on (Raft §6). */
export function appendEntry(core: Core, entry: Entry): void {
  // A node that is taken for the other kind would vouch for what it does not hold.
  const isOfOtherKind = core.config.witness ? entry.type === 'command' : entry.type === 'withheld'
  assert(!isOfOtherKind, 'payloads are for data nodes, entries without them for witnesses')
  core.log.append(entry)
  if (entry.type === 'membership') {
    core.memberships.push({ index: entry.index, membership: decodeMembership(entry.data) })
  }
}

/**
 * Entries are acknowledged once they are durable. A heartbeat is answered at once, with what is
 * durable of what it covers: a slow disk must not look like a dead node.
 */
function acknowledge(core: Core, append: Append, covered: LogIndex): void {
  const { log, outbox } = core
  const isHeartbeat = append.entries.length === 0
  const response: AppendResponse = {
    ...core.envelope(append.from),
    type: 'append_response',
    round: append.round,
    result: { ok: true, match: isHeartbeat ? Math.min(covered, log.persisted) : covered },
  }
  if (isHeartbeat || covered <= log.persisted) outbox.send(response)
  else outbox.sendAfterLog(response)
}

/**
 * Fast back-up: the term that stands at `prevIndex` here, and where it begins, lets the leader
 * skip a whole term with one message (Raft §5.3, end).
 */
function refusal(core: Core, append: Append): AppendResponse {
  const { log } = core
  const conflictTerm = log.termAt(append.prevIndex)
  const conflictIndex = conflictTerm === null ? log.last + 1 : log.firstOfTerm(conflictTerm)
  return {
    ...core.envelope(append.from),
    type: 'append_response',
    round: append.round,
    result: { ok: false, rejected: append.prevIndex, conflictTerm, conflictIndex },
  }
}

/**
 * An append of an older term: its sender must learn that it leads no more. It would otherwise
 * never hear of it, since nobody campaigns against a leader that is heard (etcd
 * `TestFreeStuckCandidateWithCheckQuorum`).
 */
export function refuseOldLeader(core: Core, append: Append): void {
  core.outbox.send(refusal(core, append))
}
