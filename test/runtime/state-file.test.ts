import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSql } from '../../src/runtime/sqlite.ts'
import {
  findStateFile,
  isDataDirectory,
  makeCurrent,
  openStateFile,
  StateFileError,
} from '../../src/runtime/state-file.ts'

let dir = ''

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rollcall-file-'))
})

afterEach(() => {
  rmSync(dir, { recursive: true })
})

test('a fresh directory gets state-0.db, named by CURRENT, both private', () => {
  expect(openStateFile(dir)).toEqual({ path: join(dir, 'state-0.db'), index: 0, foundedAnew: null })
  expect(readdirSync(dir).toSorted()).toEqual(['CURRENT', 'state-0.db'])
  expect(readFileSync(join(dir, 'CURRENT'), 'utf8')).toBe('state-0.db\n')
  for (const name of readdirSync(dir)) expect(statSync(join(dir, name)).mode & 0o777).toBe(0o600)
})

test('the database that CURRENT names is opened again, with its rows', async () => {
  const first = await openSql({ driver: 'bun', path: openStateFile(dir).path })
  first.exec('CREATE TABLE t (a INTEGER) STRICT')
  first.close()
  const second = await openSql({ driver: 'bun', path: openStateFile(dir).path })
  expect(second.prepare('SELECT count(*) FROM t').get()).toEqual([0])
  second.close()
})

test('CURRENT decides, whatever else lies there', () => {
  openStateFile(dir)
  writeFileSync(join(dir, 'state-4711.db'), '')
  expect(openStateFile(dir).index).toBe(0)
  writeFileSync(join(dir, 'CURRENT'), 'state-4711.db\n')
  expect(openStateFile(dir)).toEqual({
    path: join(dir, 'state-4711.db'),
    index: 4711,
    foundedAnew: null,
  })
})

test('without CURRENT a half-made database is made anew, without its old -wal', () => {
  for (const name of ['state-0.db', 'state-0.db-wal', 'state-0.db-shm', 'state-9.db', 'other']) {
    writeFileSync(join(dir, name), 'old')
  }
  openStateFile(dir)
  expect(readdirSync(dir).toSorted()).toEqual(['CURRENT', 'other', 'state-0.db'])
  expect(statSync(join(dir, 'state-0.db')).size).toBe(0)
})

test('a CURRENT that names a missing file is an error, and nothing is made', () => {
  writeFileSync(join(dir, 'CURRENT'), 'state-7.db\n')
  expect(() => openStateFile(dir)).toThrow(StateFileError)
  expect(readdirSync(dir)).toEqual(['CURRENT'])
})

test.each(['', 'state-.db', '../state-0.db', 'state-0.db\nstate-1.db', 'state-01.db', '\0\0\0'])(
  'a damaged CURRENT is an error: %j',
  (text) => {
    writeFileSync(join(dir, 'CURRENT'), text)
    expect(() => openStateFile(dir)).toThrow(StateFileError)
  },
)

test('a database of a cluster that was founded anew says so in CURRENT', () => {
  openStateFile(dir)
  writeFileSync(join(dir, 'state-7.db'), '')
  const made = makeCurrent(dir, 7, 'c0ffee')
  expect(made).toEqual({ path: join(dir, 'state-7.db'), index: 7, foundedAnew: 'c0ffee' })
  expect(openStateFile(dir)).toEqual(made)
  makeCurrent(dir, 7)
  expect(openStateFile(dir).foundedAnew).toBeNull()
})

test('looking for the live database makes nothing', () => {
  expect(findStateFile(dir)).toBeNull()
  expect(isDataDirectory(dir)).toBe(false)
  expect(readdirSync(dir)).toEqual([])
  openStateFile(dir)
  expect(findStateFile(dir)?.index).toBe(0)
  expect(isDataDirectory(dir)).toBe(true)
})
