/**
 * A database that SQLite finds damaged ends the process, wherever that comes to light: in apply, in
 * a read, in a checkpoint. What stands in it can be had from the others.
 *
 * @module
 */
import { REJOIN } from '../storage/mod.ts'
import type { Sql, SqlValue, Statement } from '../state/tables/sql.ts'

/** The file under the state cannot be read as what it was written as: exit 3. */
export class StateDamaged extends Error {
  override readonly name = 'StateDamaged'
  readonly exitCode = 3

  constructor(path: string, reason: string, options?: ErrorOptions) {
    super(`the database ${path} is damaged: ${reason}. ${REJOIN}`, options)
  }
}

/** SQLITE_CORRUPT and SQLITE_NOTADB, their extended codes included. */
const CODES = new Set([11, 26])
const WORDS = /^SQLITE_(CORRUPT|NOTADB)|disk image is malformed|file is not a database/

/** Whether SQLite says that the file is not what it should be; each driver says so in its way. */
export function isDamage(thrown: unknown): thrown is Error {
  if (!(thrown instanceof Error)) return false
  const { code, errcode } = thrown as Error & { code?: unknown; errcode?: unknown }
  if (typeof errcode === 'number') return CODES.has(errcode & 0xff)
  return WORDS.test(typeof code === 'string' ? code : '') || WORDS.test(thrown.message)
}

/** The same database, which throws {@link StateDamaged} and tells `onDamage` where it is. */
export function guarded(sql: Sql, path: string, onDamage: (error: Error) => void): Sql {
  const judged = (error: unknown): unknown => {
    if (!isDamage(error)) return error
    const damaged = new StateDamaged(path, error.message, { cause: error })
    onDamage(damaged)
    return damaged
  }
  return {
    driver: sql.driver,
    exec(text) {
      try {
        sql.exec(text)
      } catch (error) {
        throw judged(error)
      }
    },
    prepare(text) {
      try {
        return guardedStatement(sql.prepare(text), judged)
      } catch (error) {
        throw judged(error)
      }
    },
    close: () => sql.close(),
  }
}

/** Four times the same: a closure for each call would be felt on the hot path. */
function guardedStatement(inner: Statement, judged: (error: unknown) => unknown): Statement {
  return {
    run(...params: SqlValue[]) {
      try {
        inner.run(...params)
      } catch (error) {
        throw judged(error)
      }
    },
    runRow(row: readonly SqlValue[]) {
      try {
        inner.runRow(row)
      } catch (error) {
        throw judged(error)
      }
    },
    get(...params: SqlValue[]) {
      try {
        return inner.get(...params)
      } catch (error) {
        throw judged(error)
      }
    },
    all(...params: SqlValue[]) {
      try {
        return inner.all(...params)
      } catch (error) {
        throw judged(error)
      }
    },
  }
}
