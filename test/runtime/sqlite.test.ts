import { afterEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSql } from '../../src/runtime/sqlite.ts'
import type { Sql, SqlDriver } from '../../src/state/tables/sql.ts'
import { prefixEnd } from '../../src/state/tables/prefix.ts'

const DRIVERS: readonly SqlDriver[] = ['bun', 'node', 'sql.js']
const dirs: string[] = []

function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'rollcall-sqlite-'))
  dirs.push(dir)
  return dir
}

afterEach(() => {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true })
})

async function withSql(driver: SqlDriver, body: (sql: Sql) => void): Promise<void> {
  const sql = await openSql({ driver, path: ':memory:' })
  try {
    body(sql)
  } finally {
    sql.close()
  }
}

describe.each(DRIVERS)('%s', (driver) => {
  test('is named, and reads back every type as it was bound', () =>
    withSql(driver, (sql) => {
      sql.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, i INTEGER, r REAL, t TEXT, b BLOB) STRICT')
      const insert = sql.prepare('INSERT INTO t VALUES (?1, ?2, ?3, ?4, ?5)')
      const rows = [
        [1, 2 ** 53 - 1, 1, 'grüße 🦊', new Uint8Array([0, 255])],
        [2, -3_000_000_000, 0.1, '', new Uint8Array(0)],
        [3, null, null, null, null],
      ]
      for (const row of rows) insert.run(...row)

      expect(sql.driver).toBe(driver)
      expect(sql.prepare('SELECT * FROM t ORDER BY id').all()).toEqual(rows)
    }))

  test('get() answers the first row, or null', () =>
    withSql(driver, (sql) => {
      sql.exec('CREATE TABLE t (n INTEGER) STRICT')
      const get = sql.prepare('SELECT n FROM t WHERE n > ? ORDER BY n')
      expect(get.get(0)).toBeNull()
      sql.exec('INSERT INTO t VALUES (2), (1)')
      expect(get.get(0)).toEqual([1])
      expect(get.get(1)).toEqual([2])
      expect(get.all(0)).toEqual([[1], [2]])
    }))

  test('a missing parameter throws, and one too many', () =>
    withSql(driver, (sql) => {
      sql.exec('CREATE TABLE t (a INTEGER, b INTEGER) STRICT')
      const insert = sql.prepare('INSERT INTO t VALUES (?1, ?2)')
      expect(() => insert.run(1)).toThrow('all of its parameters')
      expect(() => insert.run(1, 2, 3)).toThrow('all of its parameters')
      expect(() => sql.prepare('SELECT ?').get()).toThrow('all of its parameters')
      expect(() => sql.prepare('SELECT ?').all()).toThrow('all of its parameters')
      expect(sql.prepare('SELECT count(*) FROM t').get()).toEqual([0])
    }))

  test('bad SQL and broken constraints throw', () =>
    withSql(driver, (sql) => {
      sql.exec('CREATE TABLE t (a INTEGER NOT NULL PRIMARY KEY) STRICT')
      expect(() => sql.prepare('SELEC 1')).toThrow()
      const insert = sql.prepare('INSERT INTO t VALUES (?)')
      insert.run(1)
      expect(() => insert.run(1)).toThrow()
      expect(() => insert.run('x')).toThrow()
      expect(() => sql.exec('INSERT INTO t VALUES (NULL, 1)')).toThrow()
    }))

  test('text sorts by its UTF-8 bytes, unlike JavaScript strings', () =>
    withSql(driver, (sql) => {
      sql.exec('CREATE TABLE t (k TEXT NOT NULL, PRIMARY KEY (k)) STRICT, WITHOUT ROWID')
      const insert = sql.prepare('INSERT INTO t VALUES (?)')
      // U+FF5E sorts before the fox in UTF-8 (EF < F0), after it in UTF-16 (FF5E > D83E).
      const sorted = ['A', 'Z', 'a', 'a/', 'a/b', 'a0', 'aa', 'b', 'é', '～', '🦊']
      for (const key of sorted.toReversed()) insert.run(key)

      expect(sql.prepare('SELECT k FROM t ORDER BY k').all().flat()).toEqual(sorted)
      const bytes = sorted.map((key) => Buffer.from(key))
      expect(bytes.toSorted(Buffer.compare)).toEqual(bytes)
      expect(sorted.toSorted()).not.toEqual(sorted)
    }))

  test('a prefix is the range up to prefixEnd()', () =>
    withSql(driver, (sql) => {
      sql.exec('CREATE TABLE t (k TEXT NOT NULL, PRIMARY KEY (k)) STRICT, WITHOUT ROWID')
      const insert = sql.prepare('INSERT INTO t VALUES (?)')
      const keys = ['a', 'a/', 'a/b', 'a/~', 'a/🦊', 'a0', 'b', 'é', '\u{10ffff}', '\u{10ffff}a']
      for (const key of [...keys, '\ud7ff', '\ud7ffx', '\ue000']) insert.run(key)
      const range = sql.prepare('SELECT k FROM t WHERE k >= ?1 AND k < ?2 ORDER BY k')
      const under = (prefix: string) => range.all(prefix, prefixEnd(prefix)).flat()

      expect(under('')).toHaveLength(13)
      expect(under('a')).toEqual(['a', 'a/', 'a/b', 'a/~', 'a/🦊', 'a0'])
      expect(under('a/')).toEqual(['a/', 'a/b', 'a/~', 'a/🦊'])
      expect(under('\ud7ff')).toEqual(['\ud7ff', '\ud7ffx'])
      expect(under('\u{10ffff}')).toEqual(['\u{10ffff}', '\u{10ffff}a'])
      expect(under('zz')).toEqual([])
    }))
})

describe.each(['bun', 'node'] as const)('a file of %s', (driver) => {
  test('is in WAL mode, private, and keeps its rows', async () => {
    const path = join(tempDir(), 'state-0.db')
    const sql = await openSql({ driver, path })
    sql.exec('CREATE TABLE t (a INTEGER) STRICT')
    sql.exec('INSERT INTO t VALUES (7)')

    expect(sql.prepare('PRAGMA journal_mode').get()).toEqual(['wal'])
    expect(sql.prepare('PRAGMA synchronous').get()).toEqual([1])
    expect(sql.prepare('PRAGMA wal_autocheckpoint').get()).toEqual([0])
    for (const file of [path, `${path}-wal`, `${path}-shm`]) {
      expect(statSync(file).mode & 0o777).toBe(0o600)
    }
    sql.close()

    const again = await openSql({ driver, path })
    expect(again.prepare('SELECT a FROM t').all()).toEqual([[7]])
    again.close()
  })

  test('that is no database is refused', async () => {
    const path = join(tempDir(), 'state-0.db')
    writeFileSync(path, 'this is not a database, it is a sentence of some length'.repeat(40))
    expect(openSql({ driver, path })).rejects.toThrow()
  })
})

test('openSql() chooses the native driver by itself', async () => {
  const sql = await openSql({ driver: null, path: ':memory:' })
  expect(sql.driver).toBe('bun')
  sql.close()
})

test('sql.js leaves no file behind, whatever path it is given', async () => {
  const dir = tempDir()
  const sql = await openSql({ driver: 'sql.js', path: join(dir, 'state-0.db') })
  sql.exec('CREATE TABLE t (a INTEGER) STRICT')
  sql.close()
  expect(() => statSync(join(dir, 'state-0.db'))).toThrow('ENOENT')
})
