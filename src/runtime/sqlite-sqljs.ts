import initSqlJs from 'sql.js'
import type { Database } from 'sql.js'
import type { Sql, SqlRow, SqlValue, Statement } from '../state/sql.ts'
import { assertParams, parameterCount } from './sqlite-params.ts'

/**
 * SQLite as WebAssembly, in memory only: the log makes its state durable (DESIGN §4). `wasm` is
 * the module's bytes, since each runtime finds them in its own way.
 */
export async function openSqlJs(wasm: Uint8Array): Promise<Sql> {
  const sqlJs = await initSqlJs({ wasmBinary: wasm.slice().buffer })
  const db = new sqlJs.Database()
  return {
    driver: 'sql.js',
    exec: (sql) => void db.exec(sql),
    prepare: (sql) => statement(db, sql),
    close: () => db.close(), // It frees the statements as well.
  }
}

function statement(db: Database, sql: string): Statement {
  const prepared = db.prepare(sql)
  const count = parameterCount(sql)
  const all = (params: SqlValue[], limit: number): readonly SqlRow[] => {
    assertParams(count, params)
    const rows: SqlRow[] = []
    prepared.bind(params)
    while (rows.length < limit && prepared.step()) rows.push(prepared.get())
    prepared.reset() // Frees what was bound, too.
    return rows
  }
  return {
    run: (...params) => void all(params, Infinity),
    get: (...params) => all(params, 1)[0] ?? null,
    all: (...params) => all(params, Infinity),
  }
}
