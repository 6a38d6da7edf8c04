/** What is kept of rows in memory is never seen: neither in what is read, nor after a snapshot. */
import { expect, test } from 'bun:test'

import { prng } from '../../src/lib/prng.ts'
import { openSql } from '../../src/runtime/sqlite.ts'
import type { InstanceRow, Sql, TopicChange } from '../../src/state/mod.ts'
import { CLUSTER_VERSION_MAX, StateMachine } from '../../src/state/mod.ts'
import { ServiceViews } from '../../src/state/services/service-views.ts'
import { NAMESPACES, randomCommand, randomTrim, readAll } from './random-commands.ts'
import { randomWrapped } from './random-wrapped.ts'
import { commandEntry, configPut, Fed, FEW_KEYS, instancePut, WEB } from './support.ts'

const SERVICES = ['web', 'wéb', 'db']

function views(machine: StateMachine): object {
  return NAMESPACES.map((ns) =>
    SERVICES.map((service) => {
      const { stamp: _, ...view } = machine.service(ns, service)
      return view
    }),
  )
}

async function memory(): Promise<Sql> {
  return openSql({ driver: 'bun', path: ':memory:' })
}

test.each([1, 2, 3, 4])(
  'seed %d: a machine that was asked before answers as a fresh one',
  async (seed) => {
    const random = prng(seed)
    const sql = await memory()
    const machine = StateMachine.open(sql, FEW_KEYS)
    const next = (index: number) => {
      if (index === 1) return { type: 'cluster_version', version: CLUSTER_VERSION_MAX } as const
      if (random(20) === 0) return randomTrim(random)
      return (random(4) === 0 ? randomWrapped : randomCommand)(random, machine)
    }
    for (let batch = 0; batch < 150; batch++) {
      const first = machine.appliedIndex + 1
      const size = 1 + random(6)
      const entries = Array.from({ length: size }, (_, i) =>
        commandEntry(first + i, next(first + i)),
      )
      machine.applyBatch(entries)
      if (random(2) === 0) continue // Several batches may lie between two looks.
      machine.save()
      const fresh = StateMachine.open(sql, FEW_KEYS)
      expect(readAll(machine)).toEqual(readAll(fresh))
      expect(views(machine)).toEqual(views(fresh))
    }
  },
)

test('what did not change is the same object, and a view goes on showing what was', async () => {
  const fed = await Fed.newest()
  const put = (id: string) => fed.ok(instancePut({}, { key: { ...WEB, id } }))
  for (const id of ['b', 'd', 'a']) put(id)
  const before = fed.machine.service('default', 'web')
  const [a, b, d] = before.instances
  fed.ok({ type: 'service_put', ns: 'default', service: 'api', settings, expect: null })
  expect(fed.machine.service('default', 'web')).toBe(before)

  put('c')
  put('b')
  fed.ok({ type: 'instance_delete', key: WEB, expect: null })
  const after = fed.machine.service('default', 'web')

  expect(before.instances).toEqual([a, b, d] as InstanceRow[])
  expect(after.instances.map(({ id }) => id)).toEqual(['b', 'c', 'd'])
  expect(after.instances[0]).not.toBe(b as InstanceRow)
  expect(after.instances[2]).toBe(d as InstanceRow)
  expect(after.stamp).not.toBe(before.stamp)
  expect(after.revision).toBe(fed.machine.revision)
})

const settings = { metadata: {}, protectThreshold: 0.5 }

test('another database in place of this one brings its own rows, at the same revisions', async () => {
  const machines = await Promise.all(
    ['1', '2'].map(async (which) => {
      const sql = await memory()
      const machine = StateMachine.open(sql)
      machine.applyBatch([
        commandEntry(1, instancePut({ zone: which })),
        commandEntry(2, configPut('k', which)),
      ])
      machine.save()
      return { sql, machine }
    }),
  )
  const [one, two] = machines as [(typeof machines)[0], (typeof machines)[0]]
  const seen = () => [
    one.machine.instance(WEB)?.spec.zone,
    one.machine.service('default', 'web').instances[0]?.spec.zone,
    new TextDecoder().decode(one.machine.config('default', 'k')?.value),
  ]
  expect(seen()).toEqual(['1', '1', '1'])
  one.machine.replace(two.sql)
  expect(seen()).toEqual(['2', '2', '2'])
})

/** A service of rows that are only as real as a view needs, and how often they were read. */
function fakeRows(ids: readonly string[]) {
  const rows = new Map(ids.map((id) => [id, { id } as InstanceRow]))
  const read = { all: 0, one: 0 }
  return {
    rows,
    read,
    source: {
      instances: () => {
        read.all++
        return Array.from(rows.values()).toSorted((x, y) => (x.id < y.id ? -1 : 1))
      },
      instance: (_: string, __: string, id: string) => {
        read.one++
        return rows.get(id) ?? null
      },
      revision: () => 1,
      protectThreshold: () => 0,
    },
  }
}

const topic = (id: string): TopicChange => ({ ns: 'n', topic: `services/s/${id}`, revision: 1 })

test('a change of one instance among many reads that one', () => {
  const { source, read, rows } = fakeRows(Array.from({ length: 1_000 }, (_, i) => `i${i}`))
  const kept = new ServiceViews(source)
  kept.get('n', 's')
  for (let i = 0; i < 50; i++) {
    rows.set(`i${i}`, { id: `i${i}` } as InstanceRow)
    kept.applied([topic(`i${i}`), { ns: 'n', topic: 'services/s', revision: 1 }])
    expect(kept.get('n', 's').instances).toEqual(source.instances())
  }
  expect(read.one).toBe(50)
  expect(read.all - 50).toBe(1) // The test reads them, too.
})

test('a service that nobody looks up is forgotten once most of it has changed', () => {
  const { source, read } = fakeRows(['a', 'b'])
  const kept = new ServiceViews(source)
  kept.get('n', 's')
  for (let i = 0; i < 100; i++) kept.applied([topic(`new-${i}`)])
  expect(kept.bytes).toBe(0)
  kept.get('n', 's')
  expect(read).toEqual({ all: 2, one: 0 })
})

test('views are kept within their bound, and what is too large for it is answered all the same', () => {
  const { source, rows } = fakeRows(['a', 'b', 'c'])
  const kept = new ServiceViews(source, { bytesMax: 50_000 })
  for (let i = 0; i < 100; i++) {
    kept.get('n', `s${i}`)
    expect(kept.bytes).toBeLessThanOrEqual(50_000)
  }
  expect(kept.bytes).toBeGreaterThan(20_000)
  for (let i = 0; i < 100; i++) rows.set(`i${i}`, { id: `i${i}` } as InstanceRow)
  const before = kept.bytes
  expect(kept.get('n', 'large').instances).toHaveLength(103)
  expect(kept.bytes).toBe(before)
})
