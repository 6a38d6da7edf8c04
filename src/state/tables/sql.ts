/**
 * The small port behind which every SQLite driver stands (`bun:sqlite`, `node:sqlite`, `sql.js`).
 * Rows are arrays in column order: no object per row on the hot path.
 */
export type SqlValue = string | number | Uint8Array | null
export type SqlRow = readonly SqlValue[]

export interface Statement {
  /** Runs a statement that answers nothing. */
  run(...params: SqlValue[]): void
  /** The same, of parameters that are a row: nothing is copied on the way to the driver. */
  runRow(row: readonly SqlValue[]): void
  /** The first row, or null. */
  get(...params: SqlValue[]): SqlRow | null
  all(...params: SqlValue[]): readonly SqlRow[]
}

export type SqlDriver = 'bun' | 'node' | 'sql.js'

export interface Sql {
  readonly driver: SqlDriver
  /** Runs statements without parameters and without answers. */
  exec(sql: string): void
  /** Prepared once, held for the life of the database. A missing parameter throws. */
  prepare(sql: string): Statement
  close(): void
}
