/**
 * DESIGN §1.2: what a node keeps in memory of a key's events decides no row. One node runs on; the
 * other is started anew, or goes on with a copy of its database, before nearly every entry.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { prng, type Random } from '../../src/lib/prng.ts'
import { openSql } from '../../src/runtime/sqlite.ts'
import { StateMachine } from '../../src/state/mod.ts'
import type { Command, Sql } from '../../src/state/mod.ts'
import { commandEntry, configPut, match } from './support.ts'

const NS = 'default'
const SEEDS = Array.from({ length: 8 }, (_, i) => i + 1)
const COMMANDS = 500
const KEYS = ['hot', 'hot/a', 'warm', 'z']

let dir = ''

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rollcall-spines-'))
})

afterAll(() => rm(dir, { recursive: true, force: true }))

type Write = Extract<Command, { type: 'config_put' | 'config_delete' | 'config_rollback' }>

function write(random: Random): Write {
  // Half of the writes are of one key: its chain grows long while the others' stay short.
  const key = KEYS[Math.max(0, random(2 * KEYS.length) - KEYS.length)] as string
  const common = { ns: NS, key, by: null, expect: null }
  switch (random(12)) {
    case 0:
      return { type: 'config_delete', ...common }
    case 1:
      return { type: 'config_rollback', ...common, to: 1 + random(40), comment: null }
    default:
      return configPut(key, `v${random(1_000)}`) as Write
  }
}

/** Some are refused by their last operation, when all the others are done. */
function transaction(random: Random): Command {
  const ops = Array.from({ length: 1 + random(5) }, () => write(random))
  const refused = random(2) === 0 ? [configPut('hot', 'never', { expect: match(999_999) })] : []
  return {
    type: 'txn',
    ns: NS,
    conditions: [],
    whenTrue: [...ops, ...refused].map((command) => ({ type: 'write', command }) as never),
    whenFalse: [],
  }
}

function command(random: Random, index: number, versions: number): Command {
  // A few events of each key are from before there were links.
  if (index === 1) return { type: 'cluster_version', version: 2 }
  if (index === 20) return { type: 'cluster_version', version: 3 }
  if (index < 20) return configPut(KEYS[random(KEYS.length)] as string, 'unlinked')
  if (random(8) === 0) {
    const policy = { versions, ageMs: 0, feedMs: 1_000_000, feedRevisions: 1 + random(30) }
    return { type: 'history_trim', ...policy, rows: 1 + random(20) }
  }
  return random(5) === 0 ? transaction(random) : write(random)
}

/** A node that remembers nothing from one entry to the next. */
class Forgetful {
  #sql: Sql
  machine: StateMachine

  constructor(sql: Sql) {
    this.#sql = sql
    this.machine = StateMachine.open(sql)
  }

  restart(): void {
    this.machine.save()
    this.machine = StateMachine.open(this.#sql)
  }
}

/** The machine goes on with a copy of its state, as with a snapshot that was sent to it. */
async function reinstall(machine: StateMachine, sql: Sql, path: string): Promise<Sql> {
  machine.save()
  sql.exec(`VACUUM INTO '${path}'`)
  const copy = await openSql({ driver: 'bun', path })
  machine.replace(copy)
  return copy
}

const bodies = (sql: Sql) => sql.prepare('SELECT revision, n, topic, body FROM event').all()

test.each(SEEDS)('seed %d: events are the same with spines and without', async (seed) => {
  const random = prng(seed)
  const versions = 1 + random(4)
  let sql = await openSql({ driver: 'bun', path: ':memory:' })
  const kept = StateMachine.open(sql)
  const other = await openSql({ driver: 'bun', path: ':memory:' })
  const forgetful = new Forgetful(other)
  let refused = 0
  let trimmed = 0
  for (let index = 1; index <= COMMANDS; index++) {
    const next = commandEntry(index, command(random, index, versions))
    if (random(10) > 0) forgetful.restart()
    if (random(100) === 0) sql = await reinstall(kept, sql, join(dir, `${seed}-${index}.db`))
    const before = sql.prepare('SELECT count(*) FROM event').get()?.[0] as number
    const [outcome] = kept.applyBatch([next]).outcomes

    expect(forgetful.machine.applyBatch([next]).outcomes).toEqual([outcome as never])
    expect(forgetful.machine.stateHash()).toBe(kept.stateHash())
    if (outcome?.ok === false) refused += 1
    if ((sql.prepare('SELECT count(*) FROM event').get()?.[0] as number) < before) trimmed += 1
  }
  expect(bodies(sql)).toEqual([...bodies(other)])
  expect(kept.recomputeHash()).toBe(kept.stateHash())
  // Else nothing of this was put to the test.
  expect(refused).toBeGreaterThan(10)
  expect(trimmed).toBeGreaterThan(10)
})

test.each([1, 2, 3])('a trim to %d versions is seen by the next link', async (versions) => {
  const policy = { versions, ageMs: 0, feedMs: 1_000_000, feedRevisions: 1, rows: 1_000 }
  for (let depth = 1; depth <= 40; depth++) {
    const sql = await openSql({ driver: 'bun', path: ':memory:' })
    const kept = StateMachine.open(sql)
    const forgetful = new Forgetful(await openSql({ driver: 'bun', path: ':memory:' }))
    const apply = (next: Command) => {
      const entries = [commandEntry(kept.appliedIndex + 1, next)]
      kept.applyBatch(entries)
      forgetful.restart()
      forgetful.machine.applyBatch(entries)
    }
    apply({ type: 'cluster_version', version: 3 })
    for (let i = 0; i < depth; i++) apply(configPut('k', `v${i}`))
    for (let i = 0; i < 3; i++) apply({ type: 'history_trim', ...policy })
    for (let i = 0; i < 3; i++) apply(configPut('k', 'after'))

    expect(kept.stateHash()).toBe(forgetful.machine.stateHash())
  }
})

test('a key that is written often is not read for its links', async () => {
  const { sql, reads } = counting(await openSql({ driver: 'bun', path: ':memory:' }))
  const machine = StateMachine.open(sql)
  machine.applyBatch([commandEntry(1, { type: 'cluster_version', version: 2 })])
  machine.applyBatch([commandEntry(2, { type: 'cluster_version', version: 3 })])
  for (let index = 3; index < 300; index++) {
    machine.applyBatch([commandEntry(index, configPut('hot', `v${index}`))], () => false)
  }

  expect(reads.filter((text) => /FROM event WHERE revision = \?1/.test(text))).toEqual([])
})

/** The same database; `reads` gets the text of each statement that asked it for rows. */
function counting(sql: Sql): { readonly sql: Sql; readonly reads: string[] } {
  const reads: string[] = []
  const prepare: Sql['prepare'] = (text) => {
    const statement = sql.prepare(text)
    return {
      run: (...params) => statement.run(...params),
      runRow: (row) => statement.runRow(row),
      get: (...params) => {
        reads.push(text)
        return statement.get(...params)
      },
      all: (...params) => {
        reads.push(text)
        return statement.all(...params)
      },
    }
  }
  return { sql: { ...sql, prepare }, reads }
}
