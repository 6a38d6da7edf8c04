/**
 * The change feed is whole: what a reader can see is what its events, from the first one on, say.
 *
 * Covered: instances with what overrides them, the settings of services, config keys with their
 * values and what is staged for them, who holds locks, and the members, each as a row with all that a GET shows of it. Not covered, since no
 * watcher sees it: leases, who waits for locks, overrides of instances and hosts that are not there, tombstones.
 */
import { describe, expect, test } from 'bun:test'
import { MultisetHash } from '../../src/lib/hash.ts'
import { encode } from '../../src/lib/msgpack.ts'
import { prng } from '../../src/lib/prng.ts'
import { EVENT_KINDS, StateMachine } from '../../src/state/mod.ts'
import type { Command, InstanceEvent, InstanceRow, StoredEvent } from '../../src/state/mod.ts'
import { readConfigEvent, readInstanceEvent, readLockEvent } from '../../src/state/mod.ts'
import { readServiceEvent, stagedEvent } from '../../src/state/mod.ts'
import type { LockEvent, LockGrantRow } from '../../src/state/mod.ts'
import { openSql } from '../../src/runtime/sqlite.ts'
import { NAMESPACES, randomCommand } from './random-commands.ts'
import { commandEntry, configPut, DRIVERS, entry, Fed, SPEC } from './support.ts'

const COMMANDS = 400

type Row = readonly unknown[]

/** One logical row for each thing, under a name of its own. */
type Rows = Map<string, Row>

/** As the tables have it, by the questions that the API asks. */
function ofTables(machine: StateMachine): Rows {
  const rows: Rows = new Map()
  const page = { prefix: '', after: null, limit: 1_000 }
  for (const ns of NAMESPACES) {
    for (const { service } of machine.services(ns, page)) {
      for (const row of machine.instances(ns, service)) {
        rows.set(`instance/${ns}/${service}/${row.id}`, instanceRow(row))
      }
      const settings = machine.serviceSettings(ns, service)
      if (settings === null) continue
      const { revision, createdRevision, createdAtMs, updatedAtMs } = settings
      const tail = [revision, createdRevision, createdAtMs, updatedAtMs]
      rows.set(`service/${ns}/${service}`, [settings.settings, ...tail])
    }
    for (const { key } of machine.configList(ns, page)) {
      const config = machine.config(ns, key)
      if (config === null) throw new Error('a listed key has a value')
      const { contentType, version, size, lease, updatedBy, value } = config
      const { revision, createdRevision, createdAtMs, updatedAtMs } = config
      const tail = [revision, createdRevision, createdAtMs, updatedAtMs]
      const row = [contentType, version, size, lease, updatedBy, value, ...tail]
      rows.set(`config/${ns}/${key}`, row)
    }
    for (const { holders } of machine.locks.locks(ns, page, 1_000)) {
      for (const row of holders) rows.set(`lock/${ns}/${row.name}/${row.token}`, holderRow(row))
    }
    for (const meta of machine.stages.list(ns, page)) {
      const { key, stage } = meta
      const { rule, contentType, baseVersion, comment, updatedBy } = meta
      const { revision, createdRevision, createdAtMs, updatedAtMs } = meta
      const value = machine.stages.find(ns, key, stage)?.value ?? null
      const tail = [revision, createdRevision, createdAtMs, updatedAtMs]
      const row = [rule, contentType, baseVersion, comment, updatedBy, value, ...tail]
      rows.set(`stage/${ns}/${key}/${stage}`, row)
    }
  }
  const { membershipBytes, membershipIndex } = machine
  if (membershipBytes !== null) rows.set('members', [membershipIndex, membershipBytes])
  return rows
}

/** All that is shown of an instance, from either side. */
function instanceRow(row: InstanceRow | InstanceEvent): Row {
  const { spec, health, healthReason, lease, override, nodeOverride } = row
  const { revision, createdRevision, createdAtMs, updatedAtMs } = row
  const said = [health, healthReason, lease, note(override), note(nodeOverride)]
  return [spec, ...said, revision, createdRevision, createdAtMs, updatedAtMs]
}

/** Who holds a lock, from either side. */
function holderRow({ owner, value, ttlMs, lease, revision }: LockGrantRow | LockEvent): Row {
  return [owner, value, ttlMs, lease, revision]
}

type Note = { status: unknown; weight: unknown; reason: unknown; by: unknown; updatedAtMs: unknown }

function note(override: Note | null): Row | null {
  if (override === null) return null
  const { status, weight, reason, by, updatedAtMs } = override
  return [status, weight, reason, by, updatedAtMs]
}

/** As a reader has it that has seen every event. */
function replay(events: readonly StoredEvent[]): Rows {
  const rows: Rows = new Map()
  for (const event of events) replayOne(rows, event)
  return rows
}

function replayOne(rows: Rows, event: StoredEvent): void {
  switch (event.kind) {
    case EVENT_KINDS['instance.registered']:
    case EVENT_KINDS['instance.updated']: {
      const row = readInstanceEvent(event)
      rows.set(`instance/${row.ns}/${row.service}/${row.id}`, instanceRow(row))
      return
    }
    case EVENT_KINDS['instance.expired']:
    case EVENT_KINDS['instance.deregistered']: {
      const { ns, service, id } = readInstanceEvent(event)
      rows.delete(`instance/${ns}/${service}/${id}`)
      return
    }
    case EVENT_KINDS['service.updated']: {
      const { ns, service, settings, ...row } = readServiceEvent(event)
      const tail = [row.revision, row.createdRevision, row.createdAtMs, row.updatedAtMs]
      rows.set(`service/${ns}/${service}`, [settings, ...tail])
      return
    }
    case EVENT_KINDS['service.deleted']: {
      const { ns, service } = readServiceEvent(event)
      rows.delete(`service/${ns}/${service}`)
      return
    }
    case EVENT_KINDS['config.put']: {
      const { ns, key, contentType, version, size, lease, by, value, revision, atMs } =
        readConfigEvent(event)
      const name = `config/${ns}/${key}`
      const [createdRevision, createdAtMs] = rows.get(name)?.slice(7, 9) ?? [revision, atMs]
      const tail = [revision, createdRevision, createdAtMs, atMs]
      rows.set(name, [contentType, version, size, lease, by, value, ...tail])
      return
    }
    case EVENT_KINDS['config.deleted']: {
      const { ns, key } = readConfigEvent(event)
      rows.delete(`config/${ns}/${key}`)
      return
    }
    case EVENT_KINDS['lock.acquired']:
    case EVENT_KINDS['lock.updated']: {
      const held = readLockEvent(event)
      rows.set(`lock/${held.ns}/${held.name}/${held.token}`, holderRow(held))
      return
    }
    case EVENT_KINDS['lock.released']:
    case EVENT_KINDS['lock.expired']: {
      const { ns, name, token } = readLockEvent(event)
      rows.delete(`lock/${ns}/${name}/${token}`)
      return
    }
    case EVENT_KINDS['config.staged']:
      replayStage(rows, event)
      return
    case EVENT_KINDS['member.changed']:
      rows.set('members', [event.revision, event.body])
      return
    default:
      throw new Error(`a kind of event that this test does not know: ${JSON.stringify(event.kind)}`)
  }
}

function replayStage(rows: Rows, { ns, topic, revision, atMs, body, value }: StoredEvent): void {
  const { stage, rule, contentType, baseVersion, by, comment } = stagedEvent(body)
  const name = `stage/${ns}/${topic.slice('stages/'.length)}/${stage}`
  if (rule === null) {
    rows.delete(name)
    return
  }
  const [createdRevision, createdAtMs] = rows.get(name)?.slice(7, 9) ?? [revision, atMs]
  const tail = [revision, createdRevision, createdAtMs, atMs]
  rows.set(name, [rule, contentType, baseVersion, comment, by, value, ...tail])
}

/** The state hash's own sum, over logical rows. */
function hashOf(rows: Rows): string {
  const hash = new MultisetHash()
  for (const [name, row] of rows) hash.add(0, [name, encode(plain(row))])
  return hash.hex()
}

/** Without the order in which an object's fields were written. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain)
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return value
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, of]) => [key, plain(of)])
}

/** All of them, in pages that cut through nothing. */
function feedOf(machine: StateMachine, limit: number): StoredEvent[] {
  const events: StoredEvent[] = []
  for (let at = 0; ; at = events.at(-1)?.revision ?? 0) {
    const page = machine.eventsAfter(at, { limit, values: true })
    events.push(...page)
    if (page.length < limit) return events
  }
}

describe.each([1, 2, 3])('the feed of seed %d', (seed) => {
  test.each(DRIVERS)('replayed from its start gives the hash of the rows (%s)', async (driver) => {
    const random = prng(seed)
    const machine = StateMachine.open(await openSql({ driver, path: ':memory:' }))
    const live: StoredEvent[] = []
    machine.applyBatch([commandEntry(1, { type: 'cluster_version', version: 3 })])
    for (let index = 2; index <= COMMANDS; index++) {
      const membership = { type: 'membership', data: new Uint8Array([random(256)]) } as const
      const next =
        random(40) === 0
          ? entry(index, membership)
          : commandEntry(index, randomCommand(random, machine))
      live.push(...machine.applyBatch([next]).events)
    }

    const read = feedOf(machine, 1 + random(20))

    expect(read).toEqual(live)
    expect(hashOf(replay(read))).toBe(hashOf(ofTables(machine)))
    expect(ofTables(machine).size).toBeGreaterThan(20)
    // One event less is another state: the comparison can fail.
    expect(hashOf(replay(read.slice(0, -1)))).not.toBe(hashOf(ofTables(machine)))
  })
})

test('before clusterVersion 3 events are what older programs write', async () => {
  const { machine } = await Fed.open()
  const key = { ns: 'default', service: 'web', id: '1' }
  const settings = { metadata: {}, protectThreshold: 0 }
  const override = { status: 'down', weight: null, reason: 'r' } as const
  const spec = { ...SPEC, node: 'h' }
  const commands: Command[] = [
    { type: 'node_override_put', ns: 'default', node: 'h', override, by: 'b', expect: null },
    { type: 'instance_put', key, spec, expect: null },
    { type: 'override_put', key, override, by: 'b', expect: null },
    { type: 'service_put', ns: 'default', service: 'web', settings, expect: null },
  ]
  const feed = commands.map((command, i) => commandEntry(i + 1, command))
  const { events } = machine.applyBatch([
    ...feed,
    entry(5, { type: 'membership', data: new Uint8Array([1]) }),
  ])

  expect(events.map(({ revision }) => revision)).toEqual([2, 3, 4])
  const [first, second, third] = events as [StoredEvent, StoredEvent, StoredEvent]
  const told = { status: 'down', weight: null, reason: 'r', updatedAtMs: null } as const
  expect(readInstanceEvent(first).nodeOverride).toEqual({ ...told, by: null })
  expect(readInstanceEvent(second).override).toEqual({ ...told, by: 'b' })
  expect(readServiceEvent(third).createdAtMs).toBeNull()
})

test('eventsAfter() leaves out values where none are wanted, and those that are too large', async () => {
  const { machine } = await Fed.open()
  const values = ['x'.repeat(65_536), 'x'.repeat(65_537)]
  machine.applyBatch(values.map((value, i) => commandEntry(i + 1, configPut('k', value))))

  const plainly = machine.eventsAfter(0, { limit: 10, values: false })
  const withValues = machine.eventsAfter(0, { limit: 10, values: true })

  expect(plainly.map(({ size, value }) => [size, value])).toEqual([
    [65_536, null],
    [65_537, null],
  ])
  expect(withValues.map(({ value }) => value?.length ?? null)).toEqual([65_536, null])
})
