/** Locks as answers show them. */
import { rfc3339 } from '../../lib/rfc3339.ts'
import type { LockGrantRow, LockRow } from '../../state/locks/rows.ts'
import { ttlFields } from '../answer.ts'

/** How many holders, and how many waiters, one answer lists; `held` and `waiting` count all. */
export const LISTED_MAX = 1_000
/** The same of each lock in a list of locks, and beside an error. */
export const LISTED_FEW = 16

/** What a holder is told of its own grant. */
export function grantJson({ name, owner, token, ttlMs, value, lease }: LockGrantRow): object {
  return {
    name,
    owner,
    token,
    ...ttlFields(ttlMs),
    ...(value === null ? {} : { value }),
    ...(lease === null ? {} : { lease }),
  }
}

/** Who holds a lock and who waits for it, in the order in which they are served. */
export function standingJson(lock: LockRow | null) {
  const holders = (lock?.holders ?? []).map((grant) => ({
    owner: grant.owner,
    token: grant.token,
    ...(grant.value === null ? {} : { value: grant.value }),
    ...ttlFields(grant.ttlMs),
    ...(grant.lease === null ? {} : { lease: grant.lease }),
    since: rfc3339(grant.createdAtMs),
  }))
  const waiters = (lock?.waiters ?? []).map(({ owner, place, lease, createdAtMs }) => ({
    owner,
    place,
    ...(lease === null ? {} : { lease }),
    since: rfc3339(createdAtMs),
  }))
  const counts = { held: lock?.held ?? 0, waiting: lock?.waiting ?? 0 }
  return { ...(lock === null ? {} : { limit: lock.limit }), ...counts, holders, waiters }
}

export function lockJson(lock: LockRow): object {
  const { name, revision } = lock
  return { name, revision, ...standingJson(lock) }
}
