/** Locks, semaphores and leaderships of real nodes, and what becomes of them when those are gone. */
import { expect, test } from 'bun:test'

import { TEST_MS } from '../support/cluster.ts'
import { until } from '../support/until.ts'
import { clientOf, withRaisedCluster } from '../support/client.ts'

const codeOf = (error: unknown) => (error as { readonly code?: string }).code

test(
  'cluster: client: a lock outlives the leader, and excludes and fences until it is released',
  withRaisedCluster({}, async (cluster) => {
    await using one = clientOf(cluster)
    await using two = clientOf(cluster)
    const first = await one.lock('job', { ttl: '3s', owner: 'one' })
    const refused = await two.lock('job', { wait: '0s' }).catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'conflict', problem: { holders: [{ owner: 'one' }] } })

    await (await cluster.leader()).process.kill()
    await Bun.sleep(4_000) // Longer than a time to live: it is renewed.
    expect(first.isHeld).toBe(true)
    const result = await one.config('result')
    await result.set('of the first', { lock: first })
    const waiting = two.lock('job', { wait: '1m' })
    await first.release()
    const second = await waiting

    expect(second.token).toBeGreaterThan(first.token)
    expect(await result.set('too late', { lock: first }).catch(codeOf)).toBe('stale_token')
    expect(await result.get()).toBe('of the first')
  }),
  TEST_MS,
)

test(
  'cluster: client: with every node standing still the signal fires before another can hold the lock',
  withRaisedCluster({}, async (cluster) => {
    await using client = clientOf(cluster)
    await using other = clientOf(cluster)
    const lock = await client.lock('job', { ttl: '3s' })
    const taken = other.lock('job', { wait: '1m' })
    const order: string[] = []
    lock.signal.addEventListener('abort', () => order.push('lost'))
    void taken.then(() => order.push('granted'))
    await Promise.all(cluster.nodes.map((node) => node.process.pause()))

    await until('the signal fires', () => lock.signal.aborted)
    expect(codeOf(lock.signal.reason)).toBe('lost')
    expect(lock.isHeld).toBe(false)
    for (const node of cluster.nodes) node.process.resume()
    const next = await taken

    expect(order).toEqual(['lost', 'granted'])
    expect(next.token).toBeGreaterThan(lock.token)
  }),
  TEST_MS,
)

test(
  'cluster: client: a semaphore has its limit, and a leader is followed',
  withRaisedCluster({}, async (cluster) => {
    await using client = clientOf(cluster)
    const some = [
      await client.semaphore('seats', { limit: 2 }),
      await client.semaphore('seats', { limit: 2 }),
    ]
    expect(await client.semaphore('seats', { limit: 2, wait: '0s' }).catch(codeOf)).toBe('conflict')
    await some[0]!.release()
    const third = await client.semaphore('seats', { limit: 2 })
    expect(third.token).toBeGreaterThan(some[1]!.token)

    const view = await client.leader('primary')
    const seen: (string | null | undefined)[] = []
    view.onChange((leader) => seen.push(leader === null ? null : leader.value))
    expect(view.leader).toBeNull()
    const first = await client.election('primary', { value: 'http://a', ttl: '3s' })
    await until('it is known', () => view.leader?.value === 'http://a')
    await first.setValue('http://a2')
    await until('its new address is known', () => view.leader?.value === 'http://a2')
    const standing = client.election('primary', { value: 'http://b', ttl: '3s' })
    await first.release()
    const second = await standing
    await until('the next is known', () => view.leader?.token === second.token)

    expect(seen.filter((value) => value !== null)).toEqual(['http://a', 'http://a2', 'http://b'])
  }),
  TEST_MS,
)
