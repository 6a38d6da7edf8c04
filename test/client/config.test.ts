/** One key, typed, from a copy that never goes back (DESIGN.md of the client, "Copies"). */
import { expect, test } from 'bun:test'
import * as v from 'valibot'

import { text } from '../../src/client/mod.ts'
import type { Config, ConfigChange, ConfigOptions } from '../../src/client/mod.ts'
import {
  clientIn,
  failure,
  held,
  json,
  never,
  problem,
  refused,
  settled,
  Stream,
  World,
} from './world.ts'
import type { Asked, Reply } from './world.ts'

const Limits = v.object({ max: v.number() })
type Limits = v.InferOutput<typeof Limits>

/** Nodes that keep one key. */
class Cluster {
  readonly world = new World()
  version = 3
  revision = 10
  value: string | null = '{"max":3}'
  type = 'application/json'
  hasQuorum = true
  readonly streams: Stream[] = []

  constructor() {
    this.world.script = (asked) => this.answer(asked)
  }

  answer(asked: Asked): Reply {
    const { method, url, headers } = asked
    if (url.pathname === '/v1/watch') {
      const stream = new Stream(asked)
      this.streams.push(stream)
      stream.mark('sync', this.revision)
      return stream.response
    }
    const isStale = url.searchParams.get('consistency') === 'stale'
    if (!this.hasQuorum && !isStale) return problem(503, 'no_leader', { outcome: 'not_applied' })
    if (method !== 'GET') return this.#write(asked)
    const { revision } = this
    if (this.value === null) return problem(404, 'not_found', {}, { revision })
    const etag = `"${this.version}"`
    const stamp = { 'Rollcall-Revision': String(revision), ETag: etag, 'Content-Type': this.type }
    if (headers.get('if-none-match') === etag)
      return new Response(null, { status: 304, headers: stamp })
    return new Response(this.value, { headers: stamp })
  }

  #write({ method, headers, body }: Asked): Response {
    const expected = headers.get('if-match')
    const isStray = headers.get('if-none-match') === '*' && this.value !== null
    if (isStray || (expected !== null && expected !== `"${this.version}"`)) {
      return problem(412, 'version_mismatch', { outcome: 'not_applied', current: this.version })
    }
    this.put(method === 'DELETE' ? null : body)
    const { version, revision } = this
    return method === 'DELETE'
      ? json(null, 204, { revision })
      : json({ key: 'app/limits', version, revision }, 200, { revision })
  }

  put(value: string | null): void {
    this.value = value
    this.version += value === null ? 0 : 1
    this.revision++
  }

  /** Somebody else writes, and all who watch see it. */
  announce(value: string | null): void {
    this.put(value)
    const { version, revision, type: contentType } = this
    const data = { key: 'app/limits', version, revision, contentType, value }
    for (const stream of this.streams) {
      stream.event(value === null ? 'config.deleted' : 'config.put', data, revision)
    }
  }

  limits(options: ConfigOptions = {}): Promise<Config<Limits>> {
    return this.world.until(clientIn(this.world).config('app/limits', Limits, options))
  }

  reads(): readonly Asked[] {
    return this.world.asked.filter(
      ({ method, url }) => method === 'GET' && url.pathname !== '/v1/watch',
    )
  }
}

function noDisk(): never {
  throw new Error('no disk')
}

/** Changes as a listener saw them. */
function changesOf<T>(config: Config<T>): ConfigChange<T>[] {
  const seen: ConfigChange<T>[] = []
  config.onChange((change) => void seen.push(change))
  return seen
}

test('config() gives a typed value, and the changes in order', async () => {
  const cluster = new Cluster()
  const limits = await cluster.limits()
  expect([limits.value, limits.version, limits.freshness]).toEqual([{ max: 3 }, 3, 'live'])
  const seen = changesOf(limits)
  await settled()

  for (const max of [4, 5]) cluster.announce(JSON.stringify({ max }))
  cluster.announce(null)
  cluster.announce('{"max":6}')
  await settled()

  expect(seen).toEqual([
    { value: { max: 4 }, version: 4, previous: { max: 3 } },
    { value: { max: 5 }, version: 5, previous: { max: 4 } },
    { value: null, version: 0, previous: { max: 5 } },
    { value: { max: 6 }, version: 6, previous: null },
  ])
  expect(cluster.reads()).toHaveLength(1)
  await limits.close()
  expect(cluster.world.timers).toBe(0)
})

test('an old reply that comes late never overwrites a newer value', async () => {
  const cluster = new Cluster()
  const limits = await cluster.limits({ cache: 'verify' })
  const late = held()
  const old = cluster.answer({ ...cluster.world.asked[0], headers: new Headers() } as Asked)
  cluster.world.script = () => late.reply
  const slow = limits.get()
  await settled()
  cluster.world.script = (asked) => cluster.answer(asked)
  await limits.set({ max: 9 })
  expect(await limits.get()).toEqual({ max: 9 })

  late.answer(await old)

  expect(await slow).toEqual({ max: 9 })
  expect([limits.value, limits.version]).toEqual([{ max: 9 }, 4])
})

test('an old reply never brings back a key that was deleted', async () => {
  const cluster = new Cluster()
  const limits = await cluster.limits()
  await settled()
  const late = held()
  const old = await cluster.answer({ ...cluster.world.asked[0], headers: new Headers() } as Asked)
  cluster.world.script = () => late.reply
  const seen = changesOf(limits)
  cluster.streams[0]?.event('config.put', { key: 'app/limits', version: 4 }, 11) // Too large to tell.
  await settled()
  cluster.world.script = (asked) => cluster.answer(asked)
  cluster.revision = 11
  await limits.delete()
  late.answer(old)
  await settled()

  expect([limits.value, limits.version]).toEqual([null, 0])
  expect(seen.map(({ value }) => value)).toEqual([null])
})

test('write-through: what was written is read from memory', async () => {
  const cluster = new Cluster()
  const limits = await cluster.limits({ cache: 'write-through' })
  const seen = changesOf(limits)

  expect(await limits.set({ max: 9 }, { ifVersion: 3, comment: 'more' })).toBe(4)

  expect(limits.value).toEqual({ max: 9 })
  expect(await limits.get()).toEqual({ max: 9 })
  expect(seen).toEqual([{ value: { max: 9 }, version: 4, previous: { max: 3 } }])
  expect(cluster.reads()).toHaveLength(1)
  const write = cluster.world.asked.find(({ method }) => method === 'PUT')
  expect(write?.headers.get('if-match')).toBe('"3"')
  expect(write?.headers.get('content-type')).toBe('application/json')
  expect(write?.url.search).toBe('?comment=more')
})

test('invalidate: after a write the next read asks the nodes', async () => {
  const cluster = new Cluster()
  const limits = await cluster.limits({ cache: 'invalidate' })
  await limits.set({ max: 9 })
  expect(cluster.reads()).toHaveLength(1)

  expect(await limits.get()).toEqual({ max: 9 })
  expect(await limits.get()).toEqual({ max: 9 })

  expect(cluster.reads()).toHaveLength(2)
})

test('verify: every read asks, and an unchanged value is not sent again', async () => {
  const cluster = new Cluster()
  const limits = await cluster.limits({ cache: 'verify' })
  await limits.get()
  cluster.put('{"max":4}')

  expect(await limits.get()).toEqual({ max: 4 })

  expect(cluster.reads().map(({ headers }) => headers.get('if-none-match'))).toEqual([
    null,
    '"3"',
    '"3"',
  ])
  expect(cluster.streams).toHaveLength(0)
})

test('verify: without a leader the copy answers, marked; a refusal is not passed over', async () => {
  const cluster = new Cluster()
  const troubles: unknown[] = []
  const limits = await cluster.limits({
    cache: 'verify',
    onTrouble: (error) => troubles.push(error),
  })
  cluster.hasQuorum = false
  expect(await cluster.world.until(limits.get())).toEqual({ max: 3 })
  expect(limits.freshness).toBe('cached')
  expect(troubles).toMatchObject([{ code: 'no_leader' }])

  cluster.world.script = () => problem(403, 'permission_denied')
  expect((await failure(limits.get())).code).toBe('permission_denied')
})

test('update() writes on the version that it read, until nobody wrote in between', async () => {
  const cluster = new Cluster()
  const limits = await cluster.limits()
  let tries = 0

  const version = await limits.update((value) => {
    if (tries++ === 0) cluster.put('{"max":100}')
    return { max: (value?.max ?? 0) + 1 }
  })

  expect([tries, version, limits.value]).toEqual([2, 5, { max: 101 }])
})

test('a value that does not fit never replaces one that does', async () => {
  const cluster = new Cluster()
  const troubles: unknown[] = []
  const limits = await cluster.limits({ onTrouble: (error) => troubles.push(error) })
  const seen = changesOf(limits)
  await settled()
  cluster.announce('{"max":"many"}')
  cluster.announce('{"max":')
  await settled()
  expect([limits.value, limits.version]).toEqual([{ max: 3 }, 3])
  expect(limits.problem?.code).toBe('invalid_value')
  expect(troubles).toMatchObject([
    { code: 'invalid_value', problem: { issues: [{ path: 'max' }] } },
    { code: 'invalid_value' },
  ])
  expect(seen).toEqual([])

  cluster.announce('{"max":7}')
  await settled()
  expect([limits.value, limits.problem]).toEqual([{ max: 7 }, null])
})

test('config() rejects where the only value there is does not fit', async () => {
  const cluster = new Cluster()
  cluster.value = '{"max":"many"}'

  const error = await failure(cluster.limits())

  expect(error.code).toBe('invalid_value')
  expect(error.detail).toContain('"app/limits" version 3: max')
  expect(cluster.world.timers).toBe(0)
})

test('config() knows that a key is absent; what cannot be asked is not absent', async () => {
  const cluster = new Cluster()
  cluster.value = null
  expect((await cluster.limits()).value).toBeNull()

  const gone = new Cluster()
  gone.world.script = () => {
    throw refused()
  }
  expect((await failure(gone.limits())).code).toBe('unreachable')
})

test('config() begins with a stale node where there is no leader, and says so', async () => {
  const cluster = new Cluster()
  cluster.hasQuorum = false
  const limits = await cluster.limits()
  expect([limits.value, limits.freshness]).toEqual([{ max: 3 }, 'stale'])

  cluster.hasQuorum = true
  cluster.put('{"max":4}')
  await cluster.world.pass(20_000)
  expect([limits.value, limits.freshness]).toEqual([{ max: 4 }, 'live'])
})

test('config() keeps what it knows in a store, and begins with it when no node answers', async () => {
  const store = new Map<string, string>()
  const port = {
    get: (key: string) => store.get(key),
    put: (key: string, line: string) => store.set(key, line),
  }
  const before = new Cluster()
  before.value = '{"max":12}'
  await (await before.limits({ store: port })).close()
  expect([...store.keys()]).toEqual(['config/default/app/limits'])

  const after = new Cluster()
  after.world.script = never
  const limits = await after.limits({ store: port })
  expect([limits.value, limits.version, limits.freshness]).toEqual([{ max: 12 }, 3, 'cached'])

  after.put('{"max":13}')
  after.world.script = (asked) => after.answer(asked)
  await after.world.pass(30_000)
  expect([limits.value, limits.freshness]).toEqual([{ max: 13 }, 'live'])
  expect(store.get('config/default/app/limits')).toContain('"version":4')
})

test.each(['', '{"format":1,"asOf":5', '{"format":9}', 'null', '{"format":1}'])(
  'config() asks the nodes where the store holds %p',
  async (line) => {
    const cluster = new Cluster()
    const limits = await cluster.limits({ store: { get: () => line, put: () => {} } })
    expect(limits.value).toEqual({ max: 3 })
  },
)

test('a store that fails is told of, and ends nothing', async () => {
  const cluster = new Cluster()
  const troubles: unknown[] = []
  const limits = await cluster.limits({
    store: { get: noDisk, put: noDisk },
    onTrouble: (error) => troubles.push(String(error)),
  })
  await settled()

  expect(limits.value).toEqual({ max: 3 })
  expect(troubles).toEqual(['Error: no disk', 'Error: no disk'])
})

test('a listener is never called twice at once, and sees the newest in the end', async () => {
  const cluster = new Cluster()
  const limits = await cluster.limits()
  await settled()
  const seen: (number | undefined)[][] = []
  const gate = held()
  limits.onChange(async ({ value, previous }) => {
    seen.push([previous?.max, value?.max])
    await gate.reply
  })
  for (const max of [4, 5, 6, 7]) cluster.announce(JSON.stringify({ max }))
  await settled()
  expect(seen).toEqual([[3, 4]])

  gate.answer(new Response())
  await settled()
  expect(seen).toEqual([
    [3, 4],
    [4, 7],
  ])
})

test('config() without a schema goes by the content type; a codec has its own way', async () => {
  const cluster = new Cluster()
  const client = clientIn(cluster.world)
  expect((await client.config('app/limits')).value).toEqual({ max: 3 })
  cluster.type = 'text/plain; charset=utf-8'
  expect((await client.config('app/limits')).value).toBe('{"max":3}')
  cluster.type = 'application/octet-stream'
  expect((await client.config('app/limits')).value).toEqual(new TextEncoder().encode('{"max":3}'))

  const plain = await client.config('app/limits', null, { codec: text })
  await plain.set('hello')
  expect([plain.value, cluster.value]).toEqual(['hello', 'hello'])
})

test('a caller with labels is read for by every event: another value may be meant for it', async () => {
  const cluster = new Cluster()
  const limits = await cluster.limits({ labels: { zone: 'eu', instance: 'i-1' } })
  await settled()
  cluster.put('{"max":5}')
  cluster.streams[0]?.event('config.staged', { key: 'app/limits' }, cluster.revision)
  await settled()

  expect(limits.value).toEqual({ max: 5 })
  const labels = cluster.world.asked.map(({ headers }) => headers.get('rollcall-labels'))
  expect(new Set(labels)).toEqual(new Set(['zone=eu,instance=i-1']))
})

test('set() can be fenced by a lock', async () => {
  const cluster = new Cluster()
  const limits = await cluster.limits()

  await limits.set({ max: 1 }, { lock: { name: 'writer', token: 41 } })
  const error = await failure(limits.set({ max: 1 }, { ifVersion: 0 }))

  expect(
    cluster.world.asked.find(({ method }) => method === 'PUT')?.headers.get('rollcall-lock'),
  ).toBe('writer=41')
  expect([error.code, error.problem['current']]).toEqual(['version_mismatch', 4])
})
