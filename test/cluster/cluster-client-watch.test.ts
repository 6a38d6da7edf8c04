/** The client's watch, over nodes that die, stop and come back. */
import { expect, test } from 'bun:test'

import { TEST_MS } from '../support/cluster.ts'
import { until } from '../support/until.ts'
import { clientOf, withRaisedCluster } from '../support/client.ts'

test(
  'cluster: client: a watch that moves between nodes sees each of 300 writes once, in order',
  withRaisedCluster({}, async (cluster) => {
    await using client = clientOf(cluster)
    const stop = new AbortController()
    const seen: string[] = []
    const watched = (async () => {
      const options = { since: 0, values: true, signal: stop.signal }
      for await (const { data } of client.watch(['config/k/*'], options)) {
        seen.push((data as { readonly value: string }).value)
      }
    })()
    const expected: string[] = []
    for (let i = 0; i < 300; i++) {
      if (i === 100) await (await cluster.leader()).process.kill()
      const [node] = i % 60 === 59 ? cluster.nodes.filter(({ isRunning }) => isRunning) : []
      if (i === 200) {
        for (const dead of cluster.nodes.filter(({ isRunning }) => !isRunning)) dead.start()
      }
      if (node !== undefined && i > 200) await node.stop()
      if (node !== undefined && i > 200) node.start()
      expected.push(String(i))
      await client.request('PUT', `/v1/config/k/${i % 7}`, { body: String(i), timeoutMs: 30_000 })
    }
    await until('all are seen', () => seen.length >= expected.length)
    stop.abort()
    await watched

    expect(seen).toEqual(expected)
  }),
  TEST_MS,
)

test(
  'cluster: client: a copy is followed by one watch, without another read',
  withRaisedCluster({ size: 1 }, async (cluster) => {
    const asked: string[] = []
    await using writer = clientOf(cluster)
    await using client = clientOf(cluster, {
      fetch: (url, init) => {
        asked.push(`${init.method} ${new URL(url).pathname}`)
        return fetch(url, init)
      },
    })
    await using web = await client.discover('web')
    await using motd = await client.config('motd')
    await until(
      'both are watched',
      () => asked.filter((line) => line.endsWith('watch')).length === 2,
    )
    const one = await writer.register({ service: 'web', id: 'w1', address: '10.0.0.7' })
    await one.update({ weight: 5 })
    await writer.request('PUT', '/v1/config/motd', { body: 'hello', contentType: 'text/plain' })
    await until('both have followed', () => web.pick()?.weight === 5 && motd.value === 'hello')
    await one.close()
    await writer.request('DELETE', '/v1/config/motd')
    await until('both are gone', () => web.pick() === null && motd.value === null)

    expect(asked.sort()).toEqual([
      'GET /v1/config/motd',
      'GET /v1/services/web',
      'GET /v1/watch',
      'GET /v1/watch',
    ])
  }),
  TEST_MS,
)
