/** A copy of the live database that takes its place, or leaves no trace. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadSql } from '../../src/runtime/sqlite.ts'
import { StateCopy } from '../../src/runtime/state-copy.ts'
import { openStateFile, removeOtherFiles } from '../../src/runtime/state-file.ts'

const factory = await loadSql('bun')
let dir = ''

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rollcall-copy-'))
})

afterEach(() => {
  rmSync(dir, { recursive: true })
})

/** A live database whose one row is in its `-wal` alone, as a process that was killed leaves it. */
function liveWithRow() {
  const live = openStateFile(dir)
  const killed = factory.open(live.path)
  killed.exec('CREATE TABLE t (a INTEGER) STRICT')
  killed.exec('INSERT INTO t VALUES (1)')
  return { live, killed }
}

const rowsOf = (path: string) => {
  const sql = factory.open(path)
  const rows = sql.prepare('SELECT a FROM t ORDER BY a').all()
  sql.close()
  return rows
}

test('commit() puts the copy and its changes in place, durably, with nothing left beside it', () => {
  const { live, killed } = liveWithRow()
  const copy = new StateCopy(dir, live, factory)
  killed.close()
  copy.sql.exec('INSERT INTO t VALUES (2)')
  expect(rowsOf(live.path)).toEqual([[1]])

  const made = copy.commit(900, 'new')
  copy.discard()
  expect(openStateFile(dir)).toEqual(made)
  expect(made).toEqual({ path: join(dir, 'state-900.db'), index: 900, foundedAnew: 'new' })
  expect(rowsOf(made.path)).toEqual([[1], [2]])
  removeOtherFiles(dir, made)
  expect(readdirSync(dir).toSorted()).toEqual(['CURRENT', 'state-900.db'])
})

test('discard() leaves the live database as it was', () => {
  const { live, killed } = liveWithRow()
  const before = [live.path, `${live.path}-wal`].map((path) => readFileSync(path))
  const copy = new StateCopy(dir, live, factory)
  copy.sql.exec('DELETE FROM t')
  copy.discard()

  expect([live.path, `${live.path}-wal`].map((path) => readFileSync(path))).toEqual(before)
  expect(readdirSync(dir).filter((name) => name.includes('copy'))).toEqual([])
  killed.close()
  expect(openStateFile(dir)).toEqual(live)
})

test('what a copy that was cut off left behind is in nobody’s way', () => {
  const { live, killed } = liveWithRow()
  killed.close()
  for (const suffix of ['', '-wal', '-shm']) {
    writeFileSync(join(dir, `state-0-copy.tmp${suffix}`), 'half of it')
  }
  const copy = new StateCopy(dir, live, factory)
  expect(copy.sql.prepare('SELECT a FROM t').all()).toEqual([[1]])
  copy.discard()

  writeFileSync(join(dir, 'state-0-copy.tmp-wal'), 'half of it')
  removeOtherFiles(dir, live)
  expect(readdirSync(dir).toSorted()).toEqual(['CURRENT', 'state-0.db'])
})

test('looking at a database changes neither it nor its -wal', () => {
  const { live, killed } = liveWithRow()
  const before = [live.path, `${live.path}-wal`].map((path) => readFileSync(path))
  const sql = factory.openReadOnly(live.path)
  expect(sql.prepare('SELECT a FROM t').all()).toEqual([[1]])
  expect(() => sql.exec('DELETE FROM t')).toThrow()
  sql.close()
  expect([live.path, `${live.path}-wal`].map((path) => readFileSync(path))).toEqual(before)
  killed.close()
})
