import type { LockKey } from '../changes.ts'
import { lockGrantRow, lockTopic, lockWaiterRow } from './lock.ts'
import type { LockGrantRow, LockRow } from './rows.ts'
import type { LockGrantRecord, LockRecord, LockWaiterRecord } from '../tables/schema-locks.ts'
import { pageStart, prefixEnd } from '../tables/prefix.ts'
import type { Page } from '../reader.ts'
import type { Scopes } from '../scope.ts'
import type { SqlValue } from '../tables/sql.ts'
import type { Tables } from '../tables/tables.ts'

/** Questions about locks; a lock that is neither held nor waited for is not there. */
export interface LockReader {
  /** With at most `listedMax` holders and as many waiters. */
  lock(ns: string, name: string, listedMax: number): LockRow | null
  /** Of the last change of a lock, also when it is gone. */
  revision(ns: string, name: string): number
  locks(ns: string, page: Page, listedMax: number): readonly LockRow[]
  /** Of the last change of any lock. */
  allRevision(ns: string): number
  grant(ns: string, name: string, token: number): LockGrantRow | null
  /** Who was granted from that place of the queue, while it holds. */
  grantAt(ns: string, name: string, place: number): LockGrantRow | null
  waits(ns: string, name: string, place: number): boolean
  /** Where a permit and a waiter have not met: a new leader goes on with them. */
  ready(): readonly LockKey[]
}

type Rows<R> = (...params: SqlValue[]) => readonly R[]

export class LockQueries implements LockReader {
  readonly #tables: Tables
  readonly #scopes: Scopes
  readonly #at: Rows<LockRecord>
  readonly #after: Rows<LockRecord>
  readonly #ready: Rows<LockRecord>
  readonly #grants: Rows<LockGrantRecord>
  readonly #waiters: Rows<LockWaiterRecord>

  constructor(tables: Tables, scopes: Scopes) {
    this.#tables = tables
    this.#scopes = scopes
    const { lock, lockGrant, lockWaiter } = tables
    const list = (comparison: string) =>
      lock.query(`WHERE ns = ?1 AND name ${comparison} ?2 AND name < ?3 ORDER BY name LIMIT ?4`)
    this.#at = list('>=')
    this.#after = list('>')
    this.#ready = lock.query('WHERE waiting > 0 AND held < permits ORDER BY ns, name')
    this.#grants = lockGrant.query('WHERE ns = ?1 AND name = ?2 ORDER BY token LIMIT ?3')
    this.#waiters = lockWaiter.query('WHERE ns = ?1 AND name = ?2 ORDER BY place LIMIT ?3')
  }

  lock(ns: string, name: string, listedMax: number): LockRow | null {
    const record = this.#tables.lock.find(ns, name)
    return record === null ? null : this.#row(record, listedMax)
  }

  revision(ns: string, name: string): number {
    return this.#scopes.revision(ns, lockTopic(name))
  }

  locks(ns: string, page: Page, listedMax: number): readonly LockRow[] {
    const { from, inclusive } = pageStart(page.prefix, page.after)
    const list = inclusive ? this.#at : this.#after
    const records = list(ns, from, prefixEnd(page.prefix), page.limit)
    return records.map((record) => this.#row(record, listedMax))
  }

  allRevision(ns: string): number {
    return this.#scopes.revision(ns, 'locks')
  }

  grant(ns: string, name: string, token: number): LockGrantRow | null {
    const record = this.#tables.lockGrant.find(ns, name, token)
    return record === null ? null : lockGrantRow(record)
  }

  grantAt(ns: string, name: string, place: number): LockGrantRow | null {
    const record = this.#tables.lockGrantAt(ns, name, place)
    return record === null ? null : lockGrantRow(record)
  }

  waits(ns: string, name: string, place: number): boolean {
    return this.#tables.lockWaiter.find(ns, name, place) !== null
  }

  ready(): readonly LockKey[] {
    return this.#ready().map(({ ns, name }) => ({ ns, name }))
  }

  /** What a client's lease keeps. */
  ofLease(lease: string): readonly { readonly name: string; readonly token: number }[] {
    return this.#tables.lockGrantsOfLease(lease).map(({ name, token }) => ({ name, token }))
  }

  #row({ ns, name, permits, held, waiting }: LockRecord, listedMax: number): LockRow {
    const holders = this.#grants(ns, name, listedMax).map(lockGrantRow)
    const waiters = this.#waiters(ns, name, listedMax).map(lockWaiterRow)
    const revision = this.revision(ns, name)
    return { ns, name, limit: permits, held, waiting, holders, waiters, revision }
  }
}
