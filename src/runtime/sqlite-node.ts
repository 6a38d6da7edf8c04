import { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Sql, SqlRow, SqlValue, Statement } from '../state/tables/sql.ts'
import { assertParams, parameterCount } from './sqlite-params.ts'

if (!('setReturnArrays' in StatementSync.prototype)) {
  throw new Error('this node:sqlite cannot answer rows as arrays, which Node has since 24')
}

/** Deno, and Node where it has it. Only ever imported dynamically: older Node lacks the module. */
export function openNode(path: string, { readOnly } = { readOnly: false }): Sql {
  const db = new DatabaseSync(path, { readOnly })
  return {
    driver: 'node',
    exec: (sql) => db.exec(sql),
    prepare: (sql) => statement(db, sql),
    close: () => db.close(),
  }
}

function statement(db: DatabaseSync, sql: string): Statement {
  const prepared = db.prepare(sql)
  prepared.setReturnArrays(true)
  const count = parameterCount(sql)
  return {
    run: (...params) => {
      assertParams(count, params)
      prepared.run(...params)
    },
    runRow: (row) => {
      assertParams(count, row)
      prepared.run(...row)
    },
    get: (...params) => {
      assertParams(count, params)
      return row(prepared.get(...params))
    },
    all: (...params) => {
      assertParams(count, params)
      return prepared.all(...params) as unknown as SqlRow[]
    },
  }
}

/** The types know rows as objects only; `setReturnArrays` makes them arrays. */
function row(found: unknown): SqlRow | null {
  return (found as SqlValue[] | undefined) ?? null
}
