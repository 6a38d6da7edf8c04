import { expect, test } from 'bun:test'
import type { Entry } from '../../src/raft/types.ts'
import { openSql } from '../../src/runtime/sqlite.ts'
import { StateMachine } from '../../src/state/mod.ts'
import type { Command, CommandOf, Sql } from '../../src/state/mod.ts'
import { commandEntry, configPut, instancePut, stagePut } from './support.ts'

const NS = 'default'
const MINUTE = 60_000

type Trim = CommandOf<'history_trim'>

const trim = (given: Partial<Trim> = {}): Trim => ({
  type: 'history_trim',
  versions: 3,
  ageMs: 0,
  feedMs: 10 * MINUTE,
  feedRevisions: 1_000_000,
  rows: 1_000,
  ...given,
})

/** A state machine whose cluster clock a test sets. */
class Timed {
  readonly machine: StateMachine
  readonly #sql: Sql
  clusterMs = 0

  constructor(sql: Sql) {
    this.#sql = sql
    this.machine = StateMachine.open(sql)
  }

  static async open(): Promise<Timed> {
    const timed = new Timed(await openSql({ driver: 'bun', path: ':memory:' }))
    timed.apply({ type: 'cluster_version', version: 3 })
    return timed
  }

  apply(command: Command): void {
    const entry: Entry = {
      ...commandEntry(this.machine.appliedIndex + 1, command),
      clusterMs: this.clusterMs,
      wallMs: 0, // Another one than the cluster's clock: nothing may go by it.
    }
    const [outcome] = this.machine.applyBatch([entry]).outcomes
    if (outcome?.ok !== true) throw new Error(`refused: ${JSON.stringify(outcome)}`)
  }

  /** Trims until there is nothing more to do; says how many commands that took. */
  trimAll(given: Partial<Trim> = {}): number {
    const command = trim(given)
    for (let trims = 0; ; trims++) {
      if (!this.machine.isTrimDue(command, this.clusterMs)) return trims
      if (trims > 10_000) throw new Error('trimming does not end')
      this.apply(command)
    }
  }

  count(table: string): number {
    const [count] = this.#sql.prepare(`SELECT count(*) FROM ${table}`).get() ?? []
    return count as number
  }

  versions(key: string): readonly number[] {
    const page = { before: null, limit: 10_000 }
    return this.machine.configHistory(NS, key, page).map(({ version }) => version)
  }
}

/** So many versions of `k`, and then twenty minutes: all of it is older than the feed. */
async function aged(versions: number): Promise<Timed> {
  const timed = await Timed.open()
  for (let i = 1; i <= versions; i++) timed.apply(configPut('k', `v${i}`))
  timed.trimAll() // It notes the time.
  timed.clusterMs += 20 * MINUTE
  return timed
}

test('of each key the newest versions stay, whatever their age', async () => {
  const timed = await aged(8)
  timed.apply(configPut('quiet', 'x'))

  timed.trimAll()

  expect(timed.versions('k')).toEqual([8, 7, 6])
  expect(timed.versions('quiet')).toEqual([1])
  expect(timed.machine.config(NS, 'k')?.version).toBe(8)
  expect(timed.machine.configVersion(NS, 'k', 5)).toBe(null)
  expect(timed.machine.recomputeHash()).toBe(timed.machine.stateHash())
})

test('with one version kept the value that a key points to stays, also of a deleted key', async () => {
  const timed = await aged(4)
  timed.apply(configPut('gone', 'x'))
  timed.apply({ type: 'config_delete', ns: NS, key: 'gone', by: null, expect: null })
  timed.trimAll({ versions: 1 })
  timed.clusterMs += 20 * MINUTE

  timed.trimAll({ versions: 1 })

  expect(timed.versions('k')).toEqual([4])
  expect(timed.machine.config(NS, 'k')?.value).toEqual(new TextEncoder().encode('v4'))
  expect(timed.versions('gone')).toEqual([1, 1]) // The deletion, and what was deleted.
})

test('nothing that is younger than the feed goes, and watches may begin there', async () => {
  const timed = await Timed.open()
  for (let i = 0; i < 8; i++) timed.apply(configPut('k', `v${i}`))
  timed.trimAll()
  timed.clusterMs += 9 * MINUTE
  timed.trimAll()

  expect(timed.versions('k')).toHaveLength(8)
  expect(timed.machine.oldestRevision).toBe(0)
})

test('versions beyond those kept stay while they are younger than the age', async () => {
  const timed = await aged(8)
  timed.trimAll({ ageMs: 60 * MINUTE })
  expect(timed.versions('k')).toHaveLength(8)

  timed.clusterMs += 50 * MINUTE
  timed.trimAll({ ageMs: 60 * MINUTE })
  expect(timed.versions('k')).toEqual([8, 7, 6])
})

test('all else goes from the feed with its age, and the floor says so before', async () => {
  const timed = await Timed.open()
  for (let i = 0; i < 5; i++) timed.apply(instancePut({ weight: i }))
  const last = timed.machine.revision
  timed.trimAll()
  timed.clusterMs += 20 * MINUTE
  timed.apply(trim({ rows: 1 }))

  expect(timed.machine.oldestRevision).toBeGreaterThanOrEqual(last)
  const { oldestRevision } = timed.machine
  timed.trimAll()
  expect(timed.machine.oldestRevision).toBe(oldestRevision)
  expect(timed.count('event')).toBe(0)
  expect(timed.machine.recomputeHash()).toBe(timed.machine.stateHash())
})

test('what is staged stays while it is, ends no sweep, and goes with its stage', async () => {
  const timed = await Timed.open()
  const stages = ['a', 'b', 'c', 'd']
  for (const stage of stages) timed.apply(stagePut({ stage }))
  timed.apply(stagePut({ stage: 'a', text: 'anew' }))
  for (let i = 1; i <= 8; i++) timed.apply(configPut('k', `v${i}`))
  timed.trimAll()
  timed.clusterMs += 20 * MINUTE

  timed.trimAll({ rows: 1 })
  expect(timed.versions('k')).toEqual([8, 7, 6])
  expect(timed.count('event')).toBe(3 + stages.length)

  const name = { ns: NS, key: 'app', by: null, expect: null }
  timed.apply({ type: 'config_stage_delete', stage: 'b', ...name })
  timed.apply(stagePut({ stage: 'c', text: 'anew' }))
  const promoted = { comment: null, stageRevision: null }
  timed.apply({ type: 'config_stage_promote', stage: 'd', ...promoted, ...name })
  for (const _ of ['its time is noted', 'and is long ago']) {
    timed.clusterMs += 20 * MINUTE
    timed.trimAll({ rows: 1 })
  }

  const [still, anew, version] = [1, 1, 1]
  expect(timed.count('event')).toBe(3 + still + anew + version)
  expect(timed.machine.recomputeHash()).toBe(timed.machine.stateHash())
})

test('the feed is bounded by revisions, too, however young they are', async () => {
  const timed = await Timed.open()
  for (let i = 0; i < 200; i++) timed.apply(instancePut({ weight: i }))

  timed.trimAll({ feedRevisions: 64 })

  const { oldestRevision, revision } = timed.machine
  expect(revision - oldestRevision).toBeLessThanOrEqual(66)
  expect(revision - oldestRevision).toBeGreaterThanOrEqual(64)
})

test('one command removes no more than its rows, and goes on where the last one ended', async () => {
  const timed = await aged(50)
  const before = timed.versions('k').length
  timed.apply(trim({ rows: 5 }))
  expect(before - timed.versions('k').length).toBeLessThanOrEqual(5)

  expect(timed.trimAll({ rows: 5 })).toBeGreaterThan(5)
  expect(timed.versions('k')).toEqual([50, 49, 48])
})

test('one command removes no more than a mebibyte of values and one more', async () => {
  const timed = await Timed.open()
  const value = 'x'.repeat(400_000)
  for (let i = 0; i < 9; i++) timed.apply(configPut('k', value))
  timed.trimAll()
  timed.clusterMs += 20 * MINUTE

  timed.apply(trim({ versions: 1 }))

  expect(timed.versions('k')).toHaveLength(6)
  timed.trimAll({ versions: 1 })
  expect(timed.versions('k')).toEqual([9])
})

test('a state that is not written to is trimmed to its end, and then left alone', async () => {
  const timed = await aged(30)
  timed.trimAll()
  for (let hours = 1; hours < 5; hours++) {
    timed.clusterMs += 60 * MINUTE
    expect(timed.trimAll()).toBe(0)
  }
})

test('the trims of a small feed do not make each other necessary', async () => {
  const timed = await Timed.open()
  for (let i = 0; i < 200; i++) timed.apply(instancePut({ weight: i }))

  expect(timed.trimAll({ feedRevisions: 128, rows: 16 })).toBeLessThan(20)
})

test('marks of the cluster’s clock are few, whatever the ages and however long it runs', async () => {
  const timed = await Timed.open()
  for (let minute = 0; minute < 600; minute++) {
    timed.clusterMs += MINUTE
    timed.apply(configPut('k', 'x'))
    timed.apply(trim())
  }

  expect(timed.count('history_mark')).toBeLessThan(80)
})
