/**
 * A read-write lock in one configuration key: many readers, or one writer. Who holds it is named by a
 * lease of its own; every change of the key is a transaction on the version that was read. Whoever
 * finds one in the way asks for its lease, and takes the dead out, on the condition that the lease is
 * still gone. A writer that waits is named too and lets no more readers in: writers do not starve.
 */
import { foreign, nextCell, readCell, swapCell } from './cell.ts'
import type { Cell } from './cell.ts'
import { millis } from './duration.ts'
import type { Duration } from './duration.ts'
import { isCode, RollcallError } from './error.ts'
import type { Held } from './keeper.ts'
import { grantLease } from './lease.ts'
import type { Lease } from './lease.ts'
import { path } from './path.ts'
import { either } from './ports.ts'
import type { Session } from './session.ts'
import type { Condition } from './txn.ts'

export interface RwLockOptions {
  /** 10 s. */
  readonly ttl?: Duration
  /** How long to wait for it; 30 s. Past it: `conflict`. */
  readonly wait?: Duration
  readonly signal?: AbortSignal
}

/** Held for reading or writing. */
export interface RwHold extends Held {
  /** The revision of the grant: grows from one writer to the next. */
  readonly token: number
  /** Put it among the conditions of a transaction: that is then fenced by this lock. */
  readonly condition: Condition
}

export interface RwLock {
  readonly key: string
  read(options?: RwLockOptions): Promise<RwHold>
  write(options?: RwLockOptions): Promise<RwHold>
}

/** Leases: who reads, who writes, which writer is next. */
interface Holders {
  readonly readers: readonly string[]
  readonly writer: string | null
  readonly next: string | null
}

/** How often one that waits looks whether those in the way are alive. */
const LOOK_MS = 3_000
/** Of one transaction's conditions. */
const DEAD_MAX = 100

export function rwLock(session: Session, key: string): RwLock {
  return {
    key,
    read: (options = {}) => hold(session, key, false, options),
    write: (options = {}) => hold(session, key, true, options),
  }
}

async function hold(
  session: Session,
  key: string,
  isWriter: boolean,
  { ttl = '10s', wait = '30s', signal }: RwLockOptions,
): Promise<RwHold> {
  const endMs = session.ports.nowMs() + millis(wait)
  const owner = `${isWriter ? 'writes' : 'reads'} ${key}`
  // The lease goes first, then the name in the key, which wakes those that wait.
  const lease = await grantLease(session, { ttl, owner }, (id) => leave(session, key, id))
  try {
    const over = either(lease.signal, signal)
    const token = await queue(session, key, { lease, isWriter, endMs, signal: over })
    const condition = { lease: lease.id, exists: true }
    return Object.assign(lease, { token, condition })
  } catch (error) {
    lease.release().catch(() => {}) // The error says more; the lease ends by itself.
    throw error
  }
}

interface Waiter {
  readonly lease: Lease
  readonly isWriter: boolean
  readonly endMs: number
  readonly signal: AbortSignal
}

/** Resolves with the revision of the grant. */
async function queue(session: Session, key: string, waiter: Waiter): Promise<number> {
  const { lease, isWriter, endMs, signal } = waiter
  const mine: Condition = { lease: lease.id, exists: true }
  let cell = await readCell(session, key, { signal })
  for (;;) {
    const holders = holdersOf(key, cell)
    const inTheWay = blocking(holders, waiter)
    const swap = { cell, signal }
    if (inTheWay.length === 0) {
      const text = JSON.stringify(joined(holders, waiter))
      const done = await swapCell(session, key, { ...swap, text, conditions: [mine] })
      if (done !== null) return done.revision
    } else if (isWriter && holders.next === null) {
      const text = JSON.stringify({ ...holders, next: lease.id })
      await swapCell(session, key, { ...swap, text, conditions: [mine] })
    } else {
      const dead = await deadOf(session, inTheWay, signal)
      const leftMs = endMs - session.ports.nowMs()
      if (dead.length > 0) {
        const text = JSON.stringify(without(holders, dead))
        const conditions = dead.map((id) => ({ lease: id, exists: false }))
        await swapCell(session, key, { ...swap, text, conditions })
      } else if (leftMs <= 0) throw late(key, inTheWay)
      else {
        cell = await nextCell(session, key, { cell, waitMs: Math.min(leftMs, LOOK_MS), signal })
        continue
      }
    }
    cell = await readCell(session, key, { signal })
  }
}

function blocking(holders: Holders, { lease, isWriter }: Waiter): readonly string[] {
  const { readers, writer, next } = holders
  const others = isWriter ? [writer, next, ...readers] : [writer, next]
  return others.filter((id): id is string => id !== null && id !== lease.id)
}

function joined(holders: Holders, { lease, isWriter }: Waiter): Holders {
  if (isWriter) return { readers: [], writer: lease.id, next: null }
  return { ...holders, readers: [...holders.readers, lease.id] }
}

function without({ readers, writer, next }: Holders, gone: readonly string[]): Holders {
  const kept = (id: string | null) => (id !== null && gone.includes(id) ? null : id)
  return {
    readers: readers.filter((id) => !gone.includes(id)),
    writer: kept(writer),
    next: kept(next),
  }
}

async function deadOf(
  session: Session,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const isDead = async (id: string): Promise<boolean> => {
    try {
      await session.call('GET', path`/v1/leases/${id}`, { signal })
      return false
    } catch (error) {
      if (isCode(error, 'not_found')) return true
      throw error
    }
  }
  const some = ids.slice(0, DEAD_MAX)
  const are = await Promise.all(some.map(isDead))
  return some.filter((_, at) => are[at] === true)
}

async function leave(session: Session, key: string, id: string): Promise<void> {
  for (;;) {
    const cell = await readCell(session, key)
    const holders = holdersOf(key, cell)
    const text = JSON.stringify(without(holders, [id]))
    if (text === JSON.stringify(holders)) return
    if ((await swapCell(session, key, { cell, text })) !== null) return
  }
}

function holdersOf(key: string, { version, text }: Cell): Holders {
  if (version === 0) return { readers: [], writer: null, next: null }
  try {
    const { readers, writer, next } = JSON.parse(text) as Holders
    if (Array.isArray(readers)) return { readers, writer, next }
  } catch {
    // Said below: whatever stands there, it is not what we wrote.
  }
  throw foreign(key, 'read-write lock')
}

function late(key: string, holders: readonly string[]): RollcallError {
  const detail = `"${key}" was not free in time: ${holders.length} in the way`
  return new RollcallError('conflict', detail, { problem: { holders } })
}
