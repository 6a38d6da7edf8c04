import { Database } from 'bun:sqlite'
import type { Sql, SqlRow, SqlValue, Statement } from '../state/tables/sql.ts'
import { assertParams, parameterCount } from './sqlite-params.ts'

/** Only ever imported dynamically, on Bun: no other runtime knows `bun:sqlite`. */
export function openBun(path: string, { readOnly } = { readOnly: false }): Sql {
  const mode = readOnly ? { readonly: true } : { create: true, readwrite: true }
  const db = new Database(path, { ...mode, strict: true })
  return {
    driver: 'bun',
    exec: (sql) => void db.run(sql),
    prepare: (sql) => statement(db, sql),
    close: () => db.close(true),
  }
}

function statement(db: Database, sql: string): Statement {
  const prepared = db.prepare<unknown, SqlValue[]>(sql)
  const count = parameterCount(sql)
  const all = (params: SqlValue[]): readonly SqlRow[] => {
    assertParams(count, params)
    return prepared.values(...params) as SqlValue[][]
  }
  return {
    run: (...params) => {
      assertParams(count, params)
      prepared.run(...params)
    },
    runRow: (row) => {
      assertParams(count, row)
      // An array of parameters is taken as such, which the types do not say.
      prepared.run(row as unknown as SqlValue)
    },
    get: (...params) => all(params)[0] ?? null,
    all: (...params) => all(params),
  }
}
