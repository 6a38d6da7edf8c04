import type { Compacted, Failure, WatchOptions } from '../../http/registry.ts'
import { failure, NO_STATE } from '../failures.ts'
import type { Replica } from '../replica.ts'
import type { Watch, WatchSink } from './watch.ts'

type Opened = { readonly ok: true; readonly watch: Watch } | Failure | Compacted

/**
 * Begins a watch on this node, once it has applied where the watch is to begin: a reader may have
 * been further elsewhere. A `since` that even the leader has not reached belongs to another store,
 * and is no place to wait at: revisions of this one never will mean what the reader has seen.
 */
export async function openWatch(
  replica: Replica,
  { since, timeoutMs, ...request }: WatchOptions,
  sink: WatchSink,
): Promise<Opened> {
  const { state, identity, watches } = replica
  if (identity.witness) return NO_STATE
  if (since !== null && since > state.revision) {
    const refused = await refusedAhead(replica, since, timeoutMs)
    if (refused !== null) return refused
  }
  // From here on in one turn, so that nothing is applied in between.
  if (replica.custody.fence.reason !== null) return failure('fenced')
  if (since !== null && since < state.oldestRevision) {
    const detail = `what changed after ${since} is no longer kept here, the oldest is`
    return compacted(replica, `${detail} ${state.oldestRevision}`)
  }
  if (watches.isFull) return failure('too_many_requests')
  const watch = watches.open({ ...request, since: since ?? state.revision }, sink)
  return { ok: true, watch }
}

/** Null once it is applied here. */
function refusedAhead(
  replica: Replica,
  since: number,
  timeoutMs: number,
): Promise<Failure | Compacted | null> {
  const { reads, ports } = replica
  const deadlineMs = ports.clock().nowMs + timeoutMs
  const read = { consistency: 'lease', minRevision: 0, maxStalenessMs: null, deadlineMs } as const
  return new Promise((resolve) => {
    reads.read(
      read,
      ({ revision }) => revision,
      (reached) => {
        if (!reached.ok) return resolve(failure(reached.code))
        if (since <= replica.state.revision) return resolve(null)
        const detail = `${since} lies ahead of this store, which is at ${reached.value}`
        resolve(compacted(replica, `${detail}: it was seen in another one`))
      },
    )
  })
}

function compacted({ state }: Replica, why: string): Compacted {
  const detail = `${why}; read what you need, and watch from the revision of that answer`
  return { ok: false, failure: 'revision_compacted', detail, oldest: state.oldestRevision }
}
