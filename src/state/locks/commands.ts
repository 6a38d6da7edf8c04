/** Asking for a lock, waiting for it, giving it back (DESIGN §8). The rows are moved by `lock.ts`. */
import { assert } from '../../lib/assert.ts'
import { utf8 } from '../../lib/bytes.ts'
import type { CommandOf } from '../command.ts'
import type { Context } from '../context.ts'
import {
  enqueue,
  grantAtOnce,
  grantFreed,
  grantNext,
  lockGrantRow,
  mayGrant,
  removeGrant,
  removeWaiter,
  setValue,
  textBytes,
} from './lock.ts'
import type { Claim } from './lock.ts'
import { lockPartOf } from './lease.ts'
import type { LockGrantRow } from './rows.ts'
import type { LockRecord } from '../tables/schema-locks.ts'
import type { Outcome, Refusal } from '../outcome.ts'
import { lockWaiterCount } from '../settings.ts'

/** Beyond these a wait is refused: what waits is state on every node, and is beaten for. */
export const LOCK_WAITERS_MAX = 10_000
const ALL_WAITERS_MAX = 100_000
/** What a lock may be shared by: its holders are looked through and listed. */
export const LOCK_LIMIT_MAX = 1_000

type Acquire = CommandOf<'lock_acquire'>

/** Granted at once, or queued; refused where it can be neither. */
export function lockAcquire(context: Context, command: Acquire): Outcome {
  const { ns, name, limit, waiterTtlMs } = command
  const ttlMs = ttlOf(context, command)
  if (typeof ttlMs !== 'number') return ttlMs
  if (limit > LOCK_LIMIT_MAX) return context.invalid('limit', `is more than ${LOCK_LIMIT_MAX}`)
  const lock = context.tables.lock.find(ns, name)
  if (lock !== null && lock.permits !== limit) return otherLimit(context, lock, limit)
  const { owner, value, lease } = command
  const claim = { ns, name, owner: utf8(owner), value: textBytes(value), ttlMs, lease }
  if (mayGrant(context, lock) && (lock === null || lock.waiting === 0)) {
    const grant = grantAtOnce(context, claim, { lock, permits: limit })
    return granted(context, grant, true)
  }
  assert(lock !== null, 'a lock without a row can be had')
  if (waiterTtlMs !== null) return queue(context, claim, lock, waiterTtlMs)
  const why = `the lock "${name}" is ${standing(lock)}, and was not waited for`
  return context.conflict(`${why}; ask with a wait to queue for it`)
}

/** Of the client's lease where it hangs on one, else as asked. */
function ttlOf(context: Context, { ns, lease, ttlMs }: Acquire): number | Refusal {
  if (lease === null) return ttlMs ?? context.invalid('ttl', 'is needed without a lease')
  const row = context.tables.lease.find(lease)
  // A lapsed lease waits for its removal only: nothing new may hang on it.
  if (row === null || row.ns !== ns || row.lapsed === 1) {
    return context.notFound(`there is no lease "${lease}"`)
  }
  if (ttlMs === null || ttlMs === row.ttlMs) return row.ttlMs
  return context.invalid('ttl', `is that of the lease, ${row.ttlMs} ms; leave it out`)
}

function otherLimit(context: Context, lock: LockRecord, limit: number): Refusal {
  const { name, permits } = lock
  return context.conflict(
    `the lock "${name}" has the limit ${permits} while it is ${standing(lock)}, not ${limit}; ask ` +
      'with that limit, or when nobody holds or awaits it',
  )
}

function standing({ held, permits, waiting }: LockRecord): string {
  return `held by ${held} of ${permits} and waited for by ${waiting}`
}

function queue(context: Context, claim: Claim, lock: LockRecord, waiterTtlMs: number): Outcome {
  if (lock.waiting >= LOCK_WAITERS_MAX) {
    return context.tooMany(`${lock.waiting} wait for the lock "${claim.name}" already`)
  }
  if (lockWaiterCount(context.tables) >= ALL_WAITERS_MAX) {
    return context.tooMany(`${ALL_WAITERS_MAX} wait for locks already`)
  }
  const place = enqueue(context, claim, lock, waiterTtlMs)
  return context.ok(false, context.wanted ? { type: 'lock_queued', place } : null)
}

function granted(context: Context, grant: LockGrantRow, created: boolean): Outcome {
  return context.ok(created, context.wanted ? { type: 'lock', grant } : null)
}

/** Answers the grant where it came first, and no result where there is neither place nor grant. */
export function lockCancel(context: Context, command: CommandOf<'lock_cancel'>): Outcome {
  const { ns, name, place } = command
  const waiter = context.tables.lockWaiter.find(ns, name, place)
  if (waiter !== null) removeWaiter(context, waiter)
  const grant = waiter === null ? context.tables.lockGrantAt(ns, name, place) : null
  return grant === null ? context.ok(false, null) : granted(context, lockGrantRow(grant), false)
}

export function lockRelease(context: Context, command: CommandOf<'lock_release'>): Outcome {
  const { ns, name, token } = command
  const grant = context.tables.lockGrant.find(ns, name, token)
  if (grant === null) return notHolder(context, name, token)
  removeGrant(context, grant, 'lock.released')
  grantFreed(context)
  return context.ok(false, null)
}

export function lockValue(context: Context, command: CommandOf<'lock_value'>): Outcome {
  const { ns, name, token, value } = command
  const grant = context.tables.lockGrant.find(ns, name, token)
  if (grant === null) return notHolder(context, name, token)
  const known = lockGrantRow(grant)
  if (known.value === value) return granted(context, known, false)
  return granted(context, setValue(context, grant, textBytes(value)), false)
}

function notHolder(context: Context, name: string, token: number): Refusal {
  return context.staleToken(`the token ${token} does not hold the lock "${name}"`)
}

/** For permits that were left when their entry had given one away already. */
export function lockGrant(context: Context, { locks }: CommandOf<'lock_grant'>): Outcome {
  for (const key of locks) grantNext(context, key)
  return context.ok(false, null)
}

/** The end of a lease that a lock has of its own. False: it is another's. */
export function endLockPart(context: Context, id: string, why: 'expired' | 'released'): boolean {
  const part = lockPartOf(id)
  if (part === null) return false
  const { ns, name } = part
  if (part.type === 'grant') {
    const grant = context.tables.lockGrant.find(ns, name, part.token)
    assert(grant !== null, 'a lease of a grant goes with it')
    removeGrant(context, grant, `lock.${why}`)
  } else {
    const waiter = context.tables.lockWaiter.find(ns, name, part.place)
    assert(waiter !== null, 'a lease of a place goes with it')
    removeWaiter(context, waiter)
  }
  return true
}

/** The end of a client's lease: what is held by it is lost, and who waits on it waits no more. */
export function endLocksOf(context: Context, lease: string, why: 'expired' | 'released'): void {
  for (const waiter of context.tables.lockWaitersOfLease(lease)) removeWaiter(context, waiter)
  for (const grant of context.tables.lockGrantsOfLease(lease)) {
    removeGrant(context, grant, `lock.${why}`)
  }
}
