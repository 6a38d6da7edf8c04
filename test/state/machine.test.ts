import { afterEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Entry } from '../../src/raft/types.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { decode, encode } from '../../src/lib/msgpack.ts'
import { openSql } from '../../src/runtime/sqlite.ts'
import {
  CLUSTER_VERSION_MAX,
  EVENT_KINDS,
  createPlace,
  examineState,
  SchemaError,
  StateMachine,
  UnknownCommand,
} from '../../src/state/mod.ts'
import { commandEntry, configPut, entry, Fed, instancePut, WALL_START_MS, WEB } from './support.ts'

const dirs: string[] = []

function databasePath(): string {
  const dir = mkdtempSync(join(tmpdir(), 'rollcall-state-'))
  dirs.push(dir)
  return join(dir, 'state-0.db')
}

afterEach(() => {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true })
})

test('a new state machine is empty', async () => {
  const { machine } = await Fed.open()
  expect(machine).toMatchObject({
    revision: 0,
    appliedIndex: 0,
    appliedTerm: 0,
    clusterMs: 0,
    clusterVersion: 1,
    membershipBytes: null,
    membershipIndex: 0,
  })
  expect(machine.stateHash()).toBe('0000000000000000')
  expect(machine.recomputeHash()).toBe('0000000000000000')
  expect([...machine.leases()]).toEqual([])
})

test('no-ops and memberships move the applied index and have no outcome', async () => {
  const { machine } = await Fed.open()
  const membership = utf8('as the core wrote it')

  const batch = machine.applyBatch([
    entry(1, { type: 'membership', data: utf8('older') }),
    entry(2, { type: 'noop', data: new Uint8Array(0), term: 3, clusterMs: 12.5 }),
    at(3, 3),
    entry(4, { type: 'membership', data: membership, term: 5, clusterMs: 99.25 }),
  ])

  expect(batch.outcomes.map((outcome) => outcome?.ok ?? null)).toEqual([null, null, true, null])
  expect(batch.membershipChanged).toEqual(membership)
  expect(machine).toMatchObject({
    appliedIndex: 4,
    appliedTerm: 5,
    clusterMs: 99.25,
    membershipBytes: membership,
    membershipIndex: 4,
  })
  expect(machine.applyBatch([at(5, 5)]).membershipChanged).toBeNull()
})

test('an empty batch does nothing', async () => {
  const { machine } = await Fed.open()
  expect(machine.applyBatch([])).toEqual({
    outcomes: [],
    topics: [],
    leases: [],
    notes: [],
    events: [],
    readyLocks: [],
    membershipChanged: null,
  })
})

function at(index: number, term: number): Entry {
  return { ...commandEntry(index, configPut('a', 'y')), term }
}

test('a gap, a repetition and a term that falls are bugs', async () => {
  const { machine } = await Fed.open()
  machine.applyBatch([{ ...commandEntry(1, configPut('a', 'x')), term: 2 }])

  expect(() => machine.applyBatch([at(1, 2)])).toThrow('without a gap')
  expect(() => machine.applyBatch([at(3, 2)])).toThrow('without a gap')
  expect(() => machine.applyBatch([at(2, 2), at(4, 2)])).toThrow('without a gap')
  expect(() => machine.applyBatch([at(2, 1)])).toThrow('terms never go back')
  expect(machine.appliedIndex).toBe(1)
  machine.applyBatch([at(2, 2)])
  expect(machine.appliedIndex).toBe(2)
})

test('a command from the future stops the batch before anything of it is applied', async () => {
  const { machine } = await Fed.open()
  const before = machine.stateHash()
  const batch = [
    commandEntry(1, configPut('a', 'x')),
    entry(2, { type: 'command', data: encode([99]) }),
  ]
  expect(() => machine.applyBatch(batch)).toThrow(UnknownCommand)
  expect(machine.appliedIndex).toBe(0)
  expect(machine.stateHash()).toBe(before)
  expect(machine.config('default', 'a')).toBeNull()
})

test('cluster_version never falls', async () => {
  const fed = await Fed.open()
  expect(fed.apply({ type: 'cluster_version', version: 1 })).toMatchObject({ ok: true })
  expect(fed.machine.clusterVersion).toBe(1)
})

test('a check is refused until the clusterVersion knows it, and then notes the hash', async () => {
  const fed = await Fed.open()
  fed.ok(configPut('a', 'x'))
  expect(fed.apply({ type: 'state_check' })).toMatchObject({ ok: false, code: 'conflict' })
  expect(fed.last.notes).toEqual([])

  fed.ok({ type: 'cluster_version', version: 2 })
  const hash = fed.machine.stateHash()
  const index = fed.ok({ type: 'state_check' })
  expect(fed.last.notes).toEqual([{ type: 'check', index, hash }])
  fed.ok({ type: 'state_verdict', index, hash, schema: 1 })
  expect(fed.last.notes).toEqual([{ type: 'verdict', index, hash, schema: 1 }])
  expect(fed.machine.stateHash()).toBe(hash)
})

test('a check in the middle of a batch sees what a check at its end would have', async () => {
  const commands = [instancePut({}), configPut('a', 'x'), configPut('b', 'y')]
  const check = { type: 'state_check' } as const
  const one = await Fed.open()
  const other = await Fed.open()
  for (const { machine } of [one, other]) {
    machine.applyBatch([commandEntry(1, { type: 'cluster_version', version: 2 })])
  }
  const entries = [...commands, check, instancePut({}), check].map((command, i) =>
    commandEntry(i + 2, command),
  )
  const { notes } = one.machine.applyBatch(entries)

  const seen = entries.flatMap((each) => other.machine.applyBatch([each]).notes)
  expect(notes).toEqual(seen)
  expect(new Set(notes.map((note) => note.hash)).size).toBe(2)
  expect(one.machine.recomputeHash()).toBe(other.machine.stateHash())
})

test('examine() finds a row that changed behind the hash, and a page that is no page', async () => {
  const path = databasePath()
  const sql = await openSql({ driver: 'bun', path })
  const machine = StateMachine.open(sql)
  machine.applyBatch([commandEntry(1, configPut('a', 'x')), commandEntry(2, configPut('b', 'y'))])
  machine.save()
  expect(examineState(sql)).toBeNull()

  sql.exec("UPDATE config SET version = 7 WHERE key = 'a'")
  expect(examineState(sql)).toMatch(/^its rows have the hash [0-9a-f]{16}, not [0-9a-f]{16}/)
  sql.exec("UPDATE config SET version = 1 WHERE key = 'a'")
  expect(examineState(sql)).toBeNull()
  machine.close()
})

test('a database of a newer clusterVersion is left alone, with what to do', async () => {
  const path = databasePath()
  const sql = await openSql({ driver: 'bun', path })
  const machine = StateMachine.open(sql)
  machine.applyBatch([commandEntry(1, { type: 'cluster_version', version: 2 })])
  sql.exec(`UPDATE setting SET value = ${CLUSTER_VERSION_MAX + 1}`)

  expect(() => StateMachine.open(sql)).toThrow(SchemaError)
  expect(() => StateMachine.open(sql)).toThrow(
    new RegExp(`clusterVersion ${CLUSTER_VERSION_MAX + 1}.*no more than.*newer rollcall`),
  )
  machine.close()
})

test('a database of an older program is given the tables and indexes that came since', async () => {
  const path = databasePath()
  const machine = StateMachine.open(await openSql({ driver: 'bun', path }))
  machine.applyBatch([commandEntry(1, configPut('a', 'x'))])
  const hash = machine.stateHash()
  machine.close()
  const older = await openSql({ driver: 'bun', path })
  older.exec('DROP TABLE lock_waiter')
  older.exec('DROP TABLE idempotency')
  older.exec('CREATE TABLE idempotency (other TEXT PRIMARY KEY)')
  older.exec('DROP INDEX config_by_lease')

  expect(examineState(older)).toBeNull()
  const completed = StateMachine.open(older)
  expect(completed.stateHash()).toBe(hash)
  expect(completed.recomputeHash()).toBe(hash)
  const names = older.prepare('SELECT name FROM sqlite_schema').all().flat()
  expect(names).toEqual(expect.arrayContaining(['lock_waiter', 'config_by_lease']))
  expect(
    older.prepare('SELECT count(*) FROM pragma_table_info(?1)').get('idempotency'),
  ).not.toEqual([1])
  completed.close()
})

test('wants() decides what an outcome holds, and no row', async () => {
  const one = await Fed.open()
  const other = await Fed.open()
  const batch = [commandEntry(1, instancePut()), commandEntry(2, configPut('a', 'x'))]

  const asked: number[] = []
  const some = one.machine.applyBatch(batch, (index) => asked.push(index) > 1)
  other.machine.applyBatch(batch)

  expect(asked).toEqual([1, 2])
  expect(some.outcomes).toMatchObject([
    { ok: true, revision: 1, created: true, result: null },
    { ok: true, revision: 2, created: true, result: { type: 'config' } },
  ])
  expect(one.machine.stateHash()).toBe(other.machine.stateHash())
})

test('a topic is told once a batch where it has a scope, with its newest revision', async () => {
  const { machine } = await Fed.open()
  const { topics } = machine.applyBatch([
    commandEntry(1, instancePut()),
    commandEntry(2, instancePut({}, { key: { ...WEB, id: 'b' } })),
    commandEntry(3, instancePut()),
  ])
  const of = (topic: string) =>
    topics.filter((change) => change.topic === topic).map((change) => change.revision)
  expect(of('services')).toEqual([3])
  expect(of('services/web')).toEqual([3])
  expect(of('services/web/a')).toEqual([1, 3])
  expect(of('services/web/b')).toEqual([2])
})

test.each(['bun', 'node'] as const)('%s: a database on disk is gone on with', async (driver) => {
  const path = databasePath()
  const control = await Fed.open()
  const batches = [
    [commandEntry(1, instancePut({ metadata: { a: 'b' } })), commandEntry(2, configPut('a', 'x'))],
    [entry(3, { type: 'membership', data: utf8('m'), clusterMs: 30.5 })],
    [commandEntry(4, { type: 'lease_grant', ns: 'n', id: 'l', ttlMs: 5, owner: null })],
    [commandEntry(5, { type: 'instance_delete', key: WEB, expect: null })],
  ]
  for (const batch of batches) {
    const machine = StateMachine.open(await openSql({ driver, path }))
    const expected = control.machine.applyBatch(batch)
    expect(machine.applyBatch(batch)).toEqual(expected)
    machine.close()
  }

  const machine = StateMachine.open(await openSql({ driver, path }))
  expect(machine.appliedIndex).toBe(5)
  expect(machine.membershipBytes).toEqual(utf8('m'))
  expect(machine.stateHash()).toBe(control.machine.stateHash())
  expect(machine.recomputeHash()).toBe(machine.stateHash())
  expect([...machine.leases()]).toEqual([...control.machine.leases()])
  machine.close()
})

test('a batch that a crash cut off leaves no trace', async () => {
  const path = databasePath()
  const sql = await openSql({ driver: 'bun', path })
  const machine = StateMachine.open(sql)
  machine.applyBatch([commandEntry(1, configPut('a', 'x'))])
  const hash = machine.stateHash()
  machine.save()
  sql.exec('CREATE TEMP TRIGGER fail BEFORE UPDATE ON config BEGIN SELECT RAISE(FAIL, "full"); END')

  expect(() => machine.applyBatch([commandEntry(2, configPut('a', 'y'))])).toThrow('full')
  expect(() => machine.applyBatch([commandEntry(2, configPut('a', 'y'))])).toThrow('not used again')
  machine.close()

  const again = StateMachine.open(await openSql({ driver: 'bun', path }))
  expect(again.appliedIndex).toBe(1)
  expect(again.config('default', 'a')?.version).toBe(1)
  expect(again.stateHash()).toBe(hash)
  expect(again.recomputeHash()).toBe(hash)
  again.close()
})

test('a save that fails leaves nothing of what it was for', async () => {
  const path = databasePath()
  const sql = await openSql({ driver: 'bun', path })
  const machine = StateMachine.open(sql)
  machine.applyBatch([commandEntry(1, configPut('a', 'x'))])
  machine.save()
  machine.applyBatch([commandEntry(2, configPut('a', 'y'))])
  machine.applyBatch([commandEntry(3, configPut('a', 'z'))])
  sql.exec(
    'CREATE TEMP TRIGGER fail BEFORE UPDATE ON applied BEGIN SELECT RAISE(FAIL, "full"); END',
  )

  expect(() => machine.save()).toThrow('full')
  expect(() => machine.save()).toThrow('saves nothing')
  machine.close()

  const again = StateMachine.open(await openSql({ driver: 'bun', path }))
  expect(again).toMatchObject({ appliedIndex: 1, savedIndex: 1 })
  expect(again.config('default', 'a')?.version).toBe(1)
  again.close()
})

test('what was applied is read at once, and is in the database once it is saved', async () => {
  const path = databasePath()
  const machine = StateMachine.open(await openSql({ driver: 'bun', path }))
  const beside = await openSql({ driver: 'bun', path })
  const found = (): readonly unknown[] => [
    ...(beside.prepare('SELECT applied_index FROM applied').get() ?? []),
    beside.prepare('SELECT * FROM config').all().length,
  ]
  for (let index = 1; index <= 3; index++) {
    machine.applyBatch([commandEntry(index, configPut(`k${index}`, 'x'))])
  }
  expect(machine).toMatchObject({ appliedIndex: 3, savedIndex: 0 })
  expect(machine.config('default', 'k3')?.revision).toBe(3)
  expect(found()).toEqual([0, 0])

  machine.save()
  machine.save() // Nothing is open any more.
  expect(machine).toMatchObject({ appliedIndex: 3, savedIndex: 3 })
  expect(found()).toEqual([3, 3])

  machine.applyBatch([commandEntry(4, configPut('k4', 'x'))])
  machine.close() // Saves the rest.
  expect(found()).toEqual([4, 4])
  beside.close()
})

test('a database of another schema is refused', async () => {
  const path = databasePath()
  const sql = await openSql({ driver: 'bun', path })
  StateMachine.open(sql)
  sql.exec('UPDATE applied SET schema_version = 2')
  expect(() => StateMachine.open(sql)).toThrow(SchemaError)
  sql.close()
})

test('the hash notices a row that changed behind its back', async () => {
  const path = databasePath()
  const sql = await openSql({ driver: 'bun', path })
  const machine = StateMachine.open(sql)
  machine.applyBatch([commandEntry(1, configPut('a', 'x')), commandEntry(2, instancePut())])
  expect(machine.recomputeHash()).toBe(machine.stateHash())
  for (const damage of [
    "UPDATE event SET value = x'79' WHERE revision = 1",
    'UPDATE config SET version = version + 1',
    "UPDATE lease SET attributes = '{}'",
    "DELETE FROM scope WHERE topic = 'services'",
  ]) {
    const before = machine.recomputeHash()
    sql.exec(damage)
    expect(machine.recomputeHash()).not.toBe(before)
  }
  machine.close()
})

test('events tell every change once, in order, with what it became', async () => {
  const sql = await openSql({ driver: 'bun', path: ':memory:' })
  const fed = new Fed(StateMachine.open(sql))
  fed.ok(instancePut())
  fed.ok({ type: 'lease_grant', ns: 'default', id: 'l', ttlMs: 5, owner: null })
  fed.ok(configPut('a', 'one', { lease: 'l', by: 'ann', comment: 'first' }))
  fed.ok(configPut('b', 'two', { lease: 'l' }))
  fed.ok({ type: 'lease_revoke', ns: 'default', id: 'l' })
  fed.ok({ type: 'lease_expire', leases: [{ id: 'i:default/web/a', leaseRevision: 1 }] })
  fed.ok({
    type: 'service_put',
    ns: 'default',
    service: 'web',
    settings: { metadata: {}, protectThreshold: 0 },
    expect: null,
  })

  const kinds = new Map(
    Object.entries(EVENT_KINDS).map(([kind, number]) => [number as number, kind]),
  )
  const events = sql
    .prepare('SELECT revision, n, topic, kind, at_ms, body, value FROM event ORDER BY revision, n')
    .all()
  expect(
    events.map(([revision, n, topic, kind]) => [revision, n, topic, kinds.get(kind as number)]),
  ).toEqual([
    [1, 0, 'services/web/a', 'instance.registered'],
    [3, 0, 'config/a', 'config.put'],
    [4, 0, 'config/b', 'config.put'],
    [5, 0, 'config/a', 'config.deleted'],
    [5, 1, 'config/b', 'config.deleted'],
    [6, 0, 'services/web/a', 'instance.expired'],
    [7, 0, 'services/web', 'service.updated'],
  ])
  expect(events[1]?.slice(4)).toEqual([
    WALL_START_MS + 3,
    encode([1, 'text/plain', 'ann', 'first', 'l']),
    utf8('one'),
  ])
  expect(decode(events[3]?.[5] as Uint8Array)).toEqual([1, 'text/plain', null, null, null])
  expect(events[3]?.[6]).toBeNull()
})

test('a row’s attributes are carried over and never read', async () => {
  const sql = await openSql({ driver: 'bun', path: ':memory:' })
  const before = new Fed(StateMachine.open(sql))
  before.ok(instancePut())
  before.ok(configPut('a', 'x'))
  before.machine.save()
  for (const table of ['instance', 'lease', 'config', 'scope']) {
    sql.exec(`UPDATE ${table} SET attributes = '{"kept":true}'`)
  }
  const fed = new Fed(StateMachine.open(sql)) // As a newer program left it.
  fed.ok(instancePut({ port: 1 }))
  fed.ok(configPut('a', 'y'))
  for (const table of ['instance', 'lease', 'config']) {
    expect(sql.prepare(`SELECT attributes FROM ${table}`).all()).toEqual([['{"kept":true}']])
  }
})

test('place() makes a state that is a place in the log, and goes on from there', async () => {
  const sql = await openSql({ driver: 'bun', path: ':memory:' })
  const data = new Uint8Array([1, 2, 3])

  createPlace(sql, { index: 7, term: 3 }, { index: 4, data })

  const machine = StateMachine.open(sql)
  expect([machine.appliedIndex, machine.appliedTerm, machine.membershipIndex]).toEqual([7, 3, 4])
  expect(machine.membershipBytes).toEqual(data)
  expect(machine.stateHash()).toBe(machine.recomputeHash())
  const where = { term: 3, index: 8, clusterMs: 9, wallMs: 0 }
  const next: Entry = { type: 'withheld', ...where, data: new Uint8Array(0) }
  expect(machine.applyBatch([next])).toMatchObject({ outcomes: [null], topics: [] })
  expect([machine.appliedIndex, machine.clusterMs]).toEqual([8, 9])
})
