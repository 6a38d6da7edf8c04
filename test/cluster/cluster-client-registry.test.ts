/** The client against real nodes: what it registers, finds and configures, while nodes come and go. */
import { expect, test } from 'bun:test'
import * as v from 'valibot'

import { RollcallError, roundRobin } from '../../src/client/mod.ts'
import { TEST_MS } from '../support/cluster.ts'
import { until } from '../support/until.ts'
import { clientOf, withRaisedCluster } from '../support/client.ts'

const idsOf = (instances: readonly { readonly id: string }[]) =>
  instances.map(({ id }) => id).join(' ')

test(
  'cluster: client: a registration lives through the death of the leader, and is found',
  withRaisedCluster({}, async (cluster) => {
    await using client = clientOf(cluster)
    await using watcher = clientOf(cluster)
    const mine = await client.register({
      service: 'web',
      id: 'w1',
      address: '10.0.0.7',
      port: 80,
      ttl: '3s',
    })
    const web = await watcher.discover('web', { picker: roundRobin() })
    const seen: string[] = []
    web.onChange((instances) => seen.push(idsOf(instances)))
    expect(web.pick()?.address).toBe('10.0.0.7')

    const leader = await cluster.leader()
    await leader.process.kill()
    const others = cluster.others(leader)
    await cluster.leader(others)
    const second = await client.register({
      service: 'web',
      id: 'w2',
      address: '10.0.0.8',
      ttl: '3s',
    })
    await until('the second is found', () => idsOf(web.instances) === 'w1 w2')
    await mine.update({ status: 'draining' })
    await until('the first takes no more', () => idsOf(web.instances) === 'w2')
    await Bun.sleep(4_000) // Longer than a time to live: both beat.
    expect(idsOf(web.all)).toBe('w1 w2')

    await second.close()
    await mine.close()
    await until('both are gone', () => web.all.length === 0)
    expect(seen.slice(0, 3)).toEqual(['w1 w2', 'w2', ''])
    const { json } = await others[0]!.get('/v1/services/web')
    expect(json['instances']).toEqual([])
  }),
  TEST_MS,
)

test(
  'cluster: client: an instance that expired in a pause is registered again',
  withRaisedCluster({ size: 1 }, async (cluster) => {
    const node = cluster.node(0)
    await using client = clientOf(cluster)
    let isRestored = false
    await client.register({
      service: 'web',
      id: 'w1',
      address: '10.0.0.7',
      ttl: '2s',
      onRestored: () => void (isRestored = true),
    })
    await node.call('DELETE', '/v1/services/web/instances/w1') // As by an expiry.

    await until('it registered again', () => isRestored)

    expect((await node.get('/v1/services/web/instances/w1')).status).toBe(200)
  }),
  TEST_MS,
)

test(
  'cluster: client: without a quorum a copy goes on, a new one is stale, and neither is empty',
  withRaisedCluster({}, async (cluster) => {
    await using client = clientOf(cluster)
    await client.register({ service: 'web', id: 'w1', address: '10.0.0.7', ttl: '60s' })
    const before = await client.discover('web')
    await cluster.settled()
    const [alive, ...dead] = cluster.nodes
    for (const node of dead) await node.process.kill()
    await until('the lease is over', async () => {
      return (await alive?.get('/v1/services/web?timeout=100ms'))?.status === 503
    })

    await using late = clientOf(cluster)
    const after = await late.discover('web')
    expect([idsOf(after.instances), after.freshness]).toEqual(['w1', 'stale'])
    expect(await before.refresh().catch((error: unknown) => error)).toBeInstanceOf(RollcallError)
    expect(before.freshness).not.toBe('live')
    expect(idsOf(before.instances)).toBe('w1')

    await alive?.process.kill()
    await using none = clientOf(cluster)
    expect(await none.discover('web').catch((error: unknown) => error)).toMatchObject({
      code: 'unreachable',
    })
    expect([idsOf(before.instances), idsOf(after.instances)]).toEqual(['w1', 'w1'])

    for (const node of cluster.nodes) node.start()
    await cluster.ready()
    await until('all is live again', () =>
      [before, after].every(({ freshness }) => freshness === 'live'),
    )
    await client.close()
  }),
  TEST_MS,
)

test(
  'cluster: client: a configuration value follows its writers over the death of the leader',
  withRaisedCluster({}, async (cluster) => {
    await using writer = clientOf(cluster)
    await using reader = clientOf(cluster)
    const Limits = v.object({ max: v.number() })
    const written = await writer.config('app/limits.json', Limits)
    expect([written.value, written.version]).toEqual([null, 0])
    await written.set({ max: 0 }, { ifVersion: 0 })
    const limits = await reader.config('app/limits.json', Limits)
    const seen: (number | undefined)[] = []
    limits.onChange(({ value }) => void seen.push(value?.max))

    for (let max = 1; max <= 5; max++) await written.set({ max })
    await until('it has followed', () => limits.value?.max === 5)
    await (await cluster.leader()).process.kill()
    for (let max = 6; max <= 10; max++) await written.update(() => ({ max }))
    await until('it follows on', () => limits.value?.max === 10)
    await written.delete()
    await until('it sees the end', () => limits.value === null)

    expect(seen.at(-1)).toBeUndefined()
    const values = seen.slice(0, -1) as number[]
    expect(values).toEqual([...values].sort((a, b) => a - b)) // Never back.
    expect(written.version).toBe(0)
  }),
  TEST_MS,
)
