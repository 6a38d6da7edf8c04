/** DESIGN §1.2: the same entries give the same rows on every driver and for every batching. */
import { describe, expect, test } from 'bun:test'
import { prng, type Random } from '../../src/lib/prng.ts'
import type { Entry } from '../../src/raft/types.ts'
import {
  decodeOutcome,
  encodeOutcome,
  isAvailable,
  leaseOfGrant,
  leaseOfWaiter,
} from '../../src/state/mod.ts'
import type { Outcome, StateMachine, StateNote } from '../../src/state/mod.ts'
import { randomCommand, randomTrim, readAll } from './random-commands.ts'
import { randomWrapped } from './random-wrapped.ts'
import { commandEntry, DRIVERS, entry, Fed, FEW_KEYS } from './support.ts'

const SEEDS = [1, 2, 3, 4, 5]
const COMMANDS = 600

interface History {
  readonly entries: readonly Entry[]
  readonly outcomes: readonly (Outcome | null)[]
  /** The hashes that checks noted. */
  readonly notes: readonly StateNote[]
  readonly machine: StateMachine
}

const made = new Map<number, Promise<History>>()

function history(seed: number): Promise<History> {
  const known = made.get(seed) ?? makeHistory(seed)
  made.set(seed, known)
  return known
}

/** Made entry by entry against a machine of its own: what it came to is the reference. */
async function makeHistory(seed: number): Promise<History> {
  const random = prng(seed)
  const { machine } = await Fed.open('bun', FEW_KEYS)
  const entries: Entry[] = []
  const outcomes: (Outcome | null)[] = []
  const notes: StateNote[] = []
  for (let index = 1; index <= COMMANDS; index++) {
    const next = nextEntry(random, index, machine)
    entries.push(next)
    const batch = machine.applyBatch([next])
    outcomes.push(...batch.outcomes)
    notes.push(...batch.notes)
  }
  return { entries, outcomes, notes, machine }
}

/** States can be checked from the first entry on. */
function nextEntry(random: Random, index: number, machine: StateMachine): Entry {
  if (index === 1) return commandEntry(index, { type: 'cluster_version', version: 3 })
  if (random(40) === 0) {
    return entry(index, { type: 'membership', data: new Uint8Array([random(256)]) })
  }
  if (random(20) === 0) return commandEntry(index, { type: 'state_check' })
  if (random(20) === 0) return commandEntry(index, randomTrim(random))
  const isWrapped = random(4) === 0
  return commandEntry(index, (isWrapped ? randomWrapped : randomCommand)(random, machine))
}

/** Cuts the entries into random batches. */
function* batches(entries: readonly Entry[], seed: number): Generator<readonly Entry[]> {
  const random = prng(seed)
  for (let at = 0; at < entries.length;) {
    const size = 1 + random(1 + random(60))
    yield entries.slice(at, at + size)
    at += size
  }
}

describe.each(SEEDS)('seed %d', (seed) => {
  test('every driver and every batching gives the same rows, outcomes and hashes', async () => {
    const { entries, outcomes, notes, machine } = await history(seed)
    const expected = readAll(machine)

    for (const [i, driver] of DRIVERS.entries()) {
      for (const batching of [seed, seed + 100 * (i + 1)]) {
        const other = (await Fed.open(driver, FEW_KEYS)).machine
        const seen: (Outcome | null)[] = []
        const noted: StateNote[] = []
        for (const batch of batches(entries, batching)) {
          const applied = other.applyBatch(batch)
          seen.push(...applied.outcomes)
          noted.push(...applied.notes)
        }
        expect(seen).toEqual([...outcomes])
        expect(noted).toEqual([...notes])
        expect(readAll(other)).toEqual(expected)
        expect(other.recomputeHash()).toBe(machine.stateHash())
        other.close()
      }
    }
  })

  test('what is asked for decides no row', async () => {
    const { entries, machine } = await history(seed)
    const other = (await Fed.open('bun', FEW_KEYS)).machine
    for (const batch of batches(entries, seed)) other.applyBatch(batch, () => false)
    expect(readAll(other)).toEqual(readAll(machine))
  })

  test('the kept hash is the hash of the rows after every entry', async () => {
    const { entries } = await history(seed)
    const { machine } = await Fed.open('bun', FEW_KEYS)
    for (const [i, next] of entries.entries()) {
      machine.applyBatch([next])
      if (i % 7 === 0) expect(machine.recomputeHash()).toBe(machine.stateHash())
    }
  })

  test('every outcome survives the way to the node that asked', async () => {
    const { outcomes } = await history(seed)
    for (const outcome of outcomes) {
      if (outcome !== null) expect(decodeOutcome(encodeOutcome(outcome))).toEqual(outcome)
    }
  })

  test('revisions never fall, and rise exactly for what a batch told', async () => {
    const { entries } = await history(seed)
    const { machine } = await Fed.open('bun', FEW_KEYS)
    const last = new Map<string, number>()
    for (const next of entries) {
      const { topics } = machine.applyBatch([next])
      for (const { ns, topic, revision } of topics) {
        expect(revision).toBe(next.index)
        last.set(`${ns} ${topic}`, revision)
      }
      const wrong = [...last].filter(([name, revision]) => {
        const [ns = '', topic = ''] = name.split(' ')
        return (revisionOf(machine, ns, topic) ?? revision) !== revision
      })
      expect(wrong).toEqual([])
    }
    expect(last.size).toBeGreaterThan(20)
  })

  test('rows agree with each other', async () => {
    const { machine } = await history(seed)
    const leases = [...machine.leases()]
    for (const ns of ['default', 'ns～', 'ns🦊']) {
      for (const summary of machine.services(ns, { prefix: '', after: null, limit: 100 })) {
        const rows = machine.instances(ns, summary.service)
        expect(summary.instances).toBe(rows.length)
        expect(summary.available).toBe(rows.filter(isAvailable).length)
        for (const row of rows) {
          const lease = leases.find(({ id }) => id === row.lease) ?? null
          expect(lease?.ttlMs ?? null).toBe(row.spec.ttlMs)
          if (lease?.lapsed === true) expect(row.health).toBe('critical')
        }
      }
    }
    for (const lease of leases) {
      const { instances } = machine.leaseHoldings(lease.id)
      expect(instances.length).toBe(lease.id.startsWith('i:') ? 1 : 0)
    }
    for (const ns of ['default', 'ns～', 'ns🦊']) {
      for (const lock of machine.locks.locks(ns, { prefix: '', after: null, limit: 100 }, 100)) {
        expect(lock).toMatchObject({ held: lock.holders.length, waiting: lock.waiters.length })
        expect(lock.held).toBeLessThanOrEqual(lock.limit)
        const kept = [...lock.holders.map(leaseOfGrant), ...lock.waiters.map(leaseOfWaiter)]
        expect(kept.filter((id) => !leases.some((lease) => lease.id === id))).toEqual([])
      }
    }
  })
})

/** What a waiter would compare with `since`; null for a topic that no one can wait for. */
function revisionOf(machine: StateMachine, ns: string, topic: string): number | null {
  const [kind, service, id] = topic.split('/')
  if (kind === 'config') return machine.configRevision(ns, topic.slice('config/'.length))
  if (kind === 'stages') return null
  if (kind === 'leases' || (kind === 'locks' && id !== undefined)) return null
  if (kind === 'locks') {
    return service === undefined
      ? machine.locks.allRevision(ns)
      : machine.locks.revision(ns, service)
  }
  if (kind === 'config-schemas') return machine.configSchemasRevision(ns)
  if (service === undefined) return machine.servicesRevision(ns)
  if (id === undefined) return machine.serviceRevision(ns, service)
  return machine.instanceRevision({ ns, service, id })
}
