/**
 * The leases of locks: a grant has one unless it hangs on a client's, and so has every waiter.
 * Names hold no slash, so an id can be taken apart again, and no second index is needed.
 */
import type { LockKey } from '../changes.ts'

const GRANT_PREFIX = 'l:'
const WAITER_PREFIX = 'w:'

/** The lease that a grant lives by. */
export function leaseOfGrant(
  grant: LockKey & { readonly token: number; readonly lease: string | null },
): string {
  return grant.lease ?? `${GRANT_PREFIX}${grant.ns}/${grant.name}/${grant.token}`
}

/** The lease that keeps a place in the queue: the node that was asked beats for it. */
export function leaseOfWaiter(waiter: LockKey & { readonly place: number }): string {
  return `${WAITER_PREFIX}${waiter.ns}/${waiter.name}/${waiter.place}`
}

/** What part of a lock a lease keeps. */
export type LockPart = LockKey &
  (
    | { readonly type: 'grant'; readonly token: number }
    | { readonly type: 'waiter'; readonly place: number }
  )

/** Null for a lease of something else. */
export function lockPartOf(lease: string): LockPart | null {
  const isGrant = lease.startsWith(GRANT_PREFIX)
  if (!isGrant && !lease.startsWith(WAITER_PREFIX)) return null
  const [ns, name, digits, ...rest] = lease.slice(GRANT_PREFIX.length).split('/')
  if (ns === undefined || name === undefined || digits === undefined) return null
  if (rest.length > 0 || !/^[1-9]\d{0,15}$/.test(digits)) return null
  const number = Number(digits)
  return isGrant
    ? { type: 'grant', ns, name, token: number }
    : { type: 'waiter', ns, name, place: number }
}
