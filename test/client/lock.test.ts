/** What is held is held no longer than the last answered renewal says (DESIGN §5, §8). */
import { expect, test } from 'bun:test'

import type { Asked } from './world.ts'
import { clientIn, failure, held, json, never, problem, settled, World } from './world.ts'

const TTL_MS = 10_000
const GRANT = { name: 'a', owner: 'me', token: 41, ttl: '10s', ttlMs: TTL_MS }

const isRenewal = ({ url }: Asked): boolean => url.pathname.endsWith('/renew')

test('lock() is lost one time to live after the sending of the last answered renewal', async () => {
  const world = new World()
  world.script = () => json(GRANT)
  const lock = await clientIn(world).lock('a')
  await world.pass(TTL_MS * 3) // Many renewals.
  const lastMs = world.asked.findLast(isRenewal)?.atMs ?? Number.NaN

  world.script = never
  await world.pass(lastMs + TTL_MS * 0.9 - world.nowMs)
  expect(lock.signal.aborted).toBe(false)
  expect(lock.isHeld).toBe(true)
  await world.pass(lastMs + TTL_MS - world.nowMs)

  expect(lock.signal.aborted).toBe(true)
  expect(lock.signal.reason).toMatchObject({ name: 'RollcallError', code: 'lost' })
  expect(lock.isHeld).toBe(false)
})

test('lock() is lost in time where no renewal was ever answered, nor its fetch ever given up', async () => {
  const world = new World()
  const deaf = clientIn(world, {}, { fetch: async () => (isFirst ? json(GRANT) : await never()) })
  let isFirst = true
  const startMs = world.nowMs
  const lock = await deaf.lock('a')
  isFirst = false

  await world.pass(startMs + TTL_MS * 0.95 - world.nowMs)

  expect(lock.signal.reason).toMatchObject({ code: 'lost' })
})

test('lock() counts from the sending, not from the answer', async () => {
  const world = new World()
  const { reply, answer } = held()
  world.script = () => json(GRANT)
  const lock = await clientIn(world).lock('a')
  world.script = () => reply
  await world.pass(3_400)
  const sentMs = world.asked.findLast(isRenewal)?.atMs ?? Number.NaN
  await world.pass(1_000)
  world.script = never
  answer(json(GRANT))
  await world.pass(sentMs + TTL_MS * 0.94 - world.nowMs)
  expect(lock.signal.aborted).toBe(false)

  await world.pass(sentMs + TTL_MS - world.nowMs)
  expect(lock.signal.aborted).toBe(true)
})

test('lock() heeds the clock where a stalled process has run no timers', async () => {
  const world = new World()
  world.script = () => json(GRANT)
  const lock = await clientIn(world).lock('a')

  world.nowMs += TTL_MS // Nothing ran meanwhile.

  expect(lock.isHeld).toBe(false)
  expect(lock.signal.aborted).toBe(true)
})

test('lock() is not brought back by a renewal that is answered too late', async () => {
  const world = new World()
  const late: ((response: Response) => void)[] = []
  world.script = () => json(GRANT)
  const lock = await clientIn(world).lock('a', { marginMs: 2_000 })
  world.script = () => new Promise((resolve) => late.push(resolve))
  await world.pass(8_000)
  expect(lock.signal.aborted).toBe(true)

  for (const resolve of late) resolve(json(GRANT))
  await settled()

  expect(lock.isHeld).toBe(false)
})

test('lock() is lost at once when a node says so', async () => {
  const world = new World()
  world.script = (asked) => (isRenewal(asked) ? problem(404, 'not_found') : json(GRANT))
  const lock = await clientIn(world).lock('a')

  await world.pass(3_400)

  expect(lock.signal.reason).toMatchObject({ code: 'lost' })
})

test('lock() goes on through nodes that do not answer, while there is time', async () => {
  const world = new World()
  world.script = () => json(GRANT)
  const lock = await clientIn(world).lock('a')
  world.script = (asked) => (asked.node === 'http://c' ? json(GRANT) : never())

  await world.pass(TTL_MS * 20)

  expect(lock.isHeld).toBe(true)
})

test('lock() that waited long is renewed before it is handed over', async () => {
  const world = new World()
  const { reply, answer: grant } = held()
  world.script = (asked) => (isRenewal(asked) ? json(GRANT) : reply)
  const acquired = clientIn(world).lock('a', { wait: '1m' })
  await world.pass(40_000)
  grant(json(GRANT))
  const lock = await world.until(acquired)

  expect(world.asked.map(isRenewal)).toEqual([false, true])
  expect(lock.isHeld).toBe(true)
  expect(lock.remainingMs).toBe(TTL_MS * 0.95)
})

test('lock() that was lost on its way is asked for again, while there is time', async () => {
  const world = new World()
  const { reply, answer: grant } = held()
  let token = 40
  world.script = (asked) => {
    if (isRenewal(asked)) return asked.body.includes('41') ? problem(404, 'not_found') : json(GRANT)
    token++
    if (token === 41) return reply
    return asked.method === 'POST' ? json({ ...GRANT, token }) : json(null, 204)
  }
  const acquired = clientIn(world).lock('a', { wait: '1m' })
  await world.pass(40_000)
  grant(json(GRANT))

  const lock = await world.until(acquired)
  expect(lock.token).not.toBe(41)
  expect(lock.isHeld).toBe(true)
})

test('lock() keeps the token of a grant whose answer was lost: the key is the same', async () => {
  const world = new World()
  world.script = () => (world.asked.length === 1 ? never() : json(GRANT))

  const lock = await world.until(clientIn(world).lock('a', { wait: '0s' }))

  const asked = world.asked.filter(
    ({ method, url }) => method === 'POST' && !url.pathname.endsWith('/renew'),
  )
  expect(new Set(asked.map(({ headers }) => headers.get('idempotency-key'))).size).toBe(1)
  expect(lock.token).toBe(41)
  // The grant may be as old as the first attempt: it was renewed before anybody relied on it.
  expect(world.asked.some(isRenewal)).toBe(true)
})

test('lock() says who holds it when it was not granted in time', async () => {
  const world = new World()
  world.script = () =>
    problem(409, 'conflict', { holders: [{ owner: 'you', token: 7 }], waiters: 2 })

  const error = await failure(clientIn(world).lock('a', { wait: '0s' }))

  expect(error.code).toBe('conflict')
  expect(error.problem['holders']).toEqual([{ owner: 'you', token: 7 }])
})

test('release() fires the signal before a node can grant it to another', async () => {
  const world = new World()
  world.script = () => json(GRANT)
  const lock = await clientIn(world).lock('a')
  let wasAborted = false
  world.script = ({ method, url }) => {
    expect(`${method} ${url.pathname}${url.search}`).toBe('DELETE /v1/locks/a?token=41')
    wasAborted = lock.signal.aborted
    return json(null, 204)
  }

  await lock.release()
  await lock.release()

  expect(wasAborted).toBe(true)
  expect(lock.signal.reason).toMatchObject({ code: 'closed' })
  expect(world.asked).toHaveLength(2)
  expect(world.timers).toBe(0)
})

test('release() of what was lost is no error', async () => {
  const world = new World()
  world.script = ({ method }) => (method === 'POST' ? json(GRANT) : problem(412, 'stale_token'))
  const lock = await clientIn(world).lock('a')

  await lock.release()

  expect(lock.isHeld).toBe(false)
})

test('a lock that is disposed of is released; where no node hears it, silently', async () => {
  const world = new World()
  world.script = () => json(GRANT)
  const use = async (): Promise<void> => {
    await using lock = await clientIn(world).lock('a')
    expect(lock.isHeld).toBe(true)
    world.script = never
  }

  await world.until(use())

  expect(world.asked.at(-1)?.method).toBe('DELETE')
})

test('an aborted wait ends with its reason', async () => {
  const world = new World()
  world.script = never
  const stop = new AbortController()
  const acquired = clientIn(world).lock('a', { signal: stop.signal })
  acquired.catch(() => {})
  await world.pass(1_000)

  stop.abort(new Error('changed my mind'))

  expect(acquired).rejects.toThrow('changed my mind')
  await settled()
  expect(world.asked).toHaveLength(1)
})

test('semaphore() and election() are locks with a limit and a value', async () => {
  const world = new World()
  world.script = () => json(GRANT)
  const client = clientIn(world)

  await client.semaphore('s', { limit: 3, owner: 'me', ttl: '5s', wait: '2s' })
  const leadership = await client.election('e', { value: '10.0.0.1:80' })
  await leadership.setValue('10.0.0.1:81')

  const bodies = world.asked.map(({ body }) => JSON.parse(body) as Record<string, unknown>)
  expect(bodies[0]).toEqual({ owner: 'me', ttl: '5s', wait: '2000ms', limit: 3 })
  expect(bodies[1]).toMatchObject({ value: '10.0.0.1:80', wait: '600000ms' })
  expect(bodies[2]).toEqual({ token: 41, value: '10.0.0.1:81' })
})

test('election() stands again for as long as it takes', async () => {
  const world = new World()
  let rounds = 0
  world.script = async () => {
    rounds++
    if (rounds > 3) return json(GRANT)
    return await new Promise((resolve) =>
      world.ports.timer(() => resolve(problem(409, 'conflict')), 600_000),
    )
  }

  const leadership = await world.until(clientIn(world).election('e', { value: 'x' }), 3_600_000)

  expect(leadership.isHeld).toBe(true)
})

test('lock() of another limit is refused at once: nobody waits for that', async () => {
  const world = new World()
  world.script = () => problem(409, 'conflict', { limit: 1, holders: [], waiters: [] })

  const error = await failure(clientIn(world).semaphore('s', { limit: 2, wait: '1h' }))

  expect(error.code).toBe('conflict')
  expect(world.asked).toHaveLength(1)
})

test('lock() whose place was lost stands again for the rest of the wait, with rests between', async () => {
  const world = new World()
  const startMs = world.nowMs
  world.script = () => problem(409, 'conflict', { limit: 1, holders: [], waiters: [] })

  const error = await failure(world.until(clientIn(world).lock('a', { wait: '30s' })))

  expect(error.code).toBe('conflict')
  expect(world.nowMs - startMs).toBeGreaterThanOrEqual(30_000)
  expect(world.asked.length).toBeGreaterThan(1)
  expect(world.asked.length).toBeLessThanOrEqual(61)
  const keys = world.asked.map(({ headers }) => headers.get('idempotency-key'))
  expect(new Set(keys).size).toBe(keys.length)
})

test('lease() is kept alive, and ends with its client', async () => {
  const world = new World()
  world.script = ({ method }) =>
    json({ id: 'l1', ttl: '10s', ttlMs: TTL_MS }, method === 'DELETE' ? 204 : 200)
  const client = clientIn(world)
  const lease = await client.lease()
  await world.pass(60_000)
  expect(lease.isHeld).toBe(true)

  await client.close()

  expect(world.asked.at(-1)).toMatchObject({ method: 'DELETE' })
  expect(lease.signal.reason).toMatchObject({ code: 'closed' })
  expect((await failure(client.lease())).code).toBe('closed')
})
