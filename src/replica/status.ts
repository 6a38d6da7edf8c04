/** What this node and the leader know of the cluster, for people and for `/metrics`. */
import { decode, encode } from '../lib/msgpack.ts'
import { assert } from '../lib/assert.ts'
import type { ChangeView, ClusterView, MemberView, UpgradeView } from '../http/registry.ts'
import { changeIn, roleIn } from './members/member-events.ts'
import type { Replica } from './replica.ts'

/** The cluster as this node sees it. Progress is known to the leader alone; else it is 0. */
export function clusterView(replica: Replica): ClusterView {
  const { raft, state, identity, ports } = replica
  const { membership, leader, last } = raft
  const nowMs = ports.clock().nowMs
  const links = new Map(ports.mesh.peers().map((link) => [link.id, link]))
  const progress = new Map(raft.progress.map((peer) => [peer.id, peer]))
  const members = (membership?.members ?? []).map((member): MemberView => {
    const { id, url } = member
    const role = membership === null ? 'learner' : roleIn(membership, member)
    const shared = { id, url, role, leader: id === leader } as const
    if (id === identity.id) {
      const { version, clusterVersionMax } = identity
      const matchIndex = raft.persisted
      const lagEntries = last - matchIndex
      return {
        ...shared,
        reachable: true,
        matchIndex,
        lagEntries,
        lastContactMs: 0,
        version,
        clusterVersionMax,
      }
    }
    const link = links.get(id)
    const matchIndex = progress.get(id)?.match ?? 0
    const heardMs = progress.get(id)?.lastAckMs ?? link?.lastContactMs ?? null
    return {
      ...shared,
      reachable: link?.connected ?? false,
      matchIndex,
      lagEntries: progress.size > 0 ? last - matchIndex : 0,
      lastContactMs: ageOf(heardMs, nowMs),
      version: link?.identity?.version ?? null,
      clusterVersionMax: link?.connected ? (link.identity?.clusterVersionMax ?? null) : null,
    }
  })
  return {
    clusterId: identity.clusterId,
    clusterVersion: state.clusterVersion,
    upgrade: upgradeView(replica),
    term: raft.term,
    leader,
    revision: state.revision,
    members,
    ...degradedView(replica),
    change: changeView(replica),
    deadMembers: raft.role === 'leader' ? replica.members.deadMembers : null,
  }
}

/** Who lost its log is not listened to any more: what it said last is nobody's business. */
function ageOf(heardMs: number | null, nowMs: number): number | null {
  if (heardMs === null || heardMs === -Infinity) return null
  return Math.max(0, Math.round(nowMs - heardMs))
}

/** Who is in the way the leader alone can say: it has links to all of them. */
function upgradeView({ raft, custody }: Replica): UpgradeView | null {
  const upgrade = custody.versions.upgrade()
  if (upgrade === null || raft.role === 'leader') return upgrade
  return { to: upgrade.to, blockedBy: [] }
}

/** Of a cluster with witnesses: whether they stand in for copies of what is written. */
function degradedView({ raft }: Replica): Pick<ClusterView, 'degraded' | 'degradedDetail'> {
  const data = raft.dataCopies
  if (data === null || data.copies >= data.quorum) return { degraded: false, degradedDetail: null }
  const kept = `on ${data.copies} data ${data.copies === 1 ? 'node' : 'nodes'}`
  const degradedDetail =
    `what is written now is stored ${kept} instead of ${data.quorum}, and confirmed by witnesses; ` +
    'until the others have caught up, one more loss may cost it'
  return { degraded: true, degradedDetail }
}

function changeView({ raft, members }: Replica): ChangeView | null {
  const { membership } = raft
  const change = membership === null ? null : changeIn(membership)
  if (change === null) return null
  return { ...change, blockedBy: raft.role === 'leader' ? members.blockers() : [] }
}

/** The leader's view as bytes, for a follower that was asked. */
export function encodeClusterInfo(replica: Replica): Uint8Array {
  return encode(clusterView(replica))
}

/** Reads what `encodeClusterInfo` of the same release wrote; the peer is authenticated. */
export function decodeClusterInfo(bytes: Uint8Array): ClusterView {
  const view = decode(bytes) as ClusterView
  assert(Array.isArray(view.members), 'a cluster view lists members')
  return view
}

/** Gauges and counters by name; units last. */
export function metricsOf(replica: Replica): ReadonlyMap<string, number> {
  const { raft, state, waits, watches, calls, desk, ports, upkeep, catchUp, custody } = replica
  const { recovery, recoveryProgress } = replica
  const { degraded } = degradedView(replica)
  return new Map<string, number>([
    ['rollcall_raft_term', raft.term],
    ['rollcall_degraded', degraded ? 1 : 0],
    ['rollcall_raft_leader', raft.role === 'leader' ? 1 : 0],
    ['rollcall_raft_last_index', raft.last],
    ['rollcall_raft_committed_index', raft.committed],
    ['rollcall_raft_applied_index', raft.applied],
    ['rollcall_raft_lease_remaining_ms', Math.round(raft.leaseRemainingMs(ports.clock()))],
    ['rollcall_revision', state.revision],
    ['rollcall_saved_revision', state.savedIndex],
    ['rollcall_idempotency_keys', state.idempotencyKeys],
    ['rollcall_idempotency_bytes', state.idempotencyBytes],
    ['rollcall_waiters', waits.size],
    ['rollcall_watchers', watches.size],
    ['rollcall_watch_queued_bytes', watches.queuedBytes],
    ['rollcall_watch_events_total', watches.counts.events],
    ['rollcall_watch_cuts_total', watches.counts.cuts],
    ['rollcall_watch_pages_total', watches.counts.pages],
    ['rollcall_leader_calls_pending', calls.size],
    ['rollcall_proposals_pending', desk.pending],
    ['rollcall_peers_connected', ports.mesh.peers().filter((link) => link.connected).length],
    ['rollcall_recovery_synced', recovery === 'synced' ? 1 : 0],
    ['rollcall_recovery_fetching_snapshot', recovery === 'fetching_snapshot' ? 1 : 0],
    ['rollcall_recovery_applying_log', recovery === 'applying_log' ? 1 : 0],
    ['rollcall_recovery_done', recoveryProgress?.done ?? 0],
    ['rollcall_recovery_goal', recoveryProgress?.total ?? 0],
    ['rollcall_snapshot_index', upkeep.snapshot?.index ?? 0],
    ['rollcall_snapshot_bytes', ports.store.snapshotBytes],
    ...upkeep.metrics(),
    ...catchUp.metrics(),
    ...custody.metrics(),
  ])
}
