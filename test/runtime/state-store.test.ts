/** The files under the state machine: checkpoints, copies, and what an install leaves. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { silentLogger } from '../../src/lib/logger.ts'
import { serveSnapshot, type Stream, type StreamEvents } from '../../src/mesh/mod.ts'
import { encodeMembership, type Entry, type EntryId } from '../../src/raft/mod.ts'
import { FetchFile } from '../../src/runtime/fetch-file.ts'
import { openBun } from '../../src/runtime/sqlite-bun.ts'
import { guarded, isDamage, StateDamaged } from '../../src/runtime/sqlite-guard.ts'
import { loadSql } from '../../src/runtime/sqlite.ts'
import { StateStore } from '../../src/runtime/state-store.ts'
import { PATIENT_NICE } from '../../src/runtime/state-worker.ts'
import { encodeCommand, type Sql, type SqlDriver } from '../../src/state/mod.ts'
import { until } from '../support/until.ts'

const WORKER = new URL('../../src/state-worker.ts', import.meta.url)
const MEMBERSHIP = encodeMembership({
  members: [{ id: 'n1', incarnation: 'x', url: null, witness: false }],
  voters: ['n1'],
  outgoing: null,
  learners: [],
  wanted: null,
})

/** What the store under test is connected to. */
const streams: { open: (events: StreamEvents) => Stream } = {
  open: () => {
    throw new Error('nobody is asked')
  },
}

let dir = ''
const open: StateStore[] = []

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rollcall-store-'))
})

afterEach(async () => {
  for (const store of open.splice(0)) await closed(store)
  rmSync(dir, { recursive: true })
})

async function closed(store: StateStore): Promise<void> {
  await store.close()
  store.state.close()
}

async function storeIn(
  where: string,
  driver: SqlDriver = 'bun',
  restarts: EntryId[] = [],
): Promise<StateStore> {
  const store = new StateStore({
    dir: where,
    sql: await loadSql(driver),
    worker: WORKER,
    copyBytesPerSecond: 1e9,
    logger: silentLogger,
    openStream: (_to, _url, events) => streams.open(events),
    restartLog: (at) => restarts.push(at),
    onFailure: (error) => {
      throw error
    },
  })
  open.push(store)
  return store
}

/** Applies a membership and config writes up to `last`. */
function apply(store: StateStore, last: number, isSaved = true): void {
  const entries: Entry[] = []
  for (let index = store.state.appliedIndex + 1; index <= last; index++) {
    const shared = { term: 2, index, clusterMs: index, wallMs: index }
    const command = encodeCommand({
      type: 'config_put',
      ns: 'default',
      key: `k${index % 50}`,
      value: new Uint8Array(3_000).fill(index),
      contentType: 'text/plain',
      comment: null,
      by: null,
      lease: null,
      expect: null,
    })
    entries.push(
      index === 1
        ? { ...shared, type: 'membership', data: MEMBERSHIP }
        : { ...shared, type: 'command', data: command },
    )
  }
  store.state.applyBatch(entries)
  if (isSaved) store.state.save()
}

function checkpoint(store: StateStore, kind: 'passive' | 'reset'): Promise<boolean> {
  return new Promise((resolve) => store.checkpoint(kind, resolve))
}

function keep(store: StateStore): Promise<'kept' | 'no_room' | { wrong: string }> {
  const at = { index: store.state.appliedIndex, term: store.state.appliedTerm }
  return new Promise((resolve) => store.keepSnapshot(at, resolve))
}

function examine(store: StateStore): Promise<string | null> {
  return new Promise((resolve) => store.examine(resolve))
}

/** As a disk might, behind the back of whoever has it open. */
function falsify(path: string): void {
  const sql = openBun(path)
  sql.exec("UPDATE config SET version = 77 WHERE key = 'k7'")
  sql.close()
}

test('a checkpoint moves what was applied into the file; a reset empties the one beside it', async () => {
  const store = await storeIn(dir)
  apply(store, 200)
  const { dirtyBytes } = store
  expect(dirtyBytes).toBeGreaterThan(500_000)

  expect(await checkpoint(store, 'passive')).toBe(true)
  expect(statSync(join(dir, 'state-0.db')).size).toBeGreaterThan(150_000)
  apply(store, 201)
  expect(store.dirtyBytes).toBeLessThan(dirtyBytes) // It began anew by itself.
  expect(await checkpoint(store, 'reset')).toBe(true)
  expect(store.dirtyBytes).toBe(0)
  apply(store, 210)
  expect(store.state.recomputeHash()).toBe(store.state.stateHash())
})

test.skipIf(process.platform !== 'linux')('copies step back, checkpoints do not', async () => {
  const store = await storeIn(dir)
  apply(store, 30)
  expect(await checkpoint(store, 'reset')).toBe(true)
  expect(workerPriorities()).toEqual([0])
  expect(await keep(store)).toBe('kept')
  expect(workerPriorities()).toEqual([0, PATIENT_NICE])
  expect(await checkpoint(store, 'passive')).toBe(true)
  await store.close()
  expect(await until('the workers are gone', () => workerPriorities().length === 0)).toBe(true)
})

/** Of the threads of this process that are workers: what `nice` says, ascending. */
function workerPriorities(): number[] {
  const priorities: number[] = []
  for (const thread of readdirSync('/proc/self/task')) {
    const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'utf8')
    const [name, fields = ''] = stat.split(') ')
    if (name?.endsWith('(Worker')) priorities.push(Number(fields.split(' ')[16]))
  }
  return priorities.toSorted((a, b) => a - b)
}

test('without a database of its own the state is written as one, and read at the next start', async () => {
  const store = await storeIn(dir, 'sql.js')
  apply(store, 30)
  expect(await checkpoint(store, 'passive')).toBe(true)
  apply(store, 40) // Its statements still work.
  const hash = store.state.stateHash()
  expect(await checkpoint(store, 'passive')).toBe(true)
  expect(readFileSync(join(dir, 'CURRENT'), 'utf8')).toBe('state-40.db\n')
  expect(readdirSync(dir).toSorted()).toEqual(['CURRENT', 'state-40.db'])

  for (const driver of ['sql.js', 'bun'] as const) {
    const again = await storeIn(dir, driver)
    expect(again.state.appliedIndex).toBe(40)
    expect(again.state.recomputeHash()).toBe(hash)
    expect(again.installed).toEqual({ index: 40, term: 2 })
    await closed(again)
    open.pop()
  }
})

test('sql.js takes no database that a native driver has not put down', async () => {
  const store = await storeIn(dir)
  apply(store, 30)
  const copy = mkdtempSync(join(tmpdir(), 'rollcall-store-'))
  for (const name of readdirSync(dir)) copyFileSync(join(dir, name), join(copy, name))
  try {
    const beside = await storeIn(copy, 'sql.js')
    expect(beside.state.appliedIndex).toBe(0)
  } finally {
    for (const other of open.splice(1)) await closed(other)
    rmSync(copy, { recursive: true })
  }
})

for (const [maker, taker] of [
  ['bun', 'bun'],
  ['bun', 'sql.js'],
  ['sql.js', 'bun'],
] as const) {
  test(`a copy made by ${maker} is installed by ${taker}, under its own name and with an equal hash`, async () => {
    const source = await storeIn(dir, maker)
    apply(source, 120)
    expect(await checkpoint(source, 'reset')).toBe(true)
    const hash = source.state.stateHash()
    const kept = keep(source)
    apply(source, 150) // While it is copied.
    expect(await kept).toBe('kept')

    const made = source.find({ index: 120, term: 2 })
    expect(source.find({ index: 120, term: 3 })).toBeNull()
    if (made === null) throw new Error('it is kept')
    const there = join(dir, 'taker')
    mkdirSync(there)
    const restarts: EntryId[] = []
    const target = await storeIn(there, taker, restarts)
    apply(target, 3)
    const offer = offerOf(made.snapshot)
    await fetchInto(target, offer, made)

    expect(target.install(offer, 'restart')).toBe(true)
    expect(restarts).toEqual([made.snapshot])
    expect(target.state.appliedIndex).toBe(120)
    expect(target.state.recomputeHash()).toBe(hash)
    expect(target.installed).toEqual(made.snapshot)
    const left = readdirSync(there).filter((name) => !/-(wal|shm)$/.test(name))
    expect(left.toSorted()).toEqual(['CURRENT', 'state-120.db'])
    apply(target, 150)
    expect(target.state.stateHash()).toBe(source.state.stateHash())
  })
}

for (const driver of ['bun', 'sql.js'] as const) {
  test(`a witness is put in its place, and nothing is fetched (${driver})`, async () => {
    const restarts: EntryId[] = []
    const store = await storeIn(dir, driver, restarts)
    const offer = { ...offerOf({ index: 120, term: 2 }), membershipIndex: 40 }
    writeFileSync(join(dir, 'state-120.tmp'), 'what a crash has left')
    writeFileSync(join(dir, 'state-7.tmp-wal'), 'of another try')

    store.installPlace(offer)

    expect(restarts).toEqual([offer.snapshot])
    expect([store.state.appliedIndex, store.state.membershipIndex]).toEqual([120, 40])
    expect(store.installed).toEqual(offer.snapshot)
    const left = readdirSync(dir).filter((name) => !/db-(wal|shm)$/.test(name))
    expect(left.toSorted()).toEqual(['CURRENT', 'state-120.db'])
    await closed(store)
    open.pop()
    expect((await storeIn(dir, driver)).installed).toEqual(offer.snapshot)
  })
}

function offerOf(snapshot: EntryId): Parameters<StateStore['install']>[0] {
  return { from: 'n2', snapshot, membershipIndex: 1, membership: MEMBERSHIP }
}

/** Hands the bytes over without a network: a stream that serves them at once. */
async function fetchInto(
  target: StateStore,
  offer: Parameters<StateStore['fetch']>[0],
  made: NonNullable<ReturnType<StateStore['find']>>,
): Promise<void> {
  let result: string | null = null
  streams.open = (events) => {
    const server = serveSnapshot(
      {
        send: (type, payload) => {
          const bytes = new Uint8Array(Buffer.concat(payload))
          setTimeout(() => events.receive(type, bytes), 0)
          return true
        },
        bufferedBytes: () => 0,
        close: () => {},
      },
      () => made,
    )
    setTimeout(() => events.up(), 0)
    return {
      send: (type, payload) => {
        server.receive(type, new Uint8Array(Buffer.concat(payload)))
        return true
      },
      bufferedBytes: () => 0,
      close: () => {},
    }
  }
  target.fetch(offer, 'http://n2', {
    progress: () => {},
    done: (ended) => {
      result = ended
    },
  })
  await until('it is fetched', () => result !== null)
  expect(result as unknown).toBe('whole')
}

const seal = (): Promise<string | null> => Promise.resolve(null)

test('a file that was begun by another process is gone on with; another snapshot’s is removed', () => {
  const sha256 = new Uint8Array(32).fill(7)
  const snapshot = { index: 9, term: 2 }
  const first = new FetchFile(dir, snapshot, seal)
  expect(first.begin(sha256, 100)).toBe(0)
  expect(first.write(0, new Uint8Array(60))).toBeNull()
  first.close()
  writeFileSync(join(dir, 'fetch-4-1-0000.part'), 'old')

  const second = new FetchFile(dir, snapshot, seal)
  expect(second.begin(sha256, 100)).toBe(60)
  expect(existsSync(join(dir, 'fetch-4-1-0000.part'))).toBe(false)
  second.close()
  const third = new FetchFile(dir, snapshot, seal)
  expect(third.begin(new Uint8Array(32).fill(8), 100)).toBe(0)
  third.close()
})

test('what is read back differently is damaged, and thrown away', async () => {
  const file = new FetchFile(dir, { index: 9, term: 2 }, () => Promise.resolve('ff'))
  file.begin(new Uint8Array(32), 4)
  file.write(0, new Uint8Array(4))
  const verdict = await new Promise((resolve) => file.finish(resolve))
  expect(verdict).toBe('damaged')
  expect(file.isWhole).toBe(false)
  expect(readdirSync(dir)).toEqual([])
})

test('a state whose rows do not fit their hash is found, and never handed on', async () => {
  const store = await storeIn(dir)
  apply(store, 60)
  expect(await examine(store)).toBeNull()
  falsify(join(dir, 'state-0.db'))

  expect(await examine(store)).toContain('its rows have the hash')
  expect(await checkpoint(store, 'reset')).toBe(true)
  const kept = await keep(store)
  expect(kept).toEqual({ wrong: expect.stringContaining('its rows have the hash') })
  expect(store.snapshotBytes).toBe(0)
  expect(readdirSync(dir).filter((name) => name.startsWith('snapshot'))).toEqual([])
})

test.each(['bun', 'sql.js'] as const)(
  '%s: it is looked into while a transaction is open',
  async (driver) => {
    const store = await storeIn(dir, driver)
    apply(store, 20, false)
    expect(await examine(store)).toBeNull()
    apply(store, 40, false)
    expect(store.state.appliedIndex).toBe(40)
  },
)

test('what was said of a database is known to the next process, and dies with that database', async () => {
  const first = await storeIn(dir)
  apply(first, 20)
  first.fence('its rows\nare wrong')
  const second = await storeIn(dir)
  expect(second.fenced).toBe('its rows are wrong')

  const there = mkdtempSync(join(dir, 'maker-'))
  const maker = await storeIn(there)
  apply(maker, 40)
  await checkpoint(maker, 'reset')
  expect(await keep(maker)).toBe('kept')
  const snapshot = { index: 40, term: 2 }
  const made = maker.find(snapshot) ?? expect.unreachable()
  const offer = offerOf(snapshot)
  await fetchInto(second, offer, made)
  expect(await new Promise((resolve) => second.examineFetched(resolve))).toBeNull()

  expect(second.install(offer, 'keep')).toBe(true)
  expect(second.fenced).toBeNull()
  expect(second.state.appliedIndex).toBe(40)
  expect(existsSync(join(dir, 'FENCED'))).toBe(false)
})

test('the log is left alone where a state alone is replaced', async () => {
  const restarts: EntryId[] = []
  const store = await storeIn(dir, 'bun', restarts)
  apply(store, 20)
  const maker = await storeIn(mkdtempSync(join(dir, 'maker-')))
  apply(maker, 40)
  await checkpoint(maker, 'reset')
  await keep(maker)
  const snapshot = { index: 40, term: 2 }
  const offer = offerOf(snapshot)
  await fetchInto(store, offer, maker.find(snapshot) ?? expect.unreachable())

  expect(store.install(offer, 'keep')).toBe(true)

  expect(restarts).toEqual([])
  expect(store.state.stateHash()).toBe(maker.state.stateHash())
})

function failing(error: Error): Sql {
  const fail = (): never => {
    throw error
  }
  const statement = { run: fail, runRow: fail, get: fail, all: fail }
  return { driver: 'bun', exec: fail, prepare: () => statement, close: () => {} }
}

function coded(code: string): Error {
  return Object.assign(new Error('it says why'), { code })
}

test('what SQLite cannot read is damage, by the file’s name; what it refuses is not', () => {
  const heard: Error[] = []
  const ask = (error: Error): unknown =>
    guarded(failing(error), '/data/state-0.db', (told) => heard.push(told))
      .prepare('SELECT 1')
      .get()

  expect(() => ask(coded('SQLITE_CORRUPT_INDEX'))).toThrow(StateDamaged)
  expect(() => ask(Object.assign(new Error('x'), { errcode: 26 }))).toThrow('/data/state-0.db')
  expect(heard).toHaveLength(2)
  expect(heard[0]).toMatchObject({ exitCode: 3, message: expect.stringContaining('To rejoin') })
  expect(() => ask(coded('SQLITE_BUSY'))).toThrow('it says why')
  expect(heard).toHaveLength(2)
  expect(isDamage(new Error('database disk image is malformed'))).toBe(true)
  expect(isDamage('no error')).toBe(false)
})
