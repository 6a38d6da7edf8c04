/** Counter, barrier and read-write lock on transactions of real nodes. */
import { afterAll, beforeAll, expect, test } from 'bun:test'

import type { RwHold } from '../../src/client/mod.ts'
import { startCluster, TEST_MS } from '../support/cluster.ts'
import type { Cluster } from '../support/cluster.ts'
import { until } from '../support/until.ts'
import { clientOf, raised, withRaisedCluster } from '../support/client.ts'

const codeOf = (error: unknown) => (error as { readonly code?: string }).code

/** One node, of all tests but the first. */
let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ size: 1 })
  await raised(cluster)
}, TEST_MS)

afterAll(() => cluster.stop(), TEST_MS)

test(
  'cluster: client: a counter loses nothing that several add at once, over a change of leader',
  withRaisedCluster({}, async (cluster) => {
    const clients = Array.from({ length: 4 }, () => clientOf(cluster))
    const sums: number[] = []
    const add = async (client: ReturnType<typeof clientOf>): Promise<void> => {
      for (let i = 0; i < 15; i++) sums.push(await client.counter('hits').add())
    }
    const adding = clients.map(add)
    await until('they are in the middle of it', () => sums.length > 10)
    await (await cluster.leader()).process.kill()
    await Promise.all(adding)

    expect([...sums].sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1))
    expect(await clients[0]!.counter('hits').get()).toBe(60)
    await clients[0]!.request('PUT', '/v1/config/words', { body: 'many' })
    expect(await clients[0]!.counter('words').add().catch(codeOf)).toBe('invalid_value')
  }),
  TEST_MS,
)

test(
  'cluster: client: a barrier opens when all are there, and counts nobody who has gone',
  async () => {
    await using client = clientOf(cluster)
    const barrier = () => client.barrier('meet/1', { parties: 3, ttl: '2s' })
    const passed: string[] = []
    const party = async (name: string, signal?: AbortSignal): Promise<void> => {
      await barrier().wait(signal === undefined ? {} : { signal })
      passed.push(name)
    }
    const leaves = new AbortController()
    const gone = party('gone', leaves.signal).catch(() => {})
    const first = party('first')
    const keys = async () =>
      (await cluster.node(0).get('/v1/config?prefix=meet/')).json['items'] as unknown[]
    await until('two are there', async () => (await keys()).length === 2)
    leaves.abort(new Error('no time'))
    await gone
    const second = party('second')
    await until('two are there again', async () => (await keys()).length === 2)
    await Bun.sleep(300)
    expect(passed).toEqual([])

    const third = party('third')
    await Promise.all([first, second, third])
    await party('late')

    expect([...passed].sort()).toEqual(['first', 'late', 'second', 'third'])
    expect((await keys()).length).toBe(1) // That it is open; whoever waited has gone.
  },
  TEST_MS,
)

test(
  'cluster: client: a read-write lock has many readers or one writer',
  async () => {
    await using client = clientOf(cluster)
    const lock = client.rwLock('rw/many')
    let readers = 0
    let writers = 0
    let most = 0
    const use = async (hold: RwHold, isWriter: boolean): Promise<void> => {
      readers += isWriter ? 0 : 1
      writers += isWriter ? 1 : 0
      most = Math.max(most, readers)
      expect(writers === 0 || (writers === 1 && readers === 0)).toBe(true)
      await Bun.sleep(20)
      readers -= isWriter ? 0 : 1
      writers -= isWriter ? 1 : 0
      await hold.release()
    }
    const work = Array.from({ length: 18 }, async (_, i) => {
      const isWriter = i % 6 === 5
      const hold = await (isWriter ? lock.write({ wait: '1m' }) : lock.read({ wait: '1m' }))
      await use(hold, isWriter)
    })
    await Promise.all(work)

    expect(most).toBeGreaterThan(1)
    const { text } = await cluster.node(0).get('/v1/config/rw/many')
    expect(JSON.parse(text)).toEqual({ readers: [], writer: null, next: null })
  },
  TEST_MS,
)

test(
  'cluster: client: a writer that waits lets no reader in, one that died is taken out',
  async () => {
    await using client = clientOf(cluster)
    const lock = client.rwLock('rw/table')
    const reader = await lock.read()
    const waiting = lock.write({ wait: '1m' })
    await until('it waits', async () => {
      const { text } = await cluster.node(0).get('/v1/config/rw/table')
      return (JSON.parse(text) as { readonly next: string | null }).next !== null
    })
    expect(await lock.read({ wait: '0s' }).catch(codeOf)).toBe('conflict')

    await reader.release()
    const writer = await waiting
    expect(writer.isHeld).toBe(true)
    // Its process is gone: nobody renews, nobody takes its name out.
    const { condition } = writer as { readonly condition: { readonly lease?: string } }
    await cluster.node(0).call('DELETE', `/v1/leases/${condition.lease}`)
    const next = await lock.write({ wait: '30s' })

    expect(next.token).toBeGreaterThan(writer.token)
    const fenced = (hold: RwHold) =>
      client.txn({
        if: [hold.condition],
        then: [{ op: 'config.put', key: 'table', value: String(hold.token) }],
      })
    expect((await fenced(writer)).succeeded).toBe(false)
    expect((await fenced(next)).succeeded).toBe(true)
    await until('it has noticed', () => writer.signal.aborted)
    expect(codeOf(writer.signal.reason)).toBe('lost')
    await next.release()
  },
  TEST_MS,
)

test(
  'cluster: client: a transaction tells which operation failed, and did nothing',
  async () => {
    await using client = clientOf(cluster)
    const done = await client.txn({
      if: [{ config: 'a', version: 0 }],
      then: [
        { op: 'config.put', key: 'a', value: '1' },
        { op: 'config.get', key: 'a' },
      ],
    })
    expect(done).toMatchObject({ succeeded: true, results: [{ version: 1 }, { value: '1' }] })

    const failed = await client
      .txn({
        then: [
          { op: 'config.put', key: 'b', value: '1' },
          { op: 'config.put', key: 'c', value: '1', lease: 'none' },
        ],
      })
      .catch((error: unknown) => error)

    expect(failed).toMatchObject({ outcome: 'not_applied', problem: { failed: 1 } })
    expect((await cluster.node(0).get('/v1/config/b')).status).toBe(404)
  },
  TEST_MS,
)
