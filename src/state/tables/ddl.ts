/** The tables of a database as `schema.ts` wants them: made, or completed by a newer program. */
import { assert, present } from '../../lib/assert.ts'
import { CREATE_APPLIED, SCHEMA_VERSION, TABLES } from './schema.ts'
import type { Sql } from './sql.ts'
import { createStatements } from './table.ts'
import type { TableShape } from './table.ts'

export function hasTables(sql: Sql): boolean {
  return hasTable(sql, 'applied')
}

function hasTable(sql: Sql, name: string): boolean {
  const count = sql.prepare(`SELECT count(*) FROM sqlite_schema WHERE name = ?1`).get(name)
  return present(count, 'a count is a row')[0] !== 0
}

/** False also for a table that is not there, or not as `schema.ts` draws it, before it is used. */
export function holdsRows(sql: Sql, { name }: TableShape): boolean {
  return hasTable(sql, name) && sql.prepare(`SELECT 1 FROM ${name} LIMIT 1`).get() !== null
}

export function createSchema(sql: Sql): void {
  sql.exec('BEGIN IMMEDIATE')
  for (const spec of TABLES) for (const statement of createStatements(spec)) sql.exec(statement)
  sql.exec(CREATE_APPLIED)
  sql.exec(`INSERT INTO applied VALUES (1, ${SCHEMA_VERSION}, 0, 0, 0, 0, 0)`)
  sql.exec('COMMIT')
}

/**
 * Adds the tables and indexes that came after the program that made this database. No logical row
 * changes, so the state hash stays, and each node may do it when it likes: an index is local, and a
 * table without commands was empty, so it is made anew where its columns were drawn up differently.
 */
export function completeSchema(sql: Sql): void {
  const missing = TABLES.flatMap((spec) => completing(sql, spec))
  if (missing.length === 0) return
  sql.exec('BEGIN IMMEDIATE')
  for (const statement of missing) sql.exec(statement)
  sql.exec('COMMIT')
}

function completing(sql: Sql, spec: TableShape): readonly string[] {
  const wanted = createStatements(spec)
  if (!hasTable(sql, spec.name)) return wanted
  const rows = sql
    .prepare('SELECT sql FROM sqlite_schema WHERE tbl_name = ?1 AND sql IS NOT NULL')
    .all(spec.name)
  const known = new Set(rows.map(([text]) => text))
  const missing = wanted.filter((statement) => !known.has(statement))
  const isOther = missing.some((statement) => statement.startsWith('CREATE TABLE'))
  if (!isOther) return missing
  assert(!holdsRows(sql, spec), `rows of ${spec.name} are not thrown away`)
  return [`DROP TABLE ${spec.name}`, ...wanted]
}
