/** The same source under Deno: alone, again with its data, and among nodes that run on Bun. */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import process from 'node:process'
import { stateOf, TEST_MS, withCluster } from '../support/cluster.ts'
import { binary, Program, ROOT, run } from '../support/program.ts'
import { stalledReader } from '../support/stalled-reader.ts'
import { until } from '../support/until.ts'
import { WatchReader } from '../support/watch-reader.ts'

const MAIN = join(ROOT, 'src/main.ts')

/** The runtime that `npm test` found, else the one that is installed. */
const deno = process.env['ROLLCALL_TEST_DENO'] ?? join(ROOT, 'node_modules/.bin/deno')
const DENO = [deno, 'run', '-A', MAIN]

test(
  'deno: a node starts, registers, and restarts with its data',
  withCluster({ size: 1, command: () => DENO }, async (cluster) => {
    const node = cluster.node(0)
    const put = await node.put('/v1/services/web/instances/web-1', {
      address: '10.0.0.5',
      port: 8080,
      ttl: '10m',
    })
    const beat = await node.call('POST', '/v1/services/web/instances/web-1/heartbeat')
    await node.put('/v1/config/k', 'v')
    const { sqlite } = await node.status()

    node.process.signal('SIGTERM')
    const code = await node.process.ended()
    node.start()
    await node.ready()
    const afterStop = await node.get('/v1/services/web')
    await node.put('/v1/config/k', 'w')
    await node.process.kill()
    node.start()
    await node.ready()
    const afterKill = await node.get('/v1/config/k')

    expect(put.status).toBe(201)
    expect(beat.status).toBe(200)
    expect(['node', 'sql.js']).toContain(String(sqlite))
    expect(code).toBe(0)
    expect(afterStop.json['instances']).toMatchObject([{ id: 'web-1', available: true }])
    expect(afterKill.text).toBe('w')
  }),
  TEST_MS,
)

test(
  'deno: a node with sql.js rebuilds its state from the log',
  withCluster(
    { size: 1, command: () => DENO, flags: () => ['--sqlite', 'sql.js'] },
    async (cluster) => {
      const node = cluster.node(0)
      for (let i = 0; i < 20; i++) await node.put(`/v1/config/k${i}`, `v${i}`)
      await node.process.kill()
      node.start()
      await node.ready()

      expect((await node.status())['sqlite']).toBe('sql.js')
      for (let i = 0; i < 20; i++) {
        expect((await node.get(`/v1/config/k${i}`)).text).toBe(`v${i}`)
      }
    },
  ),
  TEST_MS,
)

test(
  'deno: a watch is told what happens; a reader that does not read is cut',
  withCluster({ size: 1, command: () => DENO }, async (cluster) => {
    const node = cluster.node(0)
    const query = 'topic=config/big/*&values=true'
    const stalled = stalledReader(node.port, `/v1/watch?${query}`)
    await until('it watches', async () => (await node.metric('rollcall_watchers')) === 1)
    const watch = new WatchReader(await fetch(`${node.url}/v1/watch?${query}`))
    const sync = await watch.next()
    const reading = watch.take(300)
    for (let i = 0; i < 300; i++) await node.set('big/a', `${i}${'x'.repeat(60_000)}`)
    const told = await reading
    await until('the other is cut', async () => (await node.metric('rollcall_watchers')) === 1)
    node.process.signal('SIGTERM')
    const cut = await watch.next()
    stalled.destroy()

    expect(sync.event).toBe('sync')
    expect(told.map(({ data }) => parseInt(String(data['value']), 10))).toEqual(
      Array.from({ length: 300 }, (_, i) => i),
    )
    expect(cut).toMatchObject({ event: 'cut', data: { code: 'node_stopping' } })
    expect(await node.process.ended()).toBe(0)
  }),
  TEST_MS,
)

test(
  'deno: a node forms a cluster with two on Bun, takes writes, and catches up after kill -9',
  withCluster({ command: (place) => (place === 1 ? DENO : null) }, async (cluster) => {
    const onDeno = cluster.node(1)
    const others = cluster.others(onDeno)
    const put = await onDeno.put('/v1/services/web/instances/a', {
      address: '10.0.0.1',
      ttl: '10m',
    })
    for (const node of cluster.nodes) {
      const read = await node.get('/v1/services/web/instances/a')
      expect([node.id, read.status]).toEqual([node.id, 200])
      const beat = await node.call('POST', '/v1/services/web/instances/a/heartbeat')
      expect([node.id, beat.status]).toEqual([node.id, 200])
    }
    const since = put.json['revision'] as number
    const poll = onDeno.get(`/v1/services/web?since=${since}&wait=60s`)
    await others[0]!.put('/v1/services/web/instances/b', { address: '10.0.0.2' })
    expect((await poll).json['instances']).toMatchObject([{ id: 'a' }, { id: 'b' }])

    await onDeno.process.kill()
    for (let i = 0; i < 50; i++) {
      const { status } = await others[i % 2]!.put(`/v1/config/k${i}?timeout=30s`, `${i}`)
      expect(status).toBe(201)
    }
    onDeno.start()
    await cluster.ready()
    await cluster.settled()

    const states = await Promise.all(cluster.nodes.map(stateOf))
    expect(states[0]).toContain('"k49"')
    expect(states[1]).toBe(states[0]!)
    expect(states[2]).toBe(states[0]!)

    // The two others die: with one of them back, Deno is half of the majority.
    await Promise.all(others.map((node) => node.process.kill()))
    others[0]!.start()
    await cluster.ready([onDeno, others[0]!])
    expect((await onDeno.put('/v1/config/k0?timeout=30s', 'w')).status).toBe(200)
    expect((await others[0]!.get('/v1/config/k0')).text).toBe('w')
  }),
  TEST_MS,
)

test(
  'deno: Bun and Deno exclude each other from one data directory',
  withCluster({ size: 1, command: () => DENO }, async (cluster) => {
    const node = cluster.node(0)
    await node.put('/v1/config/k', 'v')
    const elsewhere = node.args.with(node.args.indexOf('--listen') + 1, '127.0.0.1:0')
    const onBun = await run(elsewhere)
    const other = new Program('deno', [...DENO, ...elsewhere])
    const onDeno = await other.ended()
    const wrong = new Program('deno', [...DENO, 'serve', '--lisen', 'x'])

    expect([onBun.code, onDeno]).toEqual([3, 3])
    expect(onBun.err).toContain('in use')
    expect(other.saying('in use')).toHaveLength(1)
    expect(await wrong.ended()).toBe(2)
  }),
  TEST_MS,
)

test(
  'deno: what a node wrote on one runtime it reads on the other',
  withCluster({ size: 1, start: false }, async (cluster) => {
    const node = cluster.node(0)
    const programs = [DENO, [binary()], DENO]
    for (const [i, program] of programs.entries()) {
      const run = new Program(`on ${program[0]}`, [...program, ...node.args])
      try {
        await until('it is ready', async () => (await node.get('/readyz')).status === 200)
        for (let j = 0; j < i; j++) {
          expect((await node.get(`/v1/config/k${j}`)).text).toBe(`${j}`)
        }
        expect((await node.put(`/v1/config/k${i}`, `${i}`)).status).toBe(201)
      } finally {
        await run.kill()
      }
    }
  }),
  TEST_MS,
)
