/** Leading: the sender's half of AppendEntries, commit, rounds and reads (Raft §5.3, §5.4, §8). */
import { assert, present } from '../lib/assert.ts'
import { EMPTY_BYTES } from '../lib/bytes.ts'
import type { Core, Leadership } from './core.ts'
import { appendEntry } from './follower.ts'
import { passedMs } from './freshness.ts'
import { LeaderLease } from './lease.ts'
import { ENTRY_OVERHEAD } from './log.ts'
import { memberOf } from './membership.ts'
import { Progress } from './progress.ts'
import { quorumReached } from './quorum.ts'
import { advanceTransfer } from './transfer.ts'
import { lookAtPace, withhold, witnessLimit, witnessSnapshot } from './witness.ts'
import type {
  AppendResponse,
  Clock,
  Entry,
  EntryType,
  LogIndex,
  Member,
  NodeId,
  RequestId,
  Round,
} from './types.ts'

/** An election was won: opens the term with a no-op (Raft §8). */
export function lead(core: Core): void {
  const { config, clock, log } = core
  const progress = new Map<NodeId, Progress>()
  for (const member of present(core.membership, 'a leader has a membership').members) {
    const { id, incarnation } = member
    if (id === config.id || incarnation === null) continue
    progress.set(id, newProgress(core, member, silentSinceMs(core, id)))
  }
  core.becomeLeader({
    progress,
    lease: new LeaderLease({
      promiseMs: config.electionMinMs,
      clockDrift: config.clockDrift,
      after: core.lastRound,
    }),
    noop: log.last + 1,
    reads: [],
    roundDue: true,
    heartbeatDueMs: clock.nowMs + config.heartbeatMs,
    clusterClock: { clusterMs: lastClusterMs(core), nowMs: clock.nowMs },
    uncommittedBytes: 0,
    witnessSent: log.last + 1,
    commitNoticeMs: Infinity,
    transfer: null,
    departing: new Map(),
  })
  appendOwn(core, 'noop', EMPTY_BYTES)
}

/** Of a peer of whom nothing is known. */
export function newProgress(
  { config, clock, log }: Core,
  { id, witness }: Member,
  silentSinceMs = clock.nowMs,
): Progress {
  const { inflightMax, inflightBytesMax } = config
  const { last } = log
  return new Progress({ id, witness, last, clock, silentSinceMs, inflightMax, inflightBytesMax })
}

/** The leader before was silent for an election timeout already, unless it has voted since. */
function silentSinceMs({ clock, lastLeader, votes }: Core, id: NodeId): number {
  const isLost = lastLeader?.id === id && !votes.has(id)
  return isLost ? lastLeader.atMs : clock.nowMs
}

/** The cluster's clock goes on from the last entry, whoever wrote it (DESIGN §1.2). */
function lastClusterMs(core: Core): number {
  const { log } = core
  // Then it is the last one applied, too: compacted ≤ applied ≤ last.
  if (log.last === log.compacted) return log.handedClusterMs ?? core.initialClusterMs
  return present(log.slice(log.last, log.last, 0).at(0), 'the log holds its last entry').clusterMs
}

export function leadershipOf(core: Core): Leadership {
  return present(core.leadership, 'only a leader does this')
}

export function appendOwn(core: Core, type: EntryType, data: Uint8Array): Entry {
  const leadership = leadershipOf(core)
  const { clusterMs, nowMs } = leadership.clusterClock
  const entry: Entry = {
    type,
    term: core.term,
    index: core.log.last + 1,
    clusterMs: clusterMs + Math.floor(core.clock.nowMs - nowMs),
    wallMs: Math.floor(core.clock.wallMs),
    data,
  }
  leadership.uncommittedBytes += data.length
  appendEntry(core, entry)
  return entry
}

/** Appends a command, or refuses it: what is piled up without a quorum is bounded. */
export function propose(core: Core, id: RequestId, data: Uint8Array, own: boolean): void {
  const { uncommittedBytes, transfer } = leadershipOf(core)
  if (transfer !== null) {
    core.answers.push({ id, type: 'refused', code: 'not_leader', leader: null })
    return
  }
  const isFull = uncommittedBytes + data.length > core.config.uncommittedBytesMax
  if (isFull && uncommittedBytes > 0 && !own) {
    core.answers.push({ id, type: 'refused', code: 'too_many_requests', leader: core.config.id })
    return
  }
  const { term, index } = appendOwn(core, 'command', data)
  core.answers.push({ id, type: 'appended', at: { term, index } })
}

/** Queues a read for the next round: one begun after it arrived (Thesis §6.4). */
export function readIndex(core: Core, id: RequestId): void {
  const leadership = leadershipOf(core)
  if (leadership.transfer !== null) {
    core.answers.push({ id, type: 'refused', code: 'not_leader', leader: null })
    return
  }
  if (leadership.reads.length >= core.config.readsMax) {
    core.answers.push({ id, type: 'refused', code: 'too_many_requests', leader: core.config.id })
    return
  }
  leadership.reads.push({ id, at: null })
  assignReads(core)
  if (isAlone(core)) confirmReads(core)
}

/** Whether this term's no-op is committed: until then the commit index may be behind (§8). */
export function hasCommittedInTerm(core: Core): boolean {
  return core.leadership !== null && core.log.committed >= core.leadership.noop
}

function assignReads(core: Core): void {
  const leadership = leadershipOf(core)
  if (!hasCommittedInTerm(core)) return
  const round = leadership.lease.lastRound + 1
  for (let i = leadership.reads.length - 1; i >= 0; i--) {
    const read = present(leadership.reads[i], 'a read in the queue')
    if (read.at !== null) break
    read.at = { index: core.log.committed, round }
    leadership.roundDue = true
  }
}

/** Answers the reads whose round a quorum has acknowledged. */
function confirmReads(core: Core): void {
  const leadership = leadershipOf(core)
  const proved = provedRound(core)
  let answered = 0
  for (const read of leadership.reads) {
    if (read.at === null || read.at.round > proved) break
    core.answers.push({ id: read.id, type: 'read_at', index: read.at.index })
    answered += 1
  }
  if (answered > 0) leadership.reads.splice(0, answered)
}

/** The newest round acknowledged by a quorum of every active configuration; we count ourselves. */
function provedRound(core: Core): Round {
  const { progress } = leadershipOf(core)
  const membership = present(core.membership, 'a leader has a membership')
  return quorumReached(membership, (id) => {
    if (id === core.config.id) return Infinity
    return progress.get(id)?.ackedRound ?? 0
  })
}

/** A leader that is the only voter needs nobody's acknowledgement. */
function isAlone(core: Core): boolean {
  const { voters, outgoing } = present(core.membership, 'a leader has a membership')
  const isOwn = (ids: readonly NodeId[]) => ids.length === 1 && ids[0] === core.config.id
  return isOwn(voters) && (outgoing === null || isOwn(outgoing))
}

/**
 * What remains of the lease at `clock`: 0 where it ran out or is void (DESIGN §6). It is asked for
 * every lease read, so it counts no quorum anew.
 */
export function leaseRemainingMs(core: Core, clock: Clock): number {
  const { leadership, config, outbox } = core
  if (leadership === null || !hasCommittedInTerm(core)) return 0
  if (leadership.transfer !== null) return 0
  const pendingSinceMs = outbox.pendingSinceMs
  const promiseMs = config.electionMinMs
  if (pendingSinceMs !== null && clock.nowMs - pendingSinceMs > promiseMs) return 0 // A hung disk.
  if (isAlone(core)) return promiseMs
  return Math.max(0, leadership.lease.remainingMs(clock))
}

/**
 * When all that was committed by anybody was surely in our commit index: leadership was last proved
 * by a quorum then. Null before the term has committed anything.
 */
export function confirmedAt(core: Core): Clock | null {
  if (!hasCommittedInTerm(core)) return null
  return isAlone(core) ? core.clock : leadershipOf(core).lease.provedSent
}

export function onAppendResponse(core: Core, response: AppendResponse): void {
  const leadership = leadershipOf(core)
  const progress = leadership.progress.get(response.from)
  if (progress === undefined || progress.state === 'lost') return
  if (response.round > leadership.lease.lastRound) return // Of no round of this leadership.
  progress.heardAt(core.clock)
  const { result } = response
  if (!result.ok) {
    if (progress.lostBy(result.rejected, response.round)) return
    progress.refused(result.rejected, backUp(core, result))
  } else if (result.match <= core.log.last && progress.accepted(result.match)) {
    progress.matchRound = leadership.lease.lastRound
    maybeCommit(core)
  }
  // Its window was full when the others were told.
  if (progress.isOpen && progress.sentCommit < core.log.committed) noticeCommit(core)
  if (response.round <= progress.ackedRound) return
  progress.ackedRound = response.round
  const proved = provedRound(core)
  if (proved === Infinity || proved <= leadership.lease.provedRound) return
  leadership.lease.prove(proved)
  confirmReads(core)
}

/** Where to try next after a refusal: skips a whole term of either log (Raft §5.3). */
function backUp(
  core: Core,
  refusal: { conflictTerm: number | null; conflictIndex: LogIndex },
): LogIndex {
  if (refusal.conflictTerm === null) return refusal.conflictIndex
  const ours = core.log.lastAtOrBelowTerm(refusal.conflictTerm)
  if (core.log.termAt(ours) === refusal.conflictTerm) return ours + 1
  // Neither its entries of that term nor ours of newer ones can fit.
  return Math.min(ours + 1, refusal.conflictIndex)
}

/**
 * Moves the commit index to what a majority stores durably, but only if that entry is of this
 * term: older ones are committed by what follows them (Raft §5.4.2, figure 8).
 */
export function maybeCommit(core: Core): void {
  const { log, config } = core
  const leadership = leadershipOf(core)
  const membership = present(core.membership, 'a leader has a membership')
  const stored = quorumReached(membership, (id) =>
    id === config.id ? log.persisted : (leadership.progress.get(id)?.match ?? 0),
  )
  if (stored <= log.committed || log.termAt(stored) !== core.term) return
  // Only own entries were counted; memory still holds them, which older ones it may not.
  const from = Math.max(log.committed + 1, leadership.noop)
  leadership.uncommittedBytes -= log.dataBytes(from, stored)
  assert(leadership.uncommittedBytes >= 0, 'what is committed was counted when it was appended')
  log.commitTo(stored)
  noticeCommit(core)
  core.memberships.settle(stored)
  assignReads(core)
  if (isAlone(core)) confirmReads(core)
}

/** The others are to learn of the commit index before long, with entries or without. */
function noticeCommit(core: Core): void {
  const leadership = leadershipOf(core)
  const noticeMs = core.clock.nowMs + core.config.commitNoticeMs
  leadership.commitNoticeMs = Math.min(leadership.commitNoticeMs, noticeMs)
}

/** A leader's timers: heartbeat, check-quorum, hung disk. */
export function tickLeader(core: Core): void {
  const leadership = leadershipOf(core)
  const { clock, config, outbox } = core
  const pendingSinceMs = outbox.pendingSinceMs
  const hung = pendingSinceMs !== null && clock.nowMs - pendingSinceMs > config.electionMinMs
  const transferFailed = (leadership.transfer?.deadlineMs ?? Infinity) <= clock.nowMs
  if (hung || transferFailed || !hearsQuorum(core)) {
    core.becomeFollower(null)
    return
  }
  if (clock.nowMs < leadership.heartbeatDueMs) return
  leadership.heartbeatDueMs = clock.nowMs + config.heartbeatMs
  leadership.roundDue = true
}

/** Check-quorum: a leader that a majority no longer answers stands down (Thesis §6.2). */
function hearsQuorum(core: Core): boolean {
  const { progress } = leadershipOf(core)
  const membership = present(core.membership, 'a leader has a membership')
  const lastHeardMs = quorumReached(membership, (id) =>
    id === core.config.id ? core.clock.nowMs : (progress.get(id)?.lastAckMs ?? -Infinity),
  )
  return core.clock.nowMs - lastHeardMs < core.config.electionMaxMs
}

/** Sends what every peer's window admits; with a round due, something to each of them. */
export function sendAppends(core: Core): void {
  const leadership = leadershipOf(core)
  lookAtPace(core)
  let round: Round | null = null
  // Made when they are asked for: mostly there is nothing to send.
  let whole: Supply | null = null
  let withheld: Supply | null = null
  const noticeDue = core.clock.nowMs >= leadership.commitNoticeMs
  let allTold = true
  for (const [id, progress] of leadership.progress) {
    if (isTentative(core, id)) continue
    let sent = false
    if (progress.state === 'lost') {
      if (leadership.roundDue) sayLogLost(core, id, progress.acknowledged)
      continue
    }
    if (progress.state !== 'snapshot' && progress.next <= core.log.compacted) {
      progress.needsSnapshot()
    }
    if (progress.witness) withheld ??= supply(core, witnessLimit(core), withhold)
    const limit = progress.witness ? (withheld?.limit ?? 0) : core.log.last
    while (progress.isOpen && progress.next <= limit) {
      const supplied = progress.witness ? withheld : (whole ??= supply(core, limit, (all) => all))
      const { entries, bytes } = present(supplied, 'a log to send').from(progress.next)
      round ??= leadership.lease.open(core.clock)
      sendAppend(core, id, progress, round, entries)
      const last = progress.next + entries.length - 1
      progress.sent(last, bytes)
      if (progress.witness) leadership.witnessSent = Math.max(leadership.witnessSent, last)
      sent = true
    }
    // Who waits on a follower is told by the commit index. The next entries usually carry it.
    const newCommit = progress.isOpen && progress.sentCommit < core.log.committed
    if (!sent && (leadership.roundDue || (newCommit && noticeDue))) {
      round ??= leadership.lease.open(core.clock)
      sendAppend(core, id, progress, round, [])
      if (progress.state === 'snapshot') offerSnapshot(core, id, progress)
    } else if (newCommit) allTold = false
  }
  if (allTold) leadership.commitNoticeMs = Infinity
  leadership.roundDue = false
  advanceTransfer(core)
}

/**
 * A learner that only an uncommitted membership names: where that is overwritten, nobody knows it,
 * and it would hold a log without ever having been a member. It is sent nothing until then; no quorum
 * waits for it.
 */
function isTentative({ memberships, membership }: Core, id: NodeId): boolean {
  const [committed, next] = memberships.possible
  if (committed === undefined || next === undefined || membership === null) return false
  if (!membership.learners.includes(id)) return false
  const known = memberOf(committed.membership, id)
  return known?.incarnation !== memberOf(membership, id)?.incarnation
}

interface Slice {
  readonly entries: readonly Entry[]
  readonly bytes: number
}

/** The log as it is sent to one kind of node. */
interface Supply {
  readonly limit: LogIndex
  /** What one append takes from there on, up to `limit`. */
  from(next: LogIndex): Slice
}

/**
 * Peers in step are given the same array, so it is cut once, and whoever encodes it can see that it
 * is the same.
 */
function supply(
  core: Core,
  limit: LogIndex,
  shape: (entries: readonly Entry[]) => readonly Entry[],
): Supply {
  const { log, config } = core
  const slices = new Map<LogIndex, Slice>()
  const from = (next: LogIndex): Slice => {
    const known = slices.get(next)
    if (known !== undefined) return known
    const to = Math.min(limit, next + config.appendEntriesMax - 1)
    const entries = shape(log.slice(next, to, config.appendBytesMax))
    let bytes = 0
    for (const { data } of entries) bytes += data.length + ENTRY_OVERHEAD
    const slice = { entries, bytes }
    slices.set(next, slice)
    return slice
  }
  return { limit, from }
}

function sendAppend(
  core: Core,
  id: NodeId,
  progress: Progress,
  round: Round,
  entries: readonly Entry[],
): void {
  // A heartbeat to one that needs a snapshot asks whether it has one by now.
  const prevIndex = Math.max(progress.next - 1, core.log.compacted)
  const prevTerm = present(core.log.termAt(prevIndex), 'the log holds what is compared')
  progress.sentCommit = core.log.committed
  core.outbox.send({
    ...core.envelope(id),
    type: 'append',
    prevIndex,
    prevTerm,
    entries,
    commit: core.log.committed,
    round,
    promiseMs: core.config.electionMinMs,
    heardRound: progress.ackedRound,
    confirmedAgeMs: confirmedAgeMs(core, progress),
  })
}

/** With every heartbeat, as {@link offerSnapshot}; nothing else is sent to it. */
function sayLogLost(core: Core, id: NodeId, acknowledged: LogIndex): void {
  core.outbox.send({ ...core.envelope(id), type: 'log_lost', acknowledged })
}

/** From the last proof of leadership to the peer's last acknowledgement, on a clock that is fast. */
function confirmedAgeMs(core: Core, { lastAck }: Progress): number | null {
  const confirmed = confirmedAt(core)
  if (confirmed === null) return null
  const { clockDrift } = core.config
  return Math.ceil((passedMs(confirmed, lastAck) * (1 + clockDrift)) / (1 - clockDrift))
}

/** With every heartbeat, so that neither a lost offer nor a restarted peer needs a rule of its own. */
function offerSnapshot(core: Core, id: NodeId, { witness }: Progress): void {
  const { log } = core
  const snapshot = witness ? witnessSnapshot(core) : core.snapshot
  if (snapshot === null || snapshot.snapshot.index < log.compacted) return // The host makes one.
  core.outbox.send({ ...core.envelope(id), type: 'install_snapshot', ...snapshot })
}
