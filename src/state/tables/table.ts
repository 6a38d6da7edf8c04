/**
 * One table: its DDL, and the only way to write to it. Every write keeps the state hash, so no
 * row can change behind the hash's back.
 *
 * A record holds a row's raw column values under camelCase names; columns are snake_case.
 */
import { assert } from '../../lib/assert.ts'
import type { MultisetHash } from '../../lib/hash.ts'
import { HotCache } from '../../lib/hot-cache.ts'
import { type Shape, shapeOf } from '../../lib/shape.ts'
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
  /** How many bytes a record takes in memory, of a table whose rows are changed again and again. */
  readonly weigh?: (record: R) => number
}

const PAGE_ROWS = 500
/** Of the records of one table that are kept in memory. */
const KEPT_BYTES_MAX = 4 * 1024 * 1024

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
  readonly #shape: Shape<R>
  readonly #keys: number
  readonly #select: string
  readonly #sql: Sql
  readonly #find: Statement
  readonly #insert: Statement
  readonly #update: Statement
  readonly #delete: Statement
  /** False only while the table is known to be empty: a look-up in it then costs nothing. */
  #mayHoldRows: boolean
  readonly #weigh: ((record: R) => number) | null
  /**
   * Rows as they are stored, that were found or written lately, by their key: a row that is changed
   * often is read from the table once. All writes come by here, and an attempt that is taken back
   * drops them all, so a kept record is always the row.
   */
  readonly #kept = new HotCache<R>({ weightMax: KEPT_BYTES_MAX })

  constructor(sql: Sql, hash: MultisetHash, spec: TableSpec<R>) {
    const columns = columnList(spec)
    const places = columns.map((_, i) => `?${i + 1}`)
    const keyIs = columns.slice(0, spec.keys).map((column, i) => `${column} = ?${i + 1}`)
    const sets = columns.map((column, i) => `${column} = ?${i + 1}`).slice(spec.keys)
    const where = `WHERE ${keyIs.join(' AND ')}`
    this.#number = spec.number
    this.#hash = hash
    this.#shape = shapeOf(Object.keys(spec.columns) as (keyof R & string)[])
    this.#weigh = spec.weigh ?? null
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
    if (this.#weigh === null) return this.#read(key)
    const place = placeOf(key, this.#keys)
    const kept = this.#kept.get(place)
    if (kept !== undefined) return kept
    const record = this.#read(key)
    if (record !== null) this.#keep(place, record)
    return record
  }

  #read(key: SqlValue[]): R | null {
    const row = this.#find.get(...key)
    return row === null ? null : this.record(row)
  }

  #keep(place: string, record: R): void {
    if (this.#weigh !== null) this.#kept.set(place, record, this.#weigh(record))
  }

  /** What was written may be taken back by the database: nothing that is kept can be trusted. */
  forget(): void {
    this.#kept.clear()
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
    this.#insert.runRow(row)
    this.#mayHoldRows = true
    if (this.#weigh !== null) this.#keep(placeOf(row, this.#keys), record)
  }

  /** Invariant: `old` is the row as it is stored, else the hash would go astray. */
  update(old: R, record: R): void {
    const before = this.#row(old)
    const row = this.#row(record)
    for (let i = 0; i < this.#keys; i++) assert(before[i] === row[i], 'a row keeps its key')
    this.#hash.subtract(this.#number, before)
    this.#hash.add(this.#number, row)
    this.#update.runRow(row)
    if (this.#weigh !== null) this.#keep(placeOf(row, this.#keys), record)
  }

  /** Inserts or updates, by whether there was a row. */
  put(old: R | null, record: R): void {
    if (old === null) this.insert(record)
    else this.update(old, record)
  }

  delete(old: R): void {
    const row = this.#row(old)
    this.#hash.subtract(this.#number, row)
    this.#delete.runRow(row.slice(0, this.#keys))
    if (this.#weigh !== null) this.#kept.delete(placeOf(row, this.#keys))
  }

  record(row: SqlRow): R {
    return this.#shape.make(row)
  }

  /** Every record's fields are column values: the specs in schema.ts say so. */
  #row(record: R): SqlValue[] {
    return this.#shape.values(record) as SqlValue[]
  }
}

/** Names hold no U+0000, so two keys never have one place. */
function placeOf(row: readonly SqlValue[], keys: number): string {
  let place = row[0] as string
  for (let i = 1; i < keys; i++) place += `\0${row[i] as string}`
  return place
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
