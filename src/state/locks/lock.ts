/**
 * The rows of a lock and how they move (DESIGN §8). Three things hold after every entry:
 *
 * 1. `held` ≤ `permits`, and a lock that is neither held nor waited for has no row.
 * 2. A token is the revision of its entry, and an entry grants at most one permit of a name, so
 *    tokens of a name strictly increase, through snapshots and failovers alike.
 * 3. Permits go to waiters in the order of their places; nobody who asks later overtakes.
 *
 * Who lost the lease it stands by has no row any more, so a grant never goes to the dead.
 */
import { assert, present } from '../../lib/assert.ts'
import { utf8, utf8Text } from '../../lib/bytes.ts'
import type { LockKey } from '../changes.ts'
import type { Context } from '../context.ts'
import { EVENT_KINDS } from '../events/event.ts'
import type { EventKind } from '../events/event.ts'
import { armLease, dropLease } from '../leases/lease.ts'
import { lockEventBody } from './event.ts'
import { leaseOfGrant, leaseOfWaiter } from './lease.ts'
import type { LockGrantRow, LockWaiterRow } from './rows.ts'
import { countLockWaiters } from '../settings.ts'
import type { LockGrantRecord, LockRecord, LockWaiterRecord } from '../tables/schema-locks.ts'

export function lockTopic(name: string): string {
  return `locks/${name}`
}

/** Of one who waits: it changes when that one is granted, or waits no more. */
export function placeTopic(name: string, place: number): string {
  return `locks/${name}/${place}`
}

export function lockGrantRow(record: LockGrantRecord): LockGrantRow {
  return {
    ns: record.ns,
    name: record.name,
    token: record.token,
    place: record.place,
    owner: ownerOf(record),
    value: record.value === null ? null : utf8Text(record.value),
    ttlMs: record.ttlMs,
    lease: record.lease,
    revision: record.revision,
    createdAtMs: record.createdAtMs,
  }
}

export function lockWaiterRow(record: LockWaiterRecord): LockWaiterRow {
  const { ns, name, place, lease, createdAtMs } = record
  return { ns, name, place, owner: ownerOf(record), lease, createdAtMs }
}

function ownerOf({ owner }: { readonly owner: Uint8Array }): string {
  return present(utf8Text(owner), 'an owner was stored as UTF-8')
}

/** What a grant is made of, for a waiter or for one who need not wait. */
export interface Claim extends LockKey {
  readonly owner: Uint8Array
  readonly value: Uint8Array | null
  readonly ttlMs: number
  readonly lease: string | null
}

/** Whether this entry may give a permit to whoever is next. */
export function mayGrant(context: Context, lock: LockRecord | null): boolean {
  if (lock === null) return true
  return lock.held < lock.permits && lock.lastToken < context.revision
}

/** Gives a permit to one who need not wait. */
export function grantAtOnce(
  context: Context,
  claim: Claim,
  { lock, permits }: { readonly lock: LockRecord | null; readonly permits: number },
): LockGrantRow {
  assert(lock === null || lock.waiting === 0, 'nobody overtakes those who wait')
  const counts = lock ?? { permits, held: 0, waiting: 0, lastToken: 0 }
  saveLock(context, lock, { ...counts, held: counts.held + 1, lastToken: context.revision }, claim)
  return writeGrant(context, claim, { place: context.revision, unclaimedMs: null })
}

/** `unclaimedMs`: of one who waited, how long its place would have lasted. */
function writeGrant(
  context: Context,
  claim: Claim,
  { place, unclaimedMs }: { readonly place: number; readonly unclaimedMs: number | null },
): LockGrantRow {
  const { ns, name, owner, value, ttlMs, lease } = claim
  const token = context.revision
  const own = { ns, name, token, place, owner, value, ttlMs, lease }
  const record: LockGrantRecord = { ...own, ...context.tail(null) }
  context.tables.lockGrant.insert(record)
  const id = leaseOfGrant(record)
  const terms = { id, ns, ttlMs, removeAfterMs: 0, owner: null }
  if (lease === null) armLease(context, terms, unclaimedMs)
  tell(context, record, EVENT_KINDS['lock.acquired'])
  return lockGrantRow(record)
}

/** Puts one at the end of the queue. `ttlMs`: how long its place lasts without a beat. */
export function enqueue(context: Context, claim: Claim, lock: LockRecord, ttlMs: number): number {
  const { ns, name, owner, value, lease } = claim
  const place = context.revision
  const own = { ns, name, place, owner, value, ttlMs: claim.ttlMs, lease }
  const record: LockWaiterRecord = { ...own, ...context.tail(null) }
  context.tables.lockWaiter.insert(record)
  countLockWaiters(context, 1)
  saveLock(context, lock, { ...lock, waiting: lock.waiting + 1 }, claim)
  armLease(context, { id: leaseOfWaiter(record), ns, ttlMs, removeAfterMs: 0, owner: null })
  touch(context, claim)
  return place
}

/** Takes one out of the queue for good. */
export function removeWaiter(context: Context, waiter: LockWaiterRecord): void {
  takeOut(context, waiter)
  const lock = lockOf(context, waiter)
  saveLock(context, lock, { ...lock, waiting: lock.waiting - 1 }, waiter)
  touch(context, waiter)
}

/** The row goes with its place's lease; the lock's counts are the caller's business. */
function takeOut(context: Context, waiter: LockWaiterRecord): void {
  context.tables.lockWaiter.delete(waiter)
  countLockWaiters(context, -1)
  const lease = context.tables.lease.find(leaseOfWaiter(waiter))
  if (lease !== null) dropLease(context, lease)
  context.changed(waiter.ns, placeTopic(waiter.name, waiter.place))
}

/** Takes a permit back, with the lease that it alone lived by. `grantFreed` passes it on. */
export function removeGrant(
  context: Context,
  record: LockGrantRecord,
  why: 'lock.released' | 'lock.expired',
): void {
  const { ns, name } = record
  context.tables.lockGrant.delete(record)
  const own = record.lease === null ? context.tables.lease.find(leaseOfGrant(record)) : null
  if (own !== null) dropLease(context, own)
  const lock = lockOf(context, record)
  saveLock(context, lock, { ...lock, held: lock.held - 1 }, record)
  context.freedLocks.push({ ns, name })
  tell(context, record, EVENT_KINDS[why])
}

/** A new value of a holder: what an election's followers look at. */
export function setValue(
  context: Context,
  old: LockGrantRecord,
  value: Uint8Array | null,
): LockGrantRow {
  const record = { ...old, value, ...context.tail(old) }
  context.tables.lockGrant.update(old, record)
  tell(context, record, EVENT_KINDS['lock.updated'])
  return lockGrantRow(record)
}

/**
 * Passes on what this command freed, once all that it ended is gone: else an entry that ends a
 * holder and the next in line would grant to the dead.
 */
export function grantFreed(context: Context): void {
  const freed = context.freedLocks
  context.freedLocks = []
  for (const key of freed) grantNext(context, key)
}

/** Gives one permit to the first in line, and notes where another has to wait for its own entry. */
export function grantNext(context: Context, { ns, name }: LockKey): void {
  const { tables, revision } = context
  const lock = tables.lock.find(ns, name)
  if (lock === null || !isReady(lock)) return
  if (!mayGrant(context, lock)) return void context.readyLocks.push({ ns, name })
  const waiter = present(tables.firstLockWaiter(ns, name), 'waiters are counted')
  const { ttlMs: unclaimedMs } = present(
    tables.lease.find(leaseOfWaiter(waiter)),
    'a place in the queue has its lease',
  )
  takeOut(context, waiter)
  const { held, waiting } = lock
  const next = { ...lock, held: held + 1, waiting: waiting - 1, lastToken: revision }
  saveLock(context, lock, next, waiter)
  writeGrant(context, waiter, { place: waiter.place, unclaimedMs })
  if (isReady(next)) context.readyLocks.push({ ns, name })
}

type Counts = Pick<LockRecord, 'permits' | 'held' | 'waiting' | 'lastToken'>

function isReady({ waiting, held, permits }: Counts): boolean {
  return waiting > 0 && held < permits
}

function lockOf(context: Context, { ns, name }: LockKey): LockRecord {
  return present(context.tables.lock.find(ns, name), 'what is held or waited for has a row')
}

/** Writes the counts; a lock that is neither held nor waited for has no row. */
function saveLock(
  context: Context,
  old: LockRecord | null,
  { permits, held, waiting, lastToken }: Counts,
  { ns, name }: LockKey,
): void {
  assert(held >= 0 && held <= permits, 'at most as many hold it as may')
  assert(waiting >= 0 && lastToken <= context.revision, 'waiters are counted, and tokens given')
  if (held > 0 || waiting > 0) {
    const counts = { permits, held, waiting, lastToken }
    context.tables.lock.put(old, { ns, name, ...counts, ...context.tail(old) })
  } else if (old !== null) context.tables.lock.delete(old)
}

/** One event, told to those who look at the lock or at all of them. */
function tell(context: Context, record: LockGrantRecord, kind: EventKind): void {
  const { ns, name } = record
  const body = lockEventBody(record)
  context.emit({ ns, topic: lockTopic(name), kind, body, value: null })
  touch(context, record)
}

/** Who looks at a lock must learn of its last change, also when it is gone. */
function touch(context: Context, { ns, name }: LockKey): void {
  context.touch(ns, lockTopic(name))
  context.touch(ns, 'locks')
}

export function textBytes(value: string | null): Uint8Array | null {
  return value === null ? null : utf8(value)
}
