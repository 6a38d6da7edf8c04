/** The tables of locks (DESIGN §8). What has a deadline is a lease; no row here has one. */
import { INT, NAME, tail } from './columns.ts'
import type { Tail } from './columns.ts'
import type { TableSpec } from './table.ts'

/** A lock that is held or waited for; one that is neither has no row. */
export interface LockRecord extends Tail {
  ns: string
  name: string
  /** How many may hold it at once; fixed for as long as the row is there. */
  permits: number
  /** Rows of `lock_grant` and of `lock_waiter`, counted. */
  held: number
  waiting: number
  /** Of the last grant: an entry grants one permit of a name at most. */
  lastToken: number
}

export const LOCK: TableSpec<LockRecord> = {
  name: 'lock',
  number: 18,
  keys: 2,
  columns: {
    ns: NAME,
    name: NAME,
    permits: INT,
    held: INT,
    waiting: INT,
    lastToken: INT,
    ...tail,
  },
  // What a new leader asks: where a permit and a waiter have not met yet.
  indexes: ['lock_ready ON lock (ns, name) WHERE waiting > 0 AND held < permits'],
}

/** Lives by a lease: its own, whose id follows from the key, or one that a client was granted. */
export interface LockGrantRecord extends Tail {
  ns: string
  name: string
  token: number
  /** Where it stood in the queue; the token itself where it never did. */
  place: number
  owner: Uint8Array
  value: Uint8Array | null
  ttlMs: number
  /** The client's lease; NULL: its own. */
  lease: string | null
}

export const LOCK_GRANT: TableSpec<LockGrantRecord> = {
  name: 'lock_grant',
  number: 13,
  keys: 3,
  columns: {
    ns: NAME,
    name: NAME,
    token: INT,
    place: INT,
    owner: 'BLOB NOT NULL',
    value: 'BLOB',
    ttlMs: INT,
    lease: 'TEXT',
    ...tail,
  },
  indexes: ['lock_grant_by_lease ON lock_grant (lease) WHERE lease IS NOT NULL'],
}

/** In the order of `place`, the revision that queued it. Always has a lease of its own. */
export interface LockWaiterRecord extends Tail {
  ns: string
  name: string
  place: number
  owner: Uint8Array
  value: Uint8Array | null
  /** Of the grant that it waits for. */
  ttlMs: number
  /** The client's lease that the grant is to live by. */
  lease: string | null
}

export const LOCK_WAITER: TableSpec<LockWaiterRecord> = {
  name: 'lock_waiter',
  number: 14,
  keys: 3,
  columns: {
    ns: NAME,
    name: NAME,
    place: INT,
    owner: 'BLOB NOT NULL',
    value: 'BLOB',
    ttlMs: INT,
    lease: 'TEXT',
    ...tail,
  },
  indexes: ['lock_waiter_by_lease ON lock_waiter (lease) WHERE lease IS NOT NULL'],
}
