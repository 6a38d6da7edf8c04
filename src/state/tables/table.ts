/**
 * One table: its DDL, and the only way to write to it. Every write keeps the state hash, so no
 * row can change behind the hash's back.
 *
 * A record holds a row's raw column values under camelCase names; columns are snake_case.
 */
import { assert } from '../../lib/assert.ts'
import type { MultisetHash } from '../../lib/hash.ts'
import type { Sql, SqlRow, SqlValue, Statement } from './sql.ts'

/** A table as SQL sees it. */
export interface TableShape {
  readonly name: string
  /** Separates this table's rows from others' in the state hash. Never reused. */
  readonly number: number
  /** The first so many columns are the primary key. */
  readonly keys: number
  /** Column types, in column order. */
  readonly columns: Readonly<Record<string, string>>
  /** `CREATE INDEX` bodies, `name ON table (…)`. Local: no part of the logical row. */
  readonly indexes: readonly string[]
}

/** A table whose rows are records `R`: the compiler checks that no column is missing. */
export interface TableSpec<R> extends TableShape {
  readonly columns: Readonly<Record<keyof R & string, string>>
}

const PAGE_ROWS = 500

function columnName(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

/** The statements that create a table. Strict types; rows lie in key order, in memcmp order. */
export function createStatements(spec: TableShape): readonly string[] {
  const columns = Object.entries(spec.columns).map(
    ([field, type]) => `${columnName(field)} ${type}`,
  )
  const key = columnList(spec).slice(0, spec.keys).join(', ')
  return [
    `CREATE TABLE ${spec.name} (${columns.join(', ')}, PRIMARY KEY (${key})) STRICT, WITHOUT ROWID`,
    ...spec.indexes.map((body) => `CREATE INDEX ${body}`),
  ]
}

function columnList(spec: TableShape): readonly string[] {
  return Object.keys(spec.columns).map(columnName)
}

export class Table<R extends object> {
  readonly #number: number
  readonly #hash: MultisetHash
  readonly #fields: readonly (keyof R & string)[]
  readonly #keys: number
  readonly #select: string
  readonly #sql: Sql
  readonly #find: Statement
  readonly #insert: Statement
  readonly #update: Statement
  readonly #delete: Statement
  /** False only while the table is known to be empty: a look-up in it then costs nothing. */
  #mayHoldRows: boolean

  constructor(sql: Sql, hash: MultisetHash, spec: TableSpec<R>) {
    const columns = columnList(spec)
    const places = columns.map((_, i) => `?${i + 1}`)
    const keyIs = columns.slice(0, spec.keys).map((column, i) => `${column} = ?${i + 1}`)
    const sets = columns.map((column, i) => `${column} = ?${i + 1}`).slice(spec.keys)
    const where = `WHERE ${keyIs.join(' AND ')}`
    this.#number = spec.number
    this.#hash = hash
    this.#fields = Object.keys(spec.columns) as (keyof R & string)[]
    this.#keys = spec.keys
    this.#sql = sql
    this.#select = `SELECT ${columns.join(', ')} FROM ${spec.name}`
    this.#find = sql.prepare(`${this.#select} ${where}`)
    this.#insert = sql.prepare(`INSERT INTO ${spec.name} VALUES (${places.join(', ')})`)
    this.#update = sql.prepare(`UPDATE ${spec.name} SET ${sets.join(', ')} ${where}`)
    this.#delete = sql.prepare(`DELETE FROM ${spec.name} ${where}`)
    this.#mayHoldRows = sql.prepare(`SELECT 1 FROM ${spec.name} LIMIT 1`).get() !== null
  }

  get mayHoldRows(): boolean {
    return this.#mayHoldRows
  }

  find(...key: SqlValue[]): R | null {
    if (!this.#mayHoldRows) return null
    const row = this.#find.get(...key)
    return row === null ? null : this.record(row)
  }

  /** A further query over whole rows: `WHERE … ORDER BY …`. */
  query(rest: string): (...params: SqlValue[]) => readonly R[] {
    const statement = this.#sql.prepare(`${this.#select} ${rest}`)
    return (...params) => statement.all(...params).map((row) => this.record(row))
  }

  /** The row must not be there yet. */
  insert(record: R): void {
    const row = this.#row(record)
    this.#hash.add(this.#number, row)
    this.#insert.run(...row)
    this.#mayHoldRows = true
  }

  /** Invariant: `old` is the row as it is stored, else the hash would go astray. */
  update(old: R, record: R): void {
    const before = this.#row(old)
    const row = this.#row(record)
    for (let i = 0; i < this.#keys; i++) assert(before[i] === row[i], 'a row keeps its key')
    this.#hash.subtract(this.#number, before)
    this.#hash.add(this.#number, row)
    this.#update.run(...row)
  }

  /** Inserts or updates, by whether there was a row. */
  put(old: R | null, record: R): void {
    if (old === null) this.insert(record)
    else this.update(old, record)
  }

  delete(old: R): void {
    const row = this.#row(old)
    this.#hash.subtract(this.#number, row)
    this.#delete.run(...row.slice(0, this.#keys))
  }

  record(row: SqlRow): R {
    const fields = this.#fields
    const record: Partial<Record<keyof R & string, SqlValue>> = {}
    for (let i = 0; i < fields.length; i++)
      record[fields[i] as keyof R & string] = row[i] as SqlValue
    return record as R
  }

  /** Every record's fields are column values: the specs in schema.ts say so. */
  #row(record: R): SqlValue[] {
    const row: SqlValue[] = []
    for (const field of this.#fields) row.push(record[field] as SqlValue)
    return row
  }
}

/** Adds every row of a table to `hash`: slow, for the proof that the kept hash is right. */
export function addAllRows(sql: Sql, hash: MultisetHash, spec: TableShape): void {
  const columns = columnList(spec)
  const key = columns.slice(0, spec.keys).join(', ')
  const places = columns.slice(0, spec.keys).map(() => '?')
  const first = sql.prepare(`SELECT * FROM ${spec.name} ORDER BY ${key} LIMIT ${PAGE_ROWS}`)
  const next = sql.prepare(
    `SELECT * FROM ${spec.name} WHERE (${key}) > (${places.join(', ')})
     ORDER BY ${key} LIMIT ${PAGE_ROWS}`,
  )
  let rows = first.all()
  for (;;) {
    for (const row of rows) hash.add(spec.number, row)
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE_ROWS) return
    rows = next.all(...last.slice(0, spec.keys))
  }
}
