import initSqlJs from 'sql.js'
import type { Database, Statement as SqlJsStatement } from 'sql.js'
import type { Sql, SqlRow, SqlValue, Statement } from '../state/tables/sql.ts'
import { assertParams, parameterCount } from './sqlite-params.ts'

/** A database in memory that can be taken down as one file. */
export interface SqlInMemory extends Sql {
  /** The bytes of a database file with all that is committed. */
  image(): Uint8Array
}

/**
 * SQLite as WebAssembly, in memory only: log and images make its state durable (DESIGN §4).
 * `wasm` is the module's bytes, since each runtime finds them in its own way. What is returned
 * opens a database, empty or from an image.
 */
export async function loadSqlJs(
  wasm: Uint8Array,
): Promise<(image: Uint8Array | null) => SqlInMemory> {
  const sqlJs = await initSqlJs({ wasmBinary: wasm.slice().buffer })
  return (image) => {
    if (image === null) return new SqlJs(new sqlJs.Database())
    // A file in WAL mode says so in its header, and would want one; here there is none.
    const bytes = image.slice()
    bytes[18] = bytes[19] = 1
    return new SqlJs(new sqlJs.Database(bytes))
  }
}

class SqlJs implements SqlInMemory {
  readonly driver = 'sql.js'
  readonly #db: Database
  /** What makes the connection what it is; taking an image makes a new one. */
  readonly #pragmas: string[] = []
  /** Grows with each image: statements are prepared anew then. */
  #generation = 0

  constructor(db: Database) {
    this.#db = db
  }

  exec(sql: string): void {
    if (sql.startsWith('PRAGMA')) this.#pragmas.push(sql)
    this.#db.exec(sql)
  }

  prepare(sql: string): Statement {
    const count = parameterCount(sql)
    let prepared: SqlJsStatement = this.#db.prepare(sql)
    let generation = this.#generation
    const all = (params: readonly SqlValue[], limit: number): readonly SqlRow[] => {
      assertParams(count, params)
      if (generation !== this.#generation) {
        prepared = this.#db.prepare(sql)
        generation = this.#generation
      }
      const rows: SqlRow[] = []
      prepared.bind([...params])
      while (rows.length < limit && prepared.step()) rows.push(prepared.get())
      prepared.reset() // Frees what was bound, too.
      return rows
    }
    return {
      run: (...params) => void all(params, Infinity),
      runRow: (row) => void all(row, Infinity),
      get: (...params) => all(params, 1)[0] ?? null,
      all: (...params) => all(params, Infinity),
    }
  }

  image(): Uint8Array {
    const bytes = this.#db.export() // It closes and reopens: statements and settings are lost.
    this.#generation += 1
    for (const pragma of this.#pragmas) this.#db.exec(pragma)
    return bytes
  }

  /** It frees the statements as well. */
  close(): void {
    this.#db.close()
  }
}
